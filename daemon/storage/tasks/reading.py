"""What only reads, on a connection of its own: it waits for nobody who writes."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.routing import PRIORITIES
from actors.messages.tasks import (
    LaneDepth,
    QueueStats,
    Task,
    TaskKind,
    TaskPage,
    TaskQuery,
)
from daemon.storage.tasks.table import PRIORITY_NUMBERS, Row, Value, by_id, rows

# Most tasks are in one of these: a walk by anything else passes by fewer others.
_COMMON_STATES = frozenset(("queued", "done"))
# What is likeliest to be rare comes first; by the first of them that is asked for.
_WALKS = (
    {"batch_id"},
    {"parent_id"},
    {"user", "type"},
    {"user"},
    {"type"},
    {"tenant"},
    {"kind"},
    {"state"},
)

_Kind = tuple[int, TaskKind, str]

_NEXT_DUE = """
SELECT MIN(at) FROM (
  SELECT (SELECT MIN(wake_at) FROM tasks WHERE wake_at IS NOT NULL) AS at
  UNION ALL
  SELECT (SELECT MIN(lease_until) FROM tasks WHERE lease_until IS NOT NULL)
  UNION ALL
  SELECT (SELECT MIN(expire_at) FROM tasks WHERE expire_at IS NOT NULL)
  UNION ALL
  SELECT (SELECT MIN(remove_at) FROM tasks WHERE remove_at IS NOT NULL)
)
"""
# Their time has come, but nobody has claimed anything since.
_UNSEEN = """
SELECT priority, kind, type, COUNT(*) FROM tasks
WHERE wake_at <= ? AND state = 'queued' GROUP BY 1, 2, 3
"""
_OLDEST = """
SELECT MIN(age_from) FROM tasks
WHERE priority = ? AND kind = ? AND type = ? AND age_from IS NOT NULL
"""


def get(connection: sqlite3.Connection, task_id: str) -> Task | None:
    row = by_id(connection, task_id)
    return None if row is None else row.task


def next_due(connection: sqlite3.Connection) -> float | None:
    ((at,),) = connection.execute(_NEXT_DUE)
    return None if at is None else float(at)


def find(connection: sqlite3.Connection, query: TaskQuery) -> TaskPage:
    before = _before(query.cursor)
    # One walk for each state, so that none has to pass by all the others.
    found: list[Row] = []
    with _at_once(connection):
        for state in query.states or (None,):
            where, values = _where(query, state, before)
            sql = f"{where} ORDER BY seq DESC LIMIT ?"
            found += rows(connection, sql, (*values, query.limit + 1))
    found.sort(reverse=True, key=lambda row: row.seq)
    page = found[: query.limit]
    more = len(found) > query.limit
    return TaskPage(
        tasks=tuple(row.task for row in page),
        cursor=str(page[-1].seq) if page and more else None,
    )


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidRequest(
            "the cursor is not one that a list of tasks gave",
            field="cursor",
            got=cursor[:40],
            wanted="the cursor of the page before",
        )
    return int(cursor)


def _where(
    query: TaskQuery, state: str | None, before: int | None
) -> tuple[str, list[Value]]:
    alone: dict[str, Value] = {
        "state": state,
        "tenant": query.tenant,
        "user": query.user,
        "batch_id": query.batch_id,
        "parent_id": query.parent_id,
    }
    several: dict[str, Sequence[Value]] = {
        "kind": query.kinds,
        "type": query.types,
        "priority": [PRIORITY_NUMBERS[each] for each in query.priorities],
    }
    asked: dict[str, tuple[Value, ...]] = {
        name: (v,) for name, v in alone.items() if v is not None
    }
    asked |= {name: tuple(v) for name, v in several.items() if v}
    walk = _walk(asked.keys(), state)
    tests: list[str] = []
    values: list[Value] = []
    for name, wanted in asked.items():
        # With a sign before it SQLite leaves its index alone.
        column = name if name in walk else f"+{name}"
        tests.append(f"{column} IN ({', '.join('?' * len(wanted))})")
        values += wanted
    for test, value in (("seq < ?", before), ("created_at >= ?", query.since)):
        if value is not None:
            tests.append(test)
            values.append(value)
    return ("WHERE " + " AND ".join(tests) if tests else ""), values


def _walk(asked: Collection[str], state: str | None) -> Collection[str]:
    """The columns whose index is walked; SQLite does not know what is rare."""
    apart = {"batch_id", "parent_id"}.isdisjoint(asked)
    if apart and state is not None and state not in _COMMON_STATES:
        return {"state"}
    return next((walk for walk in _WALKS if walk.issubset(asked)), ())


@contextmanager
def _at_once(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read within it is as it was at one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def stats(connection: sqlite3.Connection, now: float) -> QueueStats:
    with _at_once(connection):
        return _stats(connection, now)


def _stats(connection: sqlite3.Connection, now: float) -> QueueStats:
    counts: defaultdict[_Kind, dict[str, int]] = defaultdict(dict)
    for priority, kind, type_, part, tasks in connection.execute(
        "SELECT * FROM depths WHERE tasks > 0"
    ):
        counts[priority, kind, type_][part] = tasks
    for priority, kind, type_, tasks in connection.execute(_UNSEEN, (now,)):
        of_kind = counts[priority, kind, type_]
        of_kind["queued"] = of_kind.get("queued", 0) + tasks
        of_kind["scheduled"] -= tasks
    return QueueStats(
        depths=tuple(
            _depth(connection, now, key, counts[key]) for key in sorted(counts)
        )
    )


def _depth(
    connection: sqlite3.Connection, now: float, key: _Kind, parts: dict[str, int]
) -> LaneDepth:
    priority, kind, type_ = key
    depth = LaneDepth(priority=PRIORITIES[priority], type=type_, kind=kind, **parts)
    if not depth.queued:
        return depth
    ((oldest,),) = connection.execute(_OLDEST, key)
    return replace(depth, oldest_s=now - oldest)
