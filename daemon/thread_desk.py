"""The methods about threads: what callers ask, as the ledger takes it, and back."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

import msgspec

from actors.errors import InvalidRequest
from actors.messages.ledger import LedgerRef
from actors.messages.threads import (
    GetThread,
    ListThreads,
    StoredEntry,
    ThreadList,
    ThreadPage,
)
from ipc import threads
from ipc.methods import Peer
from ipc.times import parse_since

MAX_EXPORTED: Final = 2000
"""Entries of a thread that one document has at most."""

_JSON: Final = msgspec.json.Encoder(decimal_format="number")

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
            tuple(map(row, page.entries)),
            str(page.entries[-1].seq) if page.more and page.entries else None,
        )

    async def _export(self, params: object, peer: Peer) -> threads.ThreadsExportResult:
        asked = cast("threads.ThreadsExportParams", params)
        page = await self._page(asked.thread, peer, user=asked.user, limit=MAX_EXPORTED)
        assert page.summary is not None
        whole = threads.ThreadsGetResult(
            page.summary, tuple(map(row, page.entries)), None
        )
        return threads.ThreadsExportResult(
            format=asked.format,
            content_type=threads.CONTENT_TYPES[asked.format],
            content=_JSON.encode(whole).decode(),
            more=page.more,
        )

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


def row(stored: StoredEntry) -> threads.ThreadEntryRow:
    """An entry as callers see it."""
    fields = msgspec.structs.asdict(stored.entry)
    return msgspec.convert({**fields, "seq": stored.seq}, threads.ThreadEntryRow)
