"""Answers of idempotency keys, in a SQLite file of their own: they survive ``kill -9``.

What a write has done is with the operating system, not yet on the disk: the process may
be killed, and a power cut may lose the last moments. While the file cannot be used,
answers are kept in memory, and that is said once.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import structlog

from actors.errors import QueueUnavailable
from actors.policy.byte_lru import ByteLru
from daemon.storage.tasks.commits import Thread

T = TypeVar("T")

FILE = "repeats.db"
MAX_BYTES = 64 * 1024 * 1024
"""Of all answers together; beyond it those go that were written first."""

MEMORY_BYTES = 4 * 1024 * 1024
BUSY_S = 0.2
_LAYOUT = 1
_MAKE = f"""
BEGIN IMMEDIATE;
DROP TABLE IF EXISTS repeats;
CREATE TABLE repeats (
  key BLOB PRIMARY KEY,
  value BLOB NOT NULL,
  until REAL NOT NULL -- UTC epoch seconds
);
CREATE INDEX repeats_by_end ON repeats (until);
PRAGMA user_version = {_LAYOUT};
COMMIT;
"""
_SIZE = "SELECT COALESCE(SUM(LENGTH(key) + LENGTH(value)), 0) FROM repeats"

log = structlog.get_logger()


class SqliteRepeats:
    """An ``AnswerStore`` in ``repeats.db``; opened when first needed.

    Args:
        folder: The state folder; it must exist.
        utc: UTC epoch seconds: an answer's time goes on while nobody runs.
        max_bytes: See ``MAX_BYTES``.
    """

    def __init__(
        self,
        folder: Path,
        utc: Callable[[], float],
        *,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.path = folder / FILE
        self._utc = utc
        self._max_bytes = max_bytes
        self._size = 0  # of what is in the file; of the thread
        self._thread = Thread(self.path, self._connect)
        self._instead = ByteLru(MEMORY_BYTES)
        self._told = False

    async def get(self, key: bytes) -> bytes | None:
        """See ``AnswerStore``."""
        now = self._utc()
        found = self._instead.get(key, now)
        if found is not None:
            return found

        def read(connection: sqlite3.Connection) -> bytes | None:
            rows = connection.execute(
                "SELECT value FROM repeats WHERE key = ? AND until > ?", (key, now)
            ).fetchall()
            return bytes(rows[0][0]) if rows else None

        return await self._try(read)

    async def put(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """See ``AnswerStore``."""
        now = self._utc()

        def write(connection: sqlite3.Connection) -> bool:
            self._write(connection, key, value, now, now + ttl_s)
            return True

        if await self._try(write) is None:
            self._instead.put(key, value, now, ttl_s)
        else:
            self._instead.put(key, b"", now, 0.0)

    async def close(self) -> None:
        """End the thread; using it again is fine."""
        await self._thread.close()

    async def _try(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        try:
            done = await self._thread.start(work)
        except QueueUnavailable as error:
            if not self._told:
                log.warning("repeats_unavailable", error=error.message)
            self._told = True
            return None
        self._told = False
        return done

    # ---- in the thread

    def _connect(self) -> sqlite3.Connection:
        self.path.touch(0o600)
        connection = sqlite3.connect(self.path, BUSY_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -512")
            ((layout,),) = connection.execute("PRAGMA user_version")
            if layout != _LAYOUT:  # it is a day of answers, not worth a migration
                connection.executescript(_MAKE)
            ((self._size,),) = connection.execute(_SIZE)
        except BaseException:
            connection.close()
            raise
        return connection

    def _write(
        self,
        connection: sqlite3.Connection,
        key: bytes,
        value: bytes,
        now: float,
        until: float,
    ) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                size = self._size - self._dropped(cursor, "key = ?", key)
                size -= self._dropped(cursor, "until <= ?", now)
                if until > now and len(key) + len(value) <= self._max_bytes:
                    cursor.execute(
                        "INSERT INTO repeats VALUES (?, ?, ?)", (key, value, until)
                    )
                    size += len(key) + len(value)
                while size > self._max_bytes:
                    first = "key = (SELECT key FROM repeats ORDER BY until LIMIT 1)"
                    size -= self._dropped(cursor, first)
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            self._size = size

    def _dropped(
        self, cursor: sqlite3.Cursor, which: str, *values: bytes | float
    ) -> int:
        """Delete these; how many bytes they were."""
        gone = cursor.execute(
            f"DELETE FROM repeats WHERE {which}"  # noqa: S608 - constants
            " RETURNING LENGTH(key) + LENGTH(value)",
            values,
        ).fetchall()
        return sum(size for (size,) in gone)
