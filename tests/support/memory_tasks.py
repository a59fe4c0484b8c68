"""A store of tasks in memory, for actors in virtual time.

Realism: it does what ``TaskStore`` says except fair shares of tenants and paging, takes
no time, and fails (``away``) only when the test says; the real ones are tested apart.
"""

from collections.abc import Callable, Sequence

from actors.errors import QueueUnavailable
from actors.messages.tasks import (
    FINAL,
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
from actors.policy import task_states


class MemoryTasks:
    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.endings: list[Ending] = []
        self.away = False
        self._listeners: list[Callable[[TaskChange], None]] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def _look(self) -> None:
        if self.away:
            raise QueueUnavailable("the store is away")

    def _put(self, task: Task) -> Task:
        before = self.tasks.get(task.task_id)
        self.tasks[task.task_id] = task
        if before is None or before.state != task.state:
            for listener in self._listeners:
                listener(task_states.change_of(task))
        return task

    async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
        self._look()
        found = []
        for spec in tasks:
            same = (
                t
                for t in self.tasks.values()
                if spec.key is not None
                and (t.spec.tenant, t.spec.key) == (spec.tenant, spec.key)
            )
            there = next(same, None)
            if there is not None:
                found.append(task_states.same(there, spec))
            else:
                found.append(Submitted(self._put(task_states.kept(spec))))
        return tuple(found)

    async def claim(self, ask: ClaimAsk) -> tuple[Task, ...]:
        self._look()
        room = dict(ask.room)
        found: list[Task] = []
        for slot in ask.slots:
            due = [t for t in self.tasks.values() if _due(t, ask.now)]
            due = [t for t in due if room.get(t.spec.lane, 1) > 0]
            if not due:
                break
            due.sort(key=lambda t: (slot.index(t.spec.priority), t.run_at))
            task = due[0]
            if task.state in task_states.IN_WORK:
                task = self._put(task_states.lease_over(task, ask.now))
                if task.state in FINAL:
                    continue
            if task.spec.lane in room:
                room[task.spec.lane] -= 1
            found.append(self._put(task_states.leased(task, ask)))
        return tuple(found)

    async def renew(
        self, leases: Sequence[Lease], now: float, lease_s: float
    ) -> tuple[LeaseState, ...]:
        self._look()
        states: list[LeaseState] = []
        for lease in leases:
            task = self.tasks[lease.task_id]
            if not task_states.holds(task, lease):
                states.append("lost")
                continue
            self.tasks[task.task_id] = task_states.renewed(task, now, lease_s)
            states.append("cancel" if task.cancel_wanted else "held")
        return tuple(states)

    async def advance(self, lease: Lease, now: float, progress: str | None) -> bool:
        self._look()
        task = self.tasks[lease.task_id]
        if not task_states.holds(task, lease):
            return False
        self._put(task_states.advanced(task, now, progress))
        return True

    async def finish(self, ending: Ending) -> bool:
        self._look()
        task = self.tasks[ending.lease.task_id]
        if not task_states.holds(task, ending.lease):
            return False
        self.endings.append(ending)
        self._put(task_states.ended(task, ending))
        await self.submit(ending.follow_ups)
        return True

    async def cancel(self, task_id: str, now: float) -> Task | None:
        self._look()
        task = self.tasks.get(task_id)
        return None if task is None else self._put(task_states.unwanted(task, now))

    async def retry(self, task_id: str, now: float) -> Task | None:
        task = self.tasks.get(task_id)
        if task is None or task.state not in task_states.RETRIED:
            return task
        return self._put(task_states.retried(task, now))

    async def get(self, task_id: str) -> Task | None:
        self._look()
        return self.tasks.get(task_id)

    async def find(self, query: TaskQuery) -> TaskPage:
        found = [
            t
            for t in reversed(self.tasks.values())
            if query.batch_id in {None, t.spec.batch_id}
            and query.user in {None, t.spec.user}
            and (not query.states or t.state in query.states)
        ]
        return TaskPage(tuple(found[: query.limit]))

    async def sweep(self, now: float, limit: int) -> Swept:
        self._look()
        expired = []
        for task in list(self.tasks.values()):
            deadline = task.spec.deadline_at
            if task.state in task_states.IN_QUEUE and deadline and deadline < now:
                expired.append(self._put(task_states.expired(task, now)))
        return Swept(expired=tuple(expired))

    async def next_due(self, now: float) -> float | None:
        self._look()
        open_ = (t for t in self.tasks.values() if t.state not in FINAL)
        return min((_at(t) for t in open_), default=None)

    async def stats(self, now: float) -> QueueStats:
        return QueueStats()

    def listen(self, on_change: Callable[[TaskChange], None]) -> None:
        self._listeners.append(on_change)


def _at(task: Task) -> float:
    if task.state in task_states.IN_WORK:
        return task.lease_until or 0.0
    return task.run_at


def _due(task: Task, now: float) -> bool:
    late = task.spec.deadline_at is not None and task.spec.deadline_at < now
    return task.state not in FINAL and _at(task) <= now and not late
