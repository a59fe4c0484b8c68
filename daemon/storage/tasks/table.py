"""Tasks as rows: what is written of them, and the books that are kept beside them.

One is used for one piece of work in one transaction; ``flush`` ends it.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from actors.messages.routing import PRIORITIES, Priority
from actors.messages.tasks import NewTask, Task, TaskChange
from actors.policy import task_states
from actors.policy.task_states import IN_QUEUE
from daemon.storage.tasks.status import encode_spec, part_of, status_of, task_of

Value = str | bytes | int | float | None

PRIORITY_NUMBERS: dict[Priority, int] = {
    priority: number for number, priority in enumerate(PRIORITIES)
}

_INSERT = """
INSERT INTO tasks (task_id, kind, type, priority, lane, tenant, key, user, batch_id,
  parent_id, created_at, tag, state, queue, wake_at, lease_until, expire_at, remove_at,
  age_from, status)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE = """
UPDATE tasks SET state = ?, queue = ?, wake_at = ?, lease_until = ?, expire_at = ?,
  remove_at = ?, age_from = ?, status = ? WHERE seq = ?
"""
_SELECT = """
SELECT seq, tag, queue, spec, status, result
FROM tasks JOIN specs USING (seq) LEFT JOIN results USING (seq)
"""
_SELECT_BY_ID = f"{_SELECT} WHERE task_id = ?"
_SELECT_BY_SEQ = f"{_SELECT} WHERE seq = ?"
_COUNT = """
INSERT INTO depths VALUES (?, ?, ?, ?, ?)
ON CONFLICT (priority, kind, type, part) DO UPDATE SET tasks = tasks + excluded.tasks
"""


class Row(NamedTuple):
    """A task and its place: ``ready`` to be claimed, or waiting for the time to be."""

    seq: int
    tag: float
    ready: bool
    task: Task


def rows(
    connection: sqlite3.Connection, sql: str, values: Iterable[Value]
) -> Iterator[Row]:
    """Tasks of a query that goes on after ``SELECT … FROM tasks …``."""
    for each in connection.execute(f"{_SELECT} {sql}", tuple(values)):
        yield _row(each)


def by_id(connection: sqlite3.Connection, task_id: str) -> Row | None:
    found = connection.execute(_SELECT_BY_ID, (task_id,)).fetchone()
    return None if found is None else _row(found)


def _row(found: tuple[int, float, int | None, bytes, bytes, bytes | None]) -> Row:
    seq, tag, queue, spec, status, result = found
    return Row(seq, tag, queue is not None, task_of(spec, status, result))


def _places(task: Task, *, ready: bool) -> tuple[Value, ...]:
    """The columns that say where it is looked for, and its status."""
    in_queue = task.state in IN_QUEUE
    return (
        task.state,
        PRIORITY_NUMBERS[task.spec.priority] if in_queue and ready else None,
        task.run_at if in_queue and not ready else None,
        task.lease_until,
        task.spec.deadline_at if in_queue else None,
        task_states.remove_at(task),
        task.run_at if task.state == "queued" else None,
        status_of(task),
    )


class TaskTable:
    """The tasks and their books, within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._changes: list[TaskChange] = []
        self._moved: Counter[tuple[str, ...]] = Counter()

    def by_id(self, task_id: str) -> Row | None:
        return by_id(self.connection, task_id)

    def by_seq(self, seq: int) -> Row:
        return _row(self.connection.execute(_SELECT_BY_SEQ, (seq,)).fetchone())

    def by_key(self, tenant: str, key: str) -> Row | None:
        sql = "WHERE tenant = ? AND key = ?"
        return next(rows(self.connection, sql, (tenant, key)), None)

    def rows(self, sql: str, *values: Value) -> list[Row]:
        return list(rows(self.connection, sql, values))

    def add(self, spec: NewTask) -> Task:
        """Keep a new task; it may be claimed at once, unless it is for later."""
        task, ready = task_states.kept(spec), spec.run_at <= spec.created_at
        priority = PRIORITY_NUMBERS[spec.priority]
        about: tuple[Value, ...] = (spec.task_id, spec.kind, spec.type, priority)
        about += (spec.lane, spec.tenant, spec.key, spec.user, spec.batch_id)
        about += (spec.parent_id, spec.created_at, self._next_tag(spec, priority))
        seq = self.connection.execute(
            _INSERT, (*about, *_places(task, ready=ready))
        ).lastrowid
        self.connection.execute(
            "INSERT INTO specs VALUES (?, ?)", (seq, encode_spec(spec))
        )
        self._count(task, 1, ready=ready)
        self._changes.append(task_states.change_of(task))
        return task

    def put(self, row: Row, task: Task, *, ready: bool = False) -> Task:
        """Write what became of it; ``ready`` counts for one that is in the queue."""
        self.connection.execute(_UPDATE, (*_places(task, ready=ready), row.seq))
        if task.result != row.task.result:
            self._put_result(row.seq, task.result)
        self._count(row.task, -1, ready=row.ready)
        self._count(task, 1, ready=ready)
        before = row.task
        if (before.state, before.progress, before.cancel_wanted) != (
            task.state,
            task.progress,
            task.cancel_wanted,
        ):
            self._changes.append(task_states.change_of(task))
        return task

    def remove(self, row: Row) -> None:
        for table in ("tasks", "specs", "results"):
            self.connection.execute(f"DELETE FROM {table} WHERE seq = ?", (row.seq,))  # noqa: S608 - our own names
        self._count(row.task, -1, ready=row.ready)

    def serve(self, row: Row) -> None:
        """Its turn came: the virtual time of its priority is its tag from now on."""
        self.connection.execute(
            "INSERT INTO virtual_time VALUES (?, ?) ON CONFLICT (priority)"
            " DO UPDATE SET tag = MAX(tag, excluded.tag)",
            (PRIORITY_NUMBERS[row.task.spec.priority], row.tag),
        )

    def flush(self) -> Sequence[TaskChange]:
        """Write the counts; what has changed."""
        self.connection.executemany(
            _COUNT, ((*key, moved) for key, moved in self._moved.items() if moved)
        )
        return self._changes

    def _next_tag(self, spec: NewTask, priority: int) -> float:
        (virtual, last), *_ = self.connection.execute(
            "SELECT (SELECT tag FROM virtual_time WHERE priority = ?1),"
            " (SELECT tag FROM shares WHERE priority = ?1 AND tenant = ?2)",
            (priority, spec.tenant),
        )
        tag = task_states.fair_tag(virtual or 0.0, last or 0.0, spec.weight)
        self.connection.execute(
            "INSERT OR REPLACE INTO shares VALUES (?, ?, ?)",
            (priority, spec.tenant, tag),
        )
        return tag

    def _put_result(self, seq: int, result: bytes | None) -> None:
        if result is None:
            self.connection.execute("DELETE FROM results WHERE seq = ?", (seq,))
        else:
            self.connection.execute(
                "INSERT OR REPLACE INTO results VALUES (?, ?)", (seq, result)
            )

    def _count(self, task: Task, number: int, *, ready: bool) -> None:
        part, spec = part_of(task, ready=ready), task.spec
        if part is not None:
            priority = str(PRIORITY_NUMBERS[spec.priority])  # INTEGER in the table
            self._moved[priority, spec.kind, spec.type, part] += number
