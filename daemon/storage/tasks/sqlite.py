"""The store of tasks on one machine: a SQLite database in the state folder."""

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from actors.errors import QueueUnavailable
from actors.messages.tasks import (
    ClaimAsk,
    Ending,
    Lease,
    LeaseState,
    NewTask,
    QueueStats,
    Submitted,
    Swept,
    Task,
    TaskChange,
    TaskPage,
    TaskQuery,
)
from daemon.storage.migrations import scripts
from daemon.storage.tasks import changing, reading, tidying
from daemon.storage.tasks.commits import Commits, Thread

MIGRATIONS = Path(__file__).parent / "migrations"
_CACHE = "PRAGMA cache_size = -2048"


class SqliteTasks:
    """``TaskStore`` in ``tasks.db``: what a method has done is on the disk.

    It is opened when first needed, and again after that has failed. Not for a network
    file system: write-ahead logs need shared memory.

    Args:
        folder: The state folder; it must exist.
        busy_timeout_s: How long to wait for another program's lock on the file.
    """

    def __init__(self, folder: Path, *, busy_timeout_s: float = 2.0) -> None:
        self.path = folder / "tasks.db"
        self._busy_timeout_s = busy_timeout_s
        self._opening = threading.Lock()  # both threads may be first: one makes it
        self._listeners: list[Callable[[TaskChange], None]] = []
        self._writing = Thread(self.path, self._open_writer)
        self._reading = Thread(self.path, self._open_reader)
        self._commits = Commits(self._writing, self._tell)

    async def open(self) -> None:
        await self._commits.run(lambda _table: None)

    async def close(self) -> None:
        try:
            await self._reading.close()
        finally:
            await self._commits.close()

    async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
        return await self._commits.run(lambda table: changing.submit(table, tasks))

    async def claim(self, ask: ClaimAsk) -> tuple[Task, ...]:
        return await self._commits.run(lambda table: changing.claim(table, ask))

    async def renew(
        self, leases: Sequence[Lease], now: float, lease_s: float
    ) -> tuple[LeaseState, ...]:
        return await self._commits.run(
            lambda table: changing.renew(table, leases, now, lease_s)
        )

    async def advance(self, lease: Lease, now: float, progress: str | None) -> bool:
        return await self._commits.run(
            lambda table: changing.advance(table, lease, now, progress)
        )

    async def finish(self, ending: Ending) -> bool:
        return await self._commits.run(lambda table: changing.finish(table, ending))

    async def cancel(self, task_id: str, now: float) -> Task | None:
        return await self._commits.run(
            lambda table: changing.cancel(table, task_id, now)
        )

    async def retry(self, task_id: str, now: float) -> Task | None:
        return await self._commits.run(
            lambda table: changing.retry(table, task_id, now)
        )

    async def sweep(self, now: float, limit: int) -> Swept:
        return await self._commits.run(lambda table: tidying.sweep(table, now, limit))

    async def get(self, task_id: str) -> Task | None:
        return await self._reading.start(lambda db: reading.get(db, task_id))

    async def find(self, query: TaskQuery) -> TaskPage:
        return await self._reading.start(lambda db: reading.find(db, query))

    async def next_due(self, now: float) -> float | None:
        del now  # it is the same at any time
        return await self._reading.start(reading.next_due)

    async def stats(self, now: float) -> QueueStats:
        return await self._reading.start(lambda db: reading.stats(db, now))

    def listen(
        self, on_change: Callable[[TaskChange], None], *, own: bool = False
    ) -> None:
        del own  # nobody else makes any
        self._listeners.append(on_change)

    def _tell(self, changes: Sequence[TaskChange]) -> None:
        for change in changes:
            for listener in self._listeners:
                listener(change)

    def _open_writer(self) -> sqlite3.Connection:
        with self._opening:
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        # For its mode; never opened when it is there: closing it would drop the locks
        # that SQLite holds on it in this process.
        with suppress(OSError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = self._connect()
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before any table
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA journal_size_limit = 16777216")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_CACHE)
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_reader(self) -> sqlite3.Connection:
        self._open_writer().close()  # so that there is something to read
        connection = self._connect()
        connection.execute("PRAGMA query_only = 1")
        connection.execute(_CACHE)
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,  # a thread is not always the same one: see Thread
        )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        migrations = scripts(MIGRATIONS)
        ((version,),) = connection.execute("PRAGMA user_version")
        if version > len(migrations):
            raise QueueUnavailable(
                f"{self.path} has layout {version}, made by a newer version of"
                f" GitBridge; this one knows layouts up to {len(migrations)}. Install"
                " the newer version again, or use another state folder."
            )
        for number, script in enumerate(migrations[version:], start=version + 1):
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
            )
