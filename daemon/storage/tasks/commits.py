"""Transactions in a thread of their own; those that wait together share one commit.

A commit that waits for the disk takes a millisecond or more, whatever is in it: what
arrives meanwhile goes into the next one together. Each piece of work is a savepoint in
it, so that one that fails takes nobody with it.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from actors.errors import InvalidRequest, QueueUnavailable
from actors.messages.tasks import TaskChange
from daemon.storage.sqlite import VALUE_ERRORS
from daemon.storage.tasks.table import TaskTable

T = TypeVar("T")

_TOGETHER = 64
"""How many pieces of work share a commit at most: the first waits for the last."""

_BROKEN = frozenset(
    (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)
)
"""What no further call on the same connection gets over."""


class Thread:
    """A thread with a connection of its own, made when first needed.

    Args:
        path: The file, which errors name.
        connect: Opens it, in the thread.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._executor: ThreadPoolExecutor | None = None

    def start(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Do it in the thread, after what was started before.

        It raises ``QueueUnavailable`` for what the database, or its folder, says.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "tasks")
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._executor, self._do, work)

    async def close(self) -> None:
        """Close the connection and end the thread; starting again is fine."""
        executor, self._executor = self._executor, None
        if executor is not None:
            closing = asyncio.get_running_loop().run_in_executor(executor, self._close)
            executor.shutdown(wait=False)
            await asyncio.shield(closing)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
                self._close()  # perhaps somebody puts a good one there
            raise unavailable(self._path, error) from error

    def _opened(self) -> sqlite3.Connection:
        """The connection to the file of that name now.

        What goes to one that was deleted, or put aside, is gone with it.
        """
        if self._connection is not None and self._file != _file_at(self._path):
            self._close()
        if self._connection is None:
            self._connection = self._connect()
            self._file = _file_at(self._path)
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file it is, of all there have been under that name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def unavailable(path: Path, error: Exception) -> QueueUnavailable:
    return QueueUnavailable(f"the tasks' database {path}: {error}")


class _Work(Protocol):
    """A piece of work whose kind of result only it knows itself."""

    @property
    def wanted(self) -> bool: ...

    def run(self, table: TaskTable) -> None: ...

    def fail(self, error: Exception) -> None: ...

    def settle(self) -> Sequence[TaskChange]: ...


class _Job(Generic[T]):
    """A piece of work on its way to the thread and back."""

    def __init__(
        self, work: Callable[[TaskTable], T], ended: asyncio.Future[T]
    ) -> None:
        self._work = work
        self._ended = ended
        self._results: list[T] = []
        self._changes: Sequence[TaskChange] = ()
        self._error: Exception | None = None

    @property
    def wanted(self) -> bool:
        return not self._ended.done()

    def run(self, table: TaskTable) -> None:
        self._results.append(self._work(table))
        self._changes = table.flush()

    def fail(self, error: Exception) -> None:
        self._error = error

    def settle(self) -> Sequence[TaskChange]:
        """Tell whoever waits for it; what it changed."""
        if self._error is not None:
            if self.wanted:
                self._ended.set_exception(self._error)
            return ()
        if self.wanted:
            self._ended.set_result(self._results[0])
        return self._changes


class Commits:
    """Runs work in transactions, in the order in which it came.

    Args:
        thread: Where; nobody else may use it.
        on_change: Told of what a commit has changed, on the event loop.
    """

    def __init__(
        self, thread: Thread, on_change: Callable[[Sequence[TaskChange]], None]
    ) -> None:
        self._thread = thread
        self._on_change = on_change
        self._waiting: deque[_Work] = deque()
        self._running: asyncio.Future[None] | None = None

    async def run(self, work: Callable[[TaskTable], T]) -> T:
        """Do it in a transaction, and wait until it is on the disk.

        When the caller is cancelled it is done to its end if it had begun, and not at
        all otherwise.

        Raises:
            QueueUnavailable: The database could not be written.
            InvalidRequest: It refuses what was to be written; others are not harmed.
        """
        ended: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(work, ended))
        self._next()
        return await ended

    async def close(self) -> None:
        """Finish what was asked for, and end the thread."""
        while self._running is not None:
            await asyncio.wait((self._running,))
        await self._thread.close()

    def _next(self) -> None:
        if self._running is not None:
            return
        batch: list[_Work] = []
        while self._waiting and len(batch) < _TOGETHER:
            job = self._waiting.popleft()
            if job.wanted:
                batch.append(job)
        if batch:
            self._running = self._thread.start(lambda db: _commit(db, batch))
            self._running.add_done_callback(lambda done: self._settle(batch, done))

    def _settle(self, batch: Sequence[_Work], done: asyncio.Future[None]) -> None:
        self._running = None
        self._next()
        error = done.exception()
        changes: list[TaskChange] = []
        for job in batch:
            if isinstance(error, Exception):
                job.fail(error)
            changes += job.settle()
        if changes:
            self._on_change(changes)


def _commit(connection: sqlite3.Connection, batch: Sequence[_Work]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for job in batch:
            _run(connection, job)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite may have rolled it back itself
            connection.execute("ROLLBACK")
        raise


def _run(connection: sqlite3.Connection, job: _Work) -> None:
    connection.execute("SAVEPOINT job")
    try:
        job.run(TaskTable(connection))
    except Exception as error:
        refused = isinstance(error, VALUE_ERRORS)
        if isinstance(error, sqlite3.Error) and not refused:
            raise  # of the database: all of them fail
        connection.execute("ROLLBACK TO job")
        job.fail(InvalidRequest(f"this cannot be kept: {error}") if refused else error)
    connection.execute("RELEASE job")
