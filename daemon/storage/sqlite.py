"""The one database: a connection that writes, one that reads, and its layout.

Blocking, fit for threads, several at a time: what is to be done in one go is handed in
as one function, so that it costs one thread one turn. A write is one ``BEGIN IMMEDIATE``
transaction; reading does not wait for it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock, RLock
from typing import TypeVar

from actors.errors import LedgerNotOpen, LedgerRefused, LedgerUnavailable
from daemon.storage.migrations import scripts
from daemon.storage.rows import Value

T = TypeVar("T")
Row = tuple[Value, ...]
Work = Callable[[sqlite3.Connection], T]

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
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._writing = RLock()  # taken first where both are
        self._reading = Lock()

    def open(self) -> None:
        """Open and migrate; does nothing when it is open.

        Raises:
            LedgerRefused: It was made by a newer version.
            DatabaseCorrupt: It is damaged.
            LedgerNotOpen: It cannot be opened now.
        """
        with self._writing:
            if self._reader is None:
                self._open()

    def write(self, work: Work[T]) -> T:
        """Run ``work`` as one transaction.

        Raises what ``open`` does. Errors that are due to the values that were to be
        written (``sqlite3.IntegrityError`` and its like) are raised as they are.
        """
        with self._writing:
            try:
                return self._transaction(self._opened(), work)
            except VALUE_ERRORS:
                raise
            except (sqlite3.Error, ValueError) as error:
                raise self._explained(error) from error

    def read(self, sql: str, values: Iterable[Value] = ()) -> list[Row]:
        """Rows of one query; raises what ``open`` does."""
        while True:
            if self._reader is None:
                self.open()
            with self._reading:
                if self._reader is None:  # closed meanwhile
                    continue
                try:
                    return self._reader.execute(sql, tuple(values)).fetchall()
                except (sqlite3.Error, ValueError) as error:
                    raise self._explained(error) from error

    def reread(self, sql: str, values: Iterable[Value] = ()) -> list[Row]:
        """The same about what was just written, which is still in the writer's memory.

        Waits for a write that is under way.
        """
        with self._writing:
            try:
                return self._opened().execute(sql, tuple(values)).fetchall()
            except (sqlite3.Error, ValueError) as error:
                raise self._explained(error) from error

    def release_space(self) -> None:
        """Give pages of deleted rows back to the file system, some at a time."""
        with self._writing:
            try:
                # As a script: Cursor.execute stops after the first page.
                self._opened().executescript("PRAGMA incremental_vacuum(500)")
            except (sqlite3.Error, ValueError) as error:
                raise self._explained(error) from error

    def move_aside(self) -> Path:
        """Give a damaged file another name, so that ``open`` makes a new one."""
        with self._writing:
            self.close()
            number = 1
            while (target := self._aside(number)).exists():
                number += 1
            for suffix in ("-wal", "-shm", ""):
                part = self.path.with_name(self.path.name + suffix)
                if part.exists():
                    part.rename(target.with_name(target.name + suffix))
            return target

    def close(self) -> None:
        """Close both connections; opening again is fine."""
        with self._writing, self._reading:
            connections = (self._reader, self._writer)
            self._reader = self._writer = None
            for connection in connections:
                if connection is not None:
                    connection.close()

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.corrupt-{number}")

    def _opened(self) -> sqlite3.Connection:
        self.open()
        assert self._writer is not None
        return self._writer

    def _open(self) -> None:
        try:
            self._writer = self._connect()
            self._prepare(self._writer)
            reader = self._connect()
            reader.execute("PRAGMA query_only = 1")
            reader.execute(_SMALL_CACHE)
        except (sqlite3.Error, ValueError) as error:
            self.close()
            raise self._explained(error, LedgerNotOpen) from error
        except BaseException:
            self.close()
            raise
        self._reader = reader

    def _connect(self) -> sqlite3.Connection:
        # For its mode. Never open a file that is there: closing it would drop the locks
        # that SQLite holds on it in this process.
        with suppress(OSError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return sqlite3.connect(
            self.path,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,  # the locks see to that
        )

    def _prepare(self, writer: sqlite3.Connection) -> None:
        writer.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before any table
        # A row with its record takes 2.5 kB: of pages of 4 kB a third would be empty.
        writer.execute("PRAGMA page_size = 8192")
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA journal_size_limit = 16777216")
        writer.execute(f"PRAGMA synchronous = {self._sync}")
        writer.execute("PRAGMA foreign_keys = 1")
        writer.execute(_SMALL_CACHE)
        # A group of records is larger than that: its pages would be written twice.
        writer.execute("PRAGMA cache_spill = OFF")
        migrations = scripts()
        (version,) = writer.execute("PRAGMA user_version").fetchone()
        if version > len(migrations):
            raise LedgerRefused(
                f"{self.path} has layout {version}, made by a newer version of"
                f" GitBridge; this one knows layouts up to {len(migrations)}. Install"
                " the newer version again, or use another state folder."
            )
        for number, script in enumerate(migrations[version:], start=version + 1):
            writer.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
            )

    def _transaction(self, writer: sqlite3.Connection, work: Work[T]) -> T:
        writer.execute("BEGIN IMMEDIATE")
        try:
            result = work(writer)
            self._commit(writer)
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise
        return result

    def _commit(self, writer: sqlite3.Connection) -> None:
        writer.execute("COMMIT")

    def _explained(
        self, error: Exception, else_: type[LedgerUnavailable] = LedgerUnavailable
    ) -> LedgerUnavailable:
        name = getattr(error, "sqlite_errorname", None) or ""
        kind = DatabaseCorrupt if name.startswith(_CORRUPT) else else_
        return kind(f"the ledger's database {self.path}: {error}")
