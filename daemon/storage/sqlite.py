"""The one database: a connection that writes, one that reads, and its layout.

A write is one ``BEGIN IMMEDIATE`` transaction that runs to its end whatever happens to
the caller: aiosqlite cannot stop SQL that is under way, so a cancelled ``await`` must
not leave half a transaction open. Reading does not wait for it. Every connection is a
thread that blocks the exit of the process until it is closed.

Every ``await`` on a connection is a turn of its thread and one of the loop, 25 µs
together: rows go in by the table (``executemany``), made in that thread as they are
taken, not one by one.
"""

import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import aiosqlite
import anyio.to_thread

from actors.errors import LedgerNotOpen, LedgerRefused, LedgerUnavailable
from daemon.storage.migrations import scripts
from daemon.storage.rows import Value
from daemon.storage.shield import Finisher

T = TypeVar("T")
Row = tuple[Value, ...]
Work = Callable[[aiosqlite.Connection], Awaitable[T]]

_CORRUPT = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

# Due to what was to be written, not to the database: trying again does not help.
VALUE_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    OverflowError,
    UnicodeError,
)

# In KiB, a quarter of the default: the system's own cache holds the file as well.
_SMALL_CACHE = "PRAGMA cache_size = -512"


class DatabaseCorrupt(LedgerUnavailable):
    """Raised when the file is damaged, or is no database at all."""


