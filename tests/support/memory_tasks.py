"""A store of tasks in memory: for actors in virtual time, and what real ones are held to.

Realism: it does all that ``TaskStore`` says, takes no time, keeps nothing beyond its
process, and fails (``away``) only when the test says.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from actors.errors import InvalidRequest, QueueUnavailable
from actors.messages.routing import PRIORITIES, Priority
from actors.messages.tasks import (
    ClaimAsk,
    Ending,
    LaneDepth,
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
from actors.policy import task_states
from actors.policy.task_states import IN_QUEUE, IN_WORK

AT_ONCE = 500


class Place(NamedTuple):
    """Of a task in the queue: the order of arrival, and of fair queueing."""

    seq: int
    tag: float


class MemoryTasks:
    """Attributes:
    tasks: All of them, by id, in the order of arrival.
    endings: What attempts came to, in the order in which that was kept.
    away: Whether every call fails.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.endings: list[Ending] = []
        self.away = False
        self._listeners: list[Callable[[TaskChange], None]] = []
        self._places: dict[str, Place] = {}
        self._seq = 0
        self._virtual: defaultdict[Priority, float] = defaultdict(float)
        self._shares: defaultdict[tuple[Priority, str], float] = defaultdict(float)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def _look(self) -> None:
        if self.away:
            raise QueueUnavailable("the store is away")

    def _put(self, task: Task) -> Task:
        before = self.tasks.get(task.task_id)
        self.tasks[task.task_id] = task
        if before is None or _seen(before) != _seen(task):
            for listener in self._listeners:
                listener(task_states.change_of(task))
        return task

    # ---- submitting

    async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
        self._look()
        self._check(tasks)
        return tuple(self._submit(spec) for spec in tasks)

    def _check(self, tasks: Sequence[NewTask]) -> None:
        """That all of them can be kept; nothing is kept yet."""
        there = dict(self.tasks)
        for spec in tasks:
            same = _same(there, spec)
            if same is None:
                there[spec.task_id] = task_states.kept(spec)
            else:
                task_states.same(same, spec)

    def _submit(self, spec: NewTask) -> Submitted:
        same = _same(self.tasks, spec)
        if same is not None:
            return task_states.same(same, spec)
        share = (spec.priority, spec.tenant)
        tag = task_states.fair_tag(
            self._virtual[spec.priority], self._shares[share], spec.weight
        )
        self._shares[share] = tag
        self._seq += 1
        self._places[spec.task_id] = Place(self._seq, tag)
        return Submitted(self._put(task_states.kept(spec)))

    # ---- claiming

    async def claim(self, ask: ClaimAsk) -> tuple[Task, ...]:
        self._look()
        self._end_leases(ask.now, AT_ONCE)
        self._expire(ask.now, AT_ONCE)
        taken = (self._fill(slot, ask) for slot in ask.slots)
        return tuple(task for task in taken if task is not None)

    def _fill(self, slot: Sequence[Priority], ask: ClaimAsk) -> Task | None:
        busy = Counter(t.spec.lane for t in self.tasks.values() if t.state in IN_WORK)
        for priority in slot:
            due = [
                (self._places[t.task_id].tag, self._places[t.task_id].seq, t)
                for t in self.tasks.values()
                if t.state in IN_QUEUE
                and t.spec.priority == priority
                and t.run_at <= ask.now
                and busy[t.spec.lane] < ask.lanes.get(t.spec.lane, len(self.tasks) + 1)
            ]
            if due:
                tag, _, task = min(due, key=lambda each: each[:2])
                self._virtual[priority] = max(self._virtual[priority], tag)
                return self._put(task_states.leased(task, ask))
        return None

    # ---- working

    async def renew(
        self, leases: Sequence[Lease], now: float, lease_s: float
    ) -> tuple[LeaseState, ...]:
        self._look()
        return tuple(self._renew(lease, now, lease_s) for lease in leases)

    def _renew(self, lease: Lease, now: float, lease_s: float) -> LeaseState:
        task = self._held(lease)
        if task is None:
            return "lost"
        self._put(task_states.renewed(task, now, lease_s))
        return "cancel" if task.cancel_wanted else "held"

    async def advance(self, lease: Lease, now: float, progress: str | None) -> bool:
        self._look()
        task = self._held(lease)
        if task is None:
            return False
        self._put(task_states.advanced(task, now, progress))
        return True

    async def finish(self, ending: Ending) -> bool:
        self._look()
        task = self._held(ending.lease)
        if task is None:
            return False
        self._check(ending.follow_ups)
        self.endings.append(ending)
        self._put(task_states.ended(task, ending))
        for spec in ending.follow_ups:
            self._submit(spec)
        return True

    def _held(self, lease: Lease) -> Task | None:
        task = self.tasks.get(lease.task_id)
        return task if task is not None and task_states.holds(task, lease) else None

    # ---- callers

    async def cancel(self, task_id: str, now: float) -> Task | None:
        self._look()
        task = self.tasks.get(task_id)
        return None if task is None else self._put(task_states.unwanted(task, now))

    async def retry(self, task_id: str, now: float) -> Task | None:
        self._look()
        task = self.tasks.get(task_id)
        if task is None or task.state not in task_states.RETRIED:
            return task
        return self._put(task_states.retried(task, now))

    async def get(self, task_id: str) -> Task | None:
        self._look()
        return self.tasks.get(task_id)

    async def find(self, query: TaskQuery) -> TaskPage:
        self._look()
        found = list(self._found(query))
        page, more = found[: query.limit], len(found) > query.limit
        cursor = str(self._places[page[-1].task_id].seq) if page and more else None
        return TaskPage(tuple(page), cursor)

    def _found(self, query: TaskQuery) -> Iterator[Task]:
        before = self._seq + 1
        if query.cursor is not None:
            if not query.cursor.isdigit():
                raise InvalidRequest("no cursor", field="cursor", got=query.cursor)
            before = int(query.cursor)
        for task in reversed(self.tasks.values()):
            if self._places[task.task_id].seq < before and _fits(task, query):
                yield task

    # ---- time

    async def sweep(self, now: float, limit: int) -> Swept:
        self._look()
        ended = self._end_leases(now, limit)
        expired = self._expire(now, limit - len(ended))
        old = [
            (at, self._places[t.task_id].seq, t.task_id)
            for t in self.tasks.values()
            if (at := task_states.remove_at(t)) is not None and at <= now
        ]
        old.sort()
        gone = old[: limit - len(ended) - len(expired)]
        for _, _, task_id in gone:
            del self.tasks[task_id]
        return Swept(
            resumed=tuple(t for t in ended if t.state == "queued"),
            dead=tuple(t for t in ended if t.state == "dead"),
            expired=tuple(expired),
            removed=len(gone),
            more=len(ended) + len(expired) + len(gone) >= limit,
        )

    def _end_leases(self, now: float, limit: int) -> list[Task]:
        over = [
            (t.lease_until, self._places[t.task_id].seq, t)
            for t in self.tasks.values()
            if t.state in IN_WORK and t.lease_until is not None and t.lease_until <= now
        ]
        over.sort(key=lambda each: each[:2])
        return [
            self._put(task_states.lease_over(task, now)) for _, _, task in over[:limit]
        ]

    def _expire(self, now: float, limit: int) -> list[Task]:
        late = [
            (t.spec.deadline_at, self._places[t.task_id].seq, t)
            for t in self.tasks.values()
            if t.state in IN_QUEUE
            and t.spec.deadline_at is not None
            and t.spec.deadline_at <= now
        ]
        late.sort(key=lambda each: each[:2])
        return [
            self._put(task_states.expired(task, now)) for _, _, task in late[:limit]
        ]

    async def next_due(self, now: float) -> float | None:
        self._look()
        times = (at for t in self.tasks.values() for at in _times(t))
        return min((at for at in times if at is not None), default=None)

    async def stats(self, now: float) -> QueueStats:
        self._look()
        depths: dict[tuple[int, str, str], LaneDepth] = {}
        for task in self.tasks.values():
            spec, part = task.spec, _part(task, now)
            if part is None:
                continue
            key = (PRIORITIES.index(spec.priority), spec.kind, spec.type)
            depth = depths.get(key) or LaneDepth(
                priority=spec.priority, type=spec.type, kind=spec.kind
            )
            depth = replace(depth, **{part: getattr(depth, part) + 1})
            if part == "queued":
                age = now - task.run_at
                depth = replace(depth, oldest_s=max(age, depth.oldest_s or age))
            depths[key] = depth
        return QueueStats(tuple(depths[key] for key in sorted(depths)))

    def listen(
        self, on_change: Callable[[TaskChange], None], *, own: bool = False
    ) -> None:
        del own  # nobody else makes any
        self._listeners.append(on_change)


