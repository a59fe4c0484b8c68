"""The methods about threads: what callers ask, as the ledger takes it, and back."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, cast

import anyio.to_thread

from actors.errors import InvalidRequest
from actors.messages.ledger import LedgerRef
from actors.messages.threads import (
    GetThread,
    ListRounds,
    ListThreads,
    RoundList,
    ThreadList,
    ThreadPage,
)
from ipc import threads
from ipc.methods import Peer
from ipc.times import parse_since

MAX_EXPORTED: Final = 2000
"""Entries of a thread that one document has at most."""

MAX_READ: Final = 10_000
"""Entries that a picture is made of at most, the newest ones."""

Answer = Callable[[object, Peer], Awaitable[object]]


class ThreadDesk:
    """Answers ``threads.*``. Users see their own threads, administrators all.

    Args:
        ledger: Keeps them.
        utc: Epoch seconds.
    """

    def __init__(self, ledger: LedgerRef, utc: Callable[[], float]) -> None:
        self._ledger = ledger
        self._utc = utc

    def answers(self) -> Mapping[str, Answer]:
        """The methods, by name."""
        return {
            "threads.list": self._list,
            "threads.get": self._get,
            "threads.export": self._export,
        }

    async def _list(self, params: object, peer: Peer) -> threads.ThreadsListResult:
        asked = cast("threads.ThreadsListParams", params)
        everybody = peer.tier == "admin"
        found = await self._ledger.threads(
            ListThreads(
                limit=asked.limit,
                cursor=asked.cursor,
                user=asked.user if everybody else peer.user,
                everybody=everybody,
                since=parse_since(asked.since, self._utc()),
                task_type=asked.task_type,
                state=asked.state,
                kind=asked.kind,
                words=tuple((asked.query or "").split()[: threads.MAX_WORDS]),
            )
        )
        rows = cast("ThreadList", found).threads
        more = len(rows) == asked.limit
        return threads.ThreadsListResult(rows, rows[-1].cursor if more else None)

    async def _get(self, params: object, peer: Peer) -> threads.ThreadsGetResult:
        asked = cast("threads.ThreadsGetParams", params)
        page = await self._page(
            asked.thread,
            peer,
            user=asked.user,
            limit=asked.limit,
            after=int(asked.cursor or 0),
        )
        assert page.summary is not None
        return threads.ThreadsGetResult(
            page.summary,
            tuple(map(threads.entry_row, page.entries)),
            str(page.entries[-1].seq) if page.more and page.entries else None,
        )

    # ---- documents and pictures

    async def _export(self, params: object, peer: Peer) -> threads.ThreadsExportResult:
        from daemon import thread_export  # noqa: PLC0415 - when somebody wants one

        asked = cast("threads.ThreadsExportParams", params)
        made: Callable[[], tuple[str, bool]]
        if asked.thread is None:
            found = await self._rounds(asked, peer)
            made = partial(thread_export.of_all, asked, found.entries)
        else:
            page = await self._exported(asked.thread, asked, peer)
            made = partial(thread_export.of_one, asked, page)
        # A long one takes a while, in which others want to be answered.
        content, more = await anyio.to_thread.run_sync(made)
        return threads.ThreadsExportResult(
            format=asked.format,
            content_type=threads.CONTENT_TYPES[asked.format],
            content=content,
            more=more,
        )

    async def _rounds(
        self, asked: threads.ThreadsExportParams, peer: Peer
    ) -> RoundList:
        everybody = peer.tier == "admin"
        found = await self._ledger.threads(
            ListRounds(
                limit=MAX_READ,
                user=asked.user if everybody else peer.user,
                everybody=everybody,
                since=parse_since(asked.since, self._utc()),
                task_type=asked.task_type,
            )
        )
        return cast("RoundList", found)

    async def _exported(
        self, name: str, asked: threads.ThreadsExportParams, peer: Peer
    ) -> ThreadPage:
        """The beginning for a document; for a picture all of it, if it is not too long."""
        read = partial(self._page, name, peer, user=asked.user, limit=MAX_EXPORTED)
        page = await read()
        drawn = asked.format == "svg" or asked.shows == "agreement"
        while drawn and page.more and page.entries:
            after = await read(after=page.entries[-1].seq)
            entries = (*page.entries, *after.entries)[-MAX_READ:]
            page = ThreadPage(page.summary, entries, after.more)
        return page

    async def _page(
        self, name: str, peer: Peer, *, user: str | None, limit: int, after: int = 0
    ) -> ThreadPage:
        everybody = peer.tier == "admin"
        found = await self._ledger.threads(
            GetThread(
                thread_id=name,
                limit=limit,
                after=after,
                user=user if everybody else peer.user,
                everybody=everybody,
            )
        )
        page = cast("ThreadPage", found)
        if page.summary is None:
            raise InvalidRequest(
                f"there is no thread {name[:100]!r}",
                field="thread",
                got=name[:100],
                wanted="the name of a thread of yours, from threads.list",
            )
        return page
