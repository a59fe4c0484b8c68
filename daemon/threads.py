"""Notes of threads: taken here, kept in the spool, folded by the ledger.

Who takes part tells a ``ThreadBook``: ``Threaded`` what is asked and answered, the
router what it decided, the queue and whatever follows an event what becomes of a task.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import structlog
from msgspec.structs import replace

from actors.errors import GitBridgeError
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
from actors.messages.tasks import Performed, Performer, Task
from actors.messages.threads import (
    Detail,
    ThreadEntry,
    ThreadNotes,
    ThreadRecorder,
)
from daemon.config_threads import ThreadsConfig

LONGEST_KEY: Final = 512
"""Bytes: a cut through a key that is masked must not leave a part of it."""

log = structlog.get_logger()


class ThreadBook:
    """A ``ThreadRecorder``. ``told`` may be replaced at any time.

    Args:
        told: What is kept.
        append: Writes notes into the spool; raises ``OSError``.
        new_id: Makes ids of entries.
        utc: Epoch seconds.
        masked: Takes keys out of a text.
    """

    def __init__(
        self,
        told: ThreadsConfig,
        append: Callable[[ThreadNotes], None],
        new_id: Callable[[], str],
        utc: Callable[[], float],
        masked: Callable[[str], str],
    ) -> None:
        self.told = told
        self._append = append
        self._new_id = new_id
        self._utc = utc
        self._masked = masked

    @property
    def open(self) -> bool:
        """Whether anything is kept at all."""
        return self.told.keep != "nothing"

    def note(self, *entries: ThreadEntry) -> None:
        """See ``ThreadRecorder``."""
        self.tell(lambda: entries)

    def tell(self, make: Callable[[], Iterable[ThreadEntry]]) -> None:
        """See ``ThreadRecorder``."""
        if not self.open:
            return
        try:
            entries = tuple(map(self._whole, make()))
            if entries:
                self._append(ThreadNotes(entries))
        except OSError as error:
            # The spool raises the condition itself.
            log.error("thread_not_written", error=str(error))  # noqa: TRY400 - the system's words say it all
        except Exception:
            log.exception("thread_bug")

    def decided(self, record: RequestRecord) -> None:
        """A request has ended, or that of a member: say whom the router chose, and why.

        How a whole round was decided stands in its verdict.
        """
        if record.thread is None or record.consensus is not None or not self.open:
            return
        from daemon.thread_entries import decision  # noqa: PLC0415 - for those who use it

        thread = record.thread
        self.tell(lambda: (decision(record, thread),))

    def _whole(self, entry: ThreadEntry) -> ThreadEntry:
        text, chars = None, entry.chars
        if entry.text is not None:
            text, chars = self._kept(entry.text) or None, len(entry.text)
        return replace(
            entry,
            entry_id=entry.entry_id or self._new_id(),
            at=self._utc() if entry.at is None else entry.at,
            text=text,
            chars=chars,
            data={name: self._plain(value) for name, value in entry.data.items()},
        )

    def _plain(self, value: Detail) -> Detail:
        return self._masked(value) if isinstance(value, str) else value

    def _kept(self, text: str) -> str | None:
        """As much of it as is kept, without keys.

        A text is cut a little later than at its end, masked, and cut again: half a key
        would not be known for one.
        """
        if self.told.keep != "texts":
            return None
        longest = self.told.max_bytes
        if len(text) * 4 <= longest:  # it fits, whatever is in it
            return self._masked(text)
        data = text.encode("utf-8", "replace")
        if len(data) <= longest:
            return self._masked(text)
        more = data[: longest + LONGEST_KEY].decode("utf-8", "ignore")
        masked = self._masked(more).encode()
        end = min(longest, max(0, len(masked) - LONGEST_KEY))
        return masked[:end].decode("utf-8", "ignore")


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
        if thread is None and request.consensus is not None:
            thread = request.request_id
        if thread is None or not self._book.open:
            return self._inner.route(request, sink, on_start)
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
        from daemon.thread_entries import question  # noqa: PLC0415 - see ThreadBook

        self._book.tell(lambda: (question(self._request, self._thread),))
        self._inner.begin(partial(self._ended, on_end))

    def cancel(self, *, interrupted: bool = False) -> None:
        self._inner.cancel(interrupted=interrupted)

    def _ended(self, on_end: EndSink, end: RouteResult | ErrorInfo) -> None:
        from daemon.thread_entries import ending  # noqa: PLC0415 - see ThreadBook

        self._book.tell(lambda: ending(self._request, self._thread, end))
        if isinstance(end, RouteResult):
            end = replace(end, thread=self._thread)
        on_end(end)


class NotedPerformer:
    """A ``Performer`` of events or actions that notes what came of them."""

    def __init__(self, inner: Performer, notes: ThreadRecorder) -> None:
        self._inner = inner
        self._notes = notes

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        """See ``Performer``."""
        thread = task.spec.thread_id
        if thread is None:
            return await self._inner.perform(task, tell)
        from daemon import thread_tasks  # noqa: PLC0415 - see ThreadBook

        try:
            performed = await self._inner.perform(task, tell)
        except GitBridgeError as error:
            self._notes.note(thread_tasks.attempt_failed(task, thread, error.message))
            raise
        self._notes.tell(lambda: (thread_tasks.performed(task, thread, performed),))
        return performed