def _seen(task: Task) -> tuple[object, ...]:
    """What listeners are told of."""
    return task.state, task.progress, task.cancel_wanted


def _same(tasks: Mapping[str, Task], spec: NewTask) -> Task | None:
    """The task of that id, or else of that key."""
    there, mine = tasks.get(spec.task_id), (spec.tenant, spec.key)
    if there is not None or spec.key is None:
        return there
    found = (t for t in tasks.values() if (t.spec.tenant, t.spec.key) == mine)
    return next(found, None)


def _fits(task: Task, query: TaskQuery) -> bool:
    spec = task.spec
    several = (
        (query.states, task.state),
        (query.kinds, spec.kind),
        (query.types, spec.type),
        (query.priorities, spec.priority),
    )
    one = (
        (query.tenant, spec.tenant),
        (query.user, spec.user),
        (query.batch_id, spec.batch_id),
        (query.parent_id, spec.parent_id),
    )
    return (
        all(not wanted or got in wanted for wanted, got in several)
        and all(wanted is None or got == wanted for wanted, got in one)
        and (query.since is None or spec.created_at >= query.since)
    )


def _times(task: Task) -> tuple[float | None, ...]:
    if task.state in IN_WORK:
        return (task.lease_until,)
    if task.state in IN_QUEUE:
        return (task.run_at, task.spec.deadline_at)
    return (task_states.remove_at(task),)


def _part(task: Task, now: float) -> str | None:
    if task.state in IN_WORK:
        return "in_work"
    if task.state == "queued":
        return "queued" if task.run_at <= now else "scheduled"
    return task.state if task.state in ("waiting", "dead") else None