class Database:
    """The file, opened when first needed and again after it failed to open.

    Args:
        path: The file; its folder must exist. Not on a network file system.
        sync: Wait for the disk at each commit.
        busy_timeout_s: How long to wait for somebody else's lock.
    """

    def __init__(
        self, path: Path, *, sync: bool = False, busy_timeout_s: float = 5.0
    ) -> None:
        self.path = path
        self._sync = "FULL" if sync else "NORMAL"
        self._busy_timeout_s = busy_timeout_s
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._finisher = Finisher()

    async def open(self) -> None:
        """Open and migrate; does nothing when it is open.

        Raises:
            LedgerRefused: It was made by a newer version.
            DatabaseCorrupt: It is damaged.
            LedgerNotOpen: It cannot be opened now.
        """
        if self._reader is None:
            await self._finisher.run(self._open())

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` as one transaction, to its end even if the caller is cancelled.

        Raises what ``open`` does. Errors that are due to the values that were to be
        written (``sqlite3.IntegrityError`` and its like) are raised as they are.
        """
        return await self._finisher.run(self._transaction(work))

    async def read(self, sql: str, values: Iterable[Value] = ()) -> list[Row]:
        """Rows of one query; raises what ``open`` does."""
        while (reader := self._reader) is None:  # or was closed meanwhile
            await self.open()
        return await self._fetch(reader, sql, values)

    async def reread(self, sql: str, values: Iterable[Value] = ()) -> list[Row]:
        """The same about what was just written, which is still in the writer's memory.

        Waits for a write that is under way.
        """

        async def fetch() -> list[Row]:
            return await self._fetch(await self._opened(), sql, values)

        return await self._finisher.run(fetch())

    async def release_space(self) -> None:
        """Give pages of deleted rows back to the file system, some at a time."""
        await self._finisher.run(self._vacuum())

    async def move_aside(self) -> Path:
        """Give a damaged file another name, so that ``open`` makes a new one."""
        return await self._finisher.run(self._move_aside())

    async def close(self) -> None:
        """Wait for writes under way and end both threads; opening again is fine."""
        await self._finisher.run(self._close())

    async def _opened(self) -> aiosqlite.Connection:
        await self._open()
        assert self._writer is not None
        return self._writer

    async def _open(self) -> None:
        if self._reader is not None:
            return
        try:
            self._writer = await self._connect()
            await self._prepare(self._writer)
            self._reader = await self._connect()
            await self._reader.execute("PRAGMA query_only = 1")
            await self._reader.execute(_SMALL_CACHE)
        except (sqlite3.Error, ValueError) as error:
            await self._close()
            raise self._explained(error, LedgerNotOpen) from error
        except BaseException:
            await self._close()
            raise

    async def _connect(self) -> aiosqlite.Connection:
        # A connection that fails to open leaves aiosqlite's thread behind for a moment,
        # which may outlive the event loop: let it fail elsewhere first.
        await anyio.to_thread.run_sync(self._try_to_connect)
        return await aiosqlite.connect(
            self.path, timeout=self._busy_timeout_s, isolation_level=None
        )

    def _try_to_connect(self) -> None:
        # For its mode. Never open a file that is there: closing it would drop the locks
        # that SQLite holds on it in this process.
        with suppress(OSError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        sqlite3.connect(self.path).close()

    async def _prepare(self, writer: aiosqlite.Connection) -> None:
        await writer.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before any table
        # A row with its record takes 2.5 kB: of pages of 4 kB a third would be empty.
        await writer.execute("PRAGMA page_size = 8192")
        await writer.execute("PRAGMA journal_mode = WAL")
        await writer.execute("PRAGMA journal_size_limit = 16777216")
        await writer.execute(f"PRAGMA synchronous = {self._sync}")
        await writer.execute("PRAGMA foreign_keys = 1")
        await writer.execute(_SMALL_CACHE)
        # A group of records is larger than that: its pages would be written twice.
        await writer.execute("PRAGMA cache_spill = OFF")
        await self._migrate(writer)

    async def _migrate(self, writer: aiosqlite.Connection) -> None:
        migrations = scripts()
        ((version,),) = await writer.execute_fetchall("PRAGMA user_version")
        if version > len(migrations):
            raise LedgerRefused(
                f"{self.path} has layout {version}, made by a newer version of"
                f" GitBridge; this one knows layouts up to {len(migrations)}. Install"
                " the newer version again, or use another state folder."
            )
        for number, script in enumerate(migrations[version:], start=version + 1):
            await writer.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
            )

    async def _fetch(
        self, connection: aiosqlite.Connection, sql: str, values: Iterable[Value]
    ) -> list[Row]:
        try:
            rows = await connection.execute_fetchall(sql, tuple(values))
        except (sqlite3.Error, ValueError) as error:
            raise self._explained(error) from error
        found = [tuple(row) for row in rows]
        if isinstance(rows, list):
            rows.clear()  # which aiosqlite's thread holds until its next turn
        return found

    async def _transaction(self, work: Work[T]) -> T:
        writer = await self._opened()
        try:
            return await self._run(writer, work)
        except VALUE_ERRORS:
            raise
        except (sqlite3.Error, ValueError) as error:
            raise self._explained(error) from error

    async def _run(self, writer: aiosqlite.Connection, work: Work[T]) -> T:
        await writer.execute("BEGIN IMMEDIATE")
        try:
            result = await work(writer)
            await self._commit(writer)
        except BaseException:
            await writer.rollback()  # nothing where SQLite has done so itself
            raise
        return result

    async def _commit(self, writer: aiosqlite.Connection) -> None:
        await writer.commit()

    async def _vacuum(self) -> None:
        writer = await self._opened()
        try:
            # As a script: Cursor.execute stops after the first page.
            await writer.executescript("PRAGMA incremental_vacuum(500)")
        except (sqlite3.Error, ValueError) as error:
            raise self._explained(error) from error

    async def _move_aside(self) -> Path:
        await self._close()
        return await anyio.to_thread.run_sync(self._rename)

    def _rename(self) -> Path:
        number = 1
        while (target := self._aside(number)).exists():
            number += 1
        for suffix in ("-wal", "-shm", ""):
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.rename(target.with_name(target.name + suffix))
        return target

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.corrupt-{number}")

    async def _close(self) -> None:
        reader, writer = self._reader, self._writer
        self._reader = self._writer = None
        try:
            if reader is not None:
                await reader.close()
        finally:
            if writer is not None:
                await writer.close()

    def _explained(
        self, error: Exception, else_: type[LedgerUnavailable] = LedgerUnavailable
    ) -> LedgerUnavailable:
        name = getattr(error, "sqlite_errorname", None) or ""
        kind = DatabaseCorrupt if name.startswith(_CORRUPT) else else_
        return kind(f"the ledger's database {self.path}: {error}")
