"""What changes tasks when somebody asks for it, each within one transaction."""

import heapq
from collections.abc import Mapping, Sequence

from actors.messages.routing import Priority
from actors.messages.tasks import (
    ClaimAsk,
    Ending,
    Lease,
    LeaseState,
    NewTask,
    Submitted,
    Task,
)
from actors.policy import task_states
from actors.policy.task_states import RETRIED
from daemon.storage.tasks import tidying
from daemon.storage.tasks.table import PRIORITY_NUMBERS, Row, TaskTable

_AT_ONCE = 500
"""How much of what became due a claim sees to first: it takes some 20 ms then."""

_FIRST_LANE = (
    "SELECT lane, tag, seq FROM tasks WHERE queue = ? ORDER BY lane, tag, seq LIMIT 1"
)
_NEXT_LANE = (
    "SELECT lane, tag, seq FROM tasks WHERE queue = ? AND lane > ?"
    " ORDER BY lane, tag, seq LIMIT 1"
)
_HEAD = (
    "SELECT tag, seq FROM tasks WHERE queue = ? AND lane = ? ORDER BY tag, seq LIMIT 1"
)
# By the index of leases: there are never many.
_IN_WORK = (
    "SELECT lane, COUNT(*) FROM tasks WHERE lease_until IS NOT NULL GROUP BY lane"
)


def submit(table: TaskTable, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
    return tuple(_submit(table, each) for each in tasks)


def _submit(table: TaskTable, spec: NewTask) -> Submitted:
    before = table.by_id(spec.task_id)
    if before is None and spec.key is not None:
        before = table.by_key(spec.tenant, spec.key)
    if before is None:
        return Submitted(table.add(spec))
    return task_states.same(before.task, spec)


def claim(table: TaskTable, ask: ClaimAsk) -> tuple[Task, ...]:
    tidying.wake(table, ask.now, _AT_ONCE)
    tidying.end_leases(table, ask.now, _AT_ONCE)
    if len(tidying.expire(table, ask.now, _AT_ONCE)) == _AT_ONCE:
        return ()  # first the rest of them
    claiming = _Claiming(table, ask)
    taken = (claiming.fill(slot) for slot in ask.slots)
    return tuple(task for task in taken if task is not None)


def _room(table: TaskTable, lanes: Mapping[str, int]) -> dict[str, int]:
    """How many more of each limited lane may be taken."""
    room = dict(lanes)
    if room:
        for lane, tasks in table.connection.execute(_IN_WORK):
            if lane in room:
                room[lane] -= tasks
    return room


class _Claiming:
    """One claim: the head of every lane with room, by priority, as far as needed.

    The lanes are found by leaps through an index, one a lane, and only for priorities
    that are come to.
    """

    def __init__(self, table: TaskTable, ask: ClaimAsk) -> None:
        self._table = table
        self._ask = ask
        self._room = _room(table, ask.lanes)
        self._heads: dict[Priority, list[tuple[float, int, str]]] = {}

    def fill(self, slot: Sequence[Priority]) -> Task | None:
        for priority in slot:
            task = self._take(priority)
            if task is not None:
                return task
        return None

    def _take(self, priority: Priority) -> Task | None:
        heads = self._heads_of(priority)
        while heads:
            _, seq, lane = heads[0]
            if not self._has_room(lane):
                heapq.heappop(heads)
                continue
            task = self._begin(self._table.by_seq(seq))
            self._replace_first(heads, priority, lane)
            return task
        return None

    def _begin(self, row: Row) -> Task:
        self._table.serve(row)
        lane = row.task.spec.lane
        if lane in self._room:
            self._room[lane] -= 1
        return self._table.put(row, task_states.leased(row.task, self._ask))

    def _has_room(self, lane: str) -> bool:
        return self._room.get(lane, 1) > 0

    def _heads_of(self, priority: Priority) -> list[tuple[float, int, str]]:
        if priority not in self._heads:
            self._heads[priority] = self._find_heads(PRIORITY_NUMBERS[priority])
        return self._heads[priority]

    def _find_heads(self, queue: int) -> list[tuple[float, int, str]]:
        heads: list[tuple[float, int, str]] = []
        execute = self._table.connection.execute
        found = execute(_FIRST_LANE, (queue,)).fetchone()
        while found is not None:
            lane, tag, seq = found
            if self._has_room(lane):
                heads.append((tag, seq, lane))
            found = execute(_NEXT_LANE, (queue, lane)).fetchone()
        heapq.heapify(heads)
        return heads

    def _replace_first(
        self, heads: list[tuple[float, int, str]], priority: Priority, lane: str
    ) -> None:
        found = self._table.connection.execute(
            _HEAD, (PRIORITY_NUMBERS[priority], lane)
        ).fetchone()
        if found is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (*found, lane))


def renew(
    table: TaskTable, leases: Sequence[Lease], now: float, lease_s: float
) -> tuple[LeaseState, ...]:
    return tuple(_renew(table, lease, now, lease_s) for lease in leases)


def _renew(table: TaskTable, lease: Lease, now: float, lease_s: float) -> LeaseState:
    row = _held(table, lease)
    if row is None:
        return "lost"
    table.put(row, task_states.renewed(row.task, now, lease_s))
    return "cancel" if row.task.cancel_wanted else "held"


def advance(table: TaskTable, lease: Lease, now: float, progress: str | None) -> bool:
    row = _held(table, lease)
    if row is None:
        return False
    table.put(row, task_states.advanced(row.task, now, progress))
    return True


def finish(table: TaskTable, ending: Ending) -> bool:
    row = _held(table, ending.lease)
    if row is None:
        return False
    task = task_states.ended(row.task, ending)
    table.put(row, task, ready=task.run_at <= ending.now)
    submit(table, ending.follow_ups)
    return True


def cancel(table: TaskTable, task_id: str, now: float) -> Task | None:
    row = table.by_id(task_id)
    if row is None:
        return None
    task = task_states.unwanted(row.task, now)
    return task if task is row.task else table.put(row, task)


def retry(table: TaskTable, task_id: str, now: float) -> Task | None:
    row = table.by_id(task_id)
    if row is None or row.task.state not in RETRIED:
        return None if row is None else row.task
    return table.put(row, task_states.retried(row.task, now), ready=True)


def _held(table: TaskTable, lease: Lease) -> Row | None:
    row = table.by_id(lease.task_id)
    return row if row is not None and task_states.holds(row.task, lease) else None
