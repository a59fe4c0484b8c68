"""Notes of threads: taken here, kept in the spool, folded by the ledger."""

from collections.abc import Callable
from functools import partial

import structlog
from msgspec.structs import replace

from actors.messages.provider import DeltaSink
from actors.messages.routing import (
    EndSink,
    ErrorInfo,
    RequestRecord,
    RouteHandle,
    RouteRef,
    RouteRequest,
    RouteResult,
    StartSink,
)
from actors.messages.threads import MAX_TEXT_CHARS, ThreadEntry, ThreadNotes
from daemon import thread_entries

log = structlog.get_logger()


class ThreadBook:
    """A ``ThreadRecorder``.

    Args:
        append: Writes notes into the spool; raises ``OSError``.
        new_id: Makes ids of entries.
        utc: Epoch seconds.
        masked: Takes keys out of a text.

    Attributes:
        keep_text: Whether texts are kept, from now on, or only how long they were.
    """

    def __init__(
        self,
        append: Callable[[ThreadNotes], None],
        new_id: Callable[[], str],
        utc: Callable[[], float],
        masked: Callable[[str], str],
        *,
        keep_text: bool,
    ) -> None:
        self._append = append
        self._new_id = new_id
        self._utc = utc
        self._masked = masked
        self.keep_text = keep_text

    def note(self, *entries: ThreadEntry) -> None:
        """See ``ThreadRecorder``."""
        try:
            self._append(ThreadNotes(tuple(map(self._whole, entries))))
        except (OSError, ValueError) as error:
            # The work goes on; the spool raises the condition itself.
            log.error(  # noqa: TRY400 - the system's words say it all
                "thread_not_written", entries=len(entries), error=str(error)
            )

    def decided(self, record: RequestRecord) -> None:
        """A request that belongs to a thread has ended, or one of its members'."""
        if record.thread is not None and record.consensus is None:
            self.note(thread_entries.decision(record, record.thread))

    def _whole(self, entry: ThreadEntry) -> ThreadEntry:
        text = entry.text
        kept = text if text and self.keep_text else None
        return replace(
            entry,
            entry_id=entry.entry_id or self._new_id(),
            at=self._utc() if entry.at is None else entry.at,
            text=None if kept is None else self._masked(kept)[:MAX_TEXT_CHARS],
            chars=len(text) if text is not None else entry.chars,
        )


class Threaded:
    """A ``RouteRef`` that notes what was asked and answered, where that has a thread.

    A round of consensus without one gets its own, named by the request's id.
    """

    def __init__(self, inner: RouteRef, book: ThreadBook) -> None:
        self._inner = inner
        self._book = book

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None = None,
        on_start: StartSink | None = None,
    ) -> RouteHandle:
        thread = request.thread
        if thread is None:
            if request.consensus is None:
                return self._inner.route(request, sink, on_start)
            thread = request.request_id
            request = replace(request, thread=thread)
        inner = self._inner.route(request, sink, on_start)
        return _Noted(inner, request, thread, self._book)


class _Noted:
    """A ``RouteHandle`` whose question and answer are noted before anybody hears."""

    def __init__(
        self, inner: RouteHandle, request: RouteRequest, thread: str, book: ThreadBook
    ) -> None:
        self._inner = inner
        self._request = request
        self._thread = thread
        self._book = book

    def begin(self, on_end: EndSink) -> None:
        self._book.note(thread_entries.question(self._request, self._thread))
        self._inner.begin(partial(self._ended, on_end))

    def cancel(self, *, interrupted: bool = False) -> None:
        self._inner.cancel(interrupted=interrupted)

    def _ended(self, on_end: EndSink, end: RouteResult | ErrorInfo) -> None:
        self._book.note(*thread_entries.ending(self._request, self._thread, end))
        if isinstance(end, RouteResult):
            end = replace(end, thread=self._thread)
        on_end(end)
