"""Spool, database and usage logs behind ``actors.messages.ledger.LedgerStore``."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from itertools import chain, starmap
from pathlib import Path
from typing import TypeVar

import aiosqlite
import msgspec

from actors.errors import LedgerNotOpen, LedgerRefused, LedgerUnavailable
from actors.messages.ledger import (
    Folded,
    HistoryEntry,
    Label,
    Labelled,
    Own,
    Span,
    UsageGrouping,
    UsageRow,
)
from actors.messages.provider import ProviderTotals
from actors.messages.routing import Decision, RequestRecord
from actors.messages.sighting import Sighting
from actors.messages.threads import ThreadAnswer, ThreadEntry, ThreadNotes, ThreadQuery
from actors.policy.recall import Key
from daemon.storage import labels, queries
from daemon.storage.batches import (
    Batch,
    Entry,
    Kept,
    Place,
    read_batch,
    set_aside,
)
from daemon.storage.records import Spooled
from daemon.storage.rows import (
    ADD_TOTALS,
    INSERT_ATTEMPT,
    INSERT_REQUEST,
    INSERT_SIGHTINGS,
    attempt_rows,
    request_row,
    sighting_rows,
)
from daemon.storage.shield import Finisher, in_thread
from daemon.storage.spool import Spool
from daemon.storage.sqlite import VALUE_ERRORS, Database, DatabaseCorrupt
from daemon.storage.usage_log import UsageLog

T = TypeVar("T")
States = dict[str, bytes]

_CLOSING_GROUP = 500
_SAVE_STATE = (
    "INSERT INTO state VALUES (?, ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_SWEEP = (
    "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE at < ?"
    " AND NOT EXISTS (SELECT 1 FROM attempts WHERE request = requests.id"
    " AND attempts.id > (SELECT attempt FROM exported)) ORDER BY at LIMIT ?)"
)


class Store:
    """The ledger's storage in the state folder: ``gitbridge.db``, ``spool``, ``logs``.

    Args:
        folder: The state folder; it must exist.
        spool: What the router appends to; folded from here.
        sync: Wait for the disk at each commit (power-loss safety).
        busy_timeout_s: How long to wait for another program's lock on the database.
    """

    def __init__(
        self,
        folder: Path,
        spool: Spool,
        *,
        sync: bool = False,
        busy_timeout_s: float = 5.0,
    ) -> None:
        self._spool = spool
        self._database = Database(
            folder / "gitbridge.db", sync=sync, busy_timeout_s=busy_timeout_s
        )
        self._usage_log = UsageLog(folder / "logs", self._database, sync=sync)
        self._finisher = Finisher()
        self._kept = Kept()
        self._replaced: str | None = None
        self._stashed: States = {}

    async def open(self) -> None:
        """Open the database now rather than at first use; a corrupt one is replaced.

        Raises:
            LedgerRefused: It was made by a newer version.
            LedgerUnavailable: It cannot be opened now; a later use tries again.
        """
        await self._finisher.run(self._repairing(self._database.open))

    async def fold(self, limit: int, states: States, *, roll: bool = True) -> Folded:
        """Move up to ``limit`` records and all ``states`` into the database.

        A record that the database refuses for what it holds is set aside, so that it
        does not hold up the ones after it. A cancelled fold is finished all the same.

        Raises:
            LedgerUnavailable: The database could not be written; the spool is kept.
            OSError: The spool could not be read, or a segment not be removed.
        """
        return await self._finisher.run(self._fold_repairing(limit, states, roll=roll))

    def stash(self, states: States) -> None:
        """Values of a ledger that has ended, possibly for good."""
        self._stashed = states

    async def history(
        self, limit: int, cursor: str | None, own: Own | None = None
    ) -> tuple[HistoryEntry, ...]:
        return await queries.history(self._database, limit, cursor, own)

    async def explain(self, any_id: str) -> RequestRecord | None:
        return await queries.explain(self._database, any_id)

    async def sightings(self, decision: Decision) -> dict[Key, Sighting]:
        return await queries.sightings(self._database, decision)

    async def span(self, since: float | None, newest: int) -> Span:
        return await queries.span(self._database, since, newest)

    async def read_records(
        self, since: float, after: int, limit: int
    ) -> tuple[tuple[int, RequestRecord], ...]:
        return await queries.read_records(self._database, since, after, limit)

    async def usage(
        self, since: float | None, by: UsageGrouping, own: Own | None = None
    ) -> tuple[UsageRow, ...]:
        return await queries.usage(self._database, since, by, own)

    async def spent(self, since: float, until: float) -> dict[str | None, Decimal]:
        """What calls since then, of requests that ended by ``until``, count, by user."""
        return await queries.spent(self._database, since, until)

    async def totals(self) -> dict[str, ProviderTotals]:
        return await queries.totals(self._database)

    async def label(self, label: Label) -> Labelled:
        return await labels.put(self._database, label)

    async def labels(self) -> tuple[Label, ...]:
        return await labels.labels(self._database)

    async def threads(self, query: ThreadQuery) -> ThreadAnswer:
        from daemon.storage.threads import answer  # noqa: PLC0415 - for who uses them

        return await answer(self._database, query)

    async def states(self) -> States:
        return await queries.states(self._database)

    async def sweep(self, before: float, limit: int) -> int:
        """Delete up to ``limit`` requests older than ``before`` (UTC epoch seconds).

        Returns how many. Attempts that are not in the usage logs yet are kept.
        """

        async def delete(connection: aiosqlite.Connection) -> int:
            return (await connection.execute(_SWEEP, (before, limit))).rowcount

        return await self._delete(delete)

    async def sweep_threads(self, before: float, limit: int) -> int:
        """Delete up to ``limit`` entries older than ``before``, and threads without."""
        from daemon.storage import threads  # noqa: PLC0415 - see ``threads``

        return await self._delete(lambda writer: threads.sweep(writer, before, limit))

    async def _delete(
        self, work: Callable[[aiosqlite.Connection], Awaitable[int]]
    ) -> int:
        deleted = await self._database.write(work)
        if deleted:
            await self._database.release_space()
        return deleted

    async def close(self) -> None:
        """Fold what is left, if that works, and end the database's threads.

        They are ended whatever happens: the process could not exit otherwise.
        """
        self._spool.close()
        try:
            with suppress(LedgerUnavailable, LedgerRefused, OSError):  # it is kept
                while (await self.fold(_CLOSING_GROUP, self._stashed)).more:
                    pass
        finally:
            await self._finisher.finished()
            await self._database.close()

    async def _fold_repairing(
        self, limit: int, states: States, *, roll: bool
    ) -> Folded:
        if roll:
            self._spool.roll()
        result = await self._repairing(lambda: self._fold(limit, states))
        replaced, self._replaced = self._replaced, None
        return msgspec.structs.replace(result, replaced=replaced)

    async def _repairing(self, job: Callable[[], Awaitable[T]]) -> T:
        try:
            return await job()
        except DatabaseCorrupt as error:
            self._replaced = str(await self._set_aside(error))
            self._usage_log.forget()
        return await job()

    async def _set_aside(self, damage: DatabaseCorrupt) -> Path:
        try:
            return await self._database.move_aside()
        except OSError as error:
            text = f"{damage.message}; it cannot be moved aside: {error.strerror}"
            raise LedgerNotOpen(text) from error

    async def _fold(self, limit: int, states: States) -> Folded:
        batch = await self._move_next(limit, states)
        if batch is not None:
            self._spool.done(batch)
        return Folded(
            records=len(batch.entries) if batch else 0,
            more=self._spool.backlog,
            damaged=batch.damaged if batch else 0,
            export_error=await self._export(),
        )

    async def _move_next(self, limit: int, states: States) -> Batch | None:
        while (place := self._spool.next_place()) is not None:
            batch = await self._move(place, limit, states)
            if batch is not None:
                return batch
            self._spool.skip(place)
        if states:
            await self._insert((), states)
        return None

    async def _move(self, place: Place, limit: int, states: States) -> Batch | None:
        """Insert a batch of this segment, unless it is another process's live one."""
        batch = await self._read(place, limit)
        if batch is None:
            return None
        try:
            if batch.entries or states:
                await self._insert(batch.entries, states)
        except VALUE_ERRORS:
            if not batch.entries:
                raise
            if len(batch.entries) > 1:
                return await self._move(place, 1, states)
            payload = batch.entries[0].payload
            await in_thread(set_aside, place.path, batch.end - len(payload), payload)
            return msgspec.structs.replace(batch, damaged=batch.damaged + 1)
        return batch

    async def _read(self, place: Place, limit: int) -> Batch | None:
        if place.entries is not None:  # remembered: nothing is read or decoded
            return read_batch(place, limit, self._kept)
        return await in_thread(read_batch, place, limit, self._kept)

    async def _insert(self, entries: tuple[Entry, ...], states: States) -> None:
        """The rows are made in the connection's thread, which asks for them."""
        records = [
            (entry.record, entry.payload)
            for entry in entries
            if isinstance(entry.record, RequestRecord)
        ]
        seeing = [record for record, _ in records if record.sightings]
        notes = [each for entry in entries for each in _notes(entry.record)]

        async def work(connection: aiosqlite.Connection) -> None:
            if records:
                await _insert_records(connection, records)
            if seeing:
                rows = chain.from_iterable(map(sighting_rows, seeing))
                await connection.executemany(INSERT_SIGHTINGS, rows)
            if notes:
                from daemon.storage import threads  # noqa: PLC0415 - see ``threads``

                await threads.insert(connection, notes)
            if states:
                await connection.executemany(_SAVE_STATE, states.items())

        await self._database.write(work)

    async def _export(self) -> str | None:
        try:
            await self._usage_log.export()
        except OSError as error:
            return str(error)
        return None


def _notes(spooled: Spooled) -> tuple[ThreadEntry, ...]:
    return spooled.thread_notes if isinstance(spooled, ThreadNotes) else ()


async def _insert_records(
    connection: aiosqlite.Connection, records: list[tuple[RequestRecord, bytes]]
) -> None:
    ((before,),) = await connection.execute_fetchall("SELECT MAX(id) FROM attempts")
    await connection.executemany(INSERT_REQUEST, starmap(request_row, records))
    await connection.executemany(
        INSERT_ATTEMPT, (row for record, _ in records for row in attempt_rows(record))
    )
    await connection.execute(ADD_TOTALS, (before or 0,))
