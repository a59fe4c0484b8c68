"""The store of tasks in Redis; see the package."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, cast

from actors.errors import InternalError, InvalidRequest, QueueUnavailable
from actors.messages.routing import PRIORITIES
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
from actors.policy import task_states
from daemon.storage.redis.scripts import Script, packaged
from daemon.storage.redis.tasks.asked import (
    AT_ONCE,
    check,
    claim_asked,
    is_kept,
)
from daemon.storage.redis.tasks.durable import doubt
from daemon.storage.redis.tasks.finding import Walk
from daemon.storage.redis.tasks.moves import Change
from daemon.storage.redis.tasks.news import News
from daemon.storage.redis.tasks.replies import (
    Committed,
    committed,
    found_of,
    rows_of,
    stats_of,
)
from daemon.storage.redis.tasks.rows import Row, taken_by

TRIES: Final = 20
"""How often to try again when others changed the same tasks meanwhile."""

MEND_IDLE_MS: Final = 600_000
"""Since when nobody must have been heard of before an entry is looked at."""


def _script(name: str) -> Script:
    return packaged("task_common", f"task_{name}")


COMMIT: Final = _script("commit")
CLAIM: Final = _script("claim")
ROWS: Final = _script("rows")
DUE: Final = _script("due")
STATS: Final = _script("stats")
NEXT: Final = _script("next")
MEND: Final = _script("mend")
SERVER: Final = _script("server")
NEWS: Final = _script("news")


class Link(Protocol):
    """The way to Redis: ``RedisLink``."""

    def key(self, *parts: str, tag: str = "all") -> str: ...

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        args: Sequence[bytes | str | int],
        *,
        replicas: int = 0,
    ) -> object: ...


class RedisTasks:
    """``TaskStore`` in Redis: what a method has done is as safe as Redis makes it.

    Args:
        link: The way there; whoever made it closes it.
        replicas: How many of them must have a change before it is said to be kept.

    Attributes:
        doubt: What may lose acknowledged tasks, as the last sweep found.
    """

    def __init__(self, link: Link, *, replicas: int = 0) -> None:
        self._link = link
        self._replicas = replicas
        self.doubt: str | None = None
        self._base = link.key(tag="tasks")
        self._walk = Walk(self._run)
        self._news = News()
        self._held: dict[str, Row] = {}  # in work here, as last seen: one trip less

    async def open(self) -> None:
        await self._run(NEXT)

    async def close(self) -> None: ...

    def listen(
        self, on_change: Callable[[TaskChange], None], *, own: bool = False
    ) -> None:
        self._news.listen(on_change, own=own)

    async def follow(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Hear of what other daemons change, until it is cancelled."""
        await self._news.follow(lambda *args: self._run(NEWS, *args), sleep)

    # ---- submitting

    async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
        for spec in tasks:
            check(spec)
        found: dict[int, Submitted] = {}
        for _ in range(TRIES):
            left = [at for at in range(len(tasks)) if at not in found]
            answer = await self._commit(
                Change(self._base, self._news), [tasks[at] for at in left]
            )
            for place, row in answer.there:
                found[left[place]] = task_states.same(row.task, tasks[left[place]])
            if answer.outcome == "kept":
                for at, same in zip(left, answer.same, strict=True):
                    found[at] = self._kept(tasks[at], same, left, found)
                return tuple(found[at] for at in range(len(tasks)))
        raise _busy()

    def _kept(
        self,
        spec: NewTask,
        same: int | None,
        left: Sequence[int],
        found: dict[int, Submitted],
    ) -> Submitted:
        if same is not None:
            return task_states.same(found[left[same]].task, spec)
        task = task_states.kept(spec)
        self._news.tell((task_states.change_of(task),))
        return Submitted(task)

    async def _commit(self, change: Change, new: Sequence[NewTask]) -> Committed:
        """One script. Raises ``InvalidRequest`` where new ones contradict each other."""
        try:
            for spec in new:
                change.add(spec)
            encoded = change.encoded()
        except (UnicodeError, OverflowError) as error:
            raise InvalidRequest(f"this cannot be kept: {error}") from error
        answer = committed(await self._send(COMMIT, encoded, replicas=self._replicas))
        if answer.outcome == "misfit":
            second, first = answer.misfit
            task_states.same(task_states.kept(new[first]), new[second])
        return answer

    # ---- claiming

    async def claim(self, ask: ClaimAsk) -> tuple[Task, ...]:
        leases = False
        for _ in range(TRIES):
            outcome, *rest = cast(
                "Sequence[object]",
                await self._run(CLAIM, claim_asked(ask, leases=leases), taken_by(ask)),
            )
            if outcome == b"taken":
                rows = found_of(rest[0])
                self._held |= {row.task.task_id: row for row in rows}
                tasks = tuple(row.task for row in rows)
                self._news.tell([task_states.change_of(task) for task in tasks])
                return tasks
            if not leases:
                await self._end_leases(ask.now, AT_ONCE)
                leases = True
            if len(await self._expire(ask.now, AT_ONCE)) == AT_ONCE:
                return ()  # first the rest of them
        raise _busy()

    # ---- working

    async def renew(
        self, leases: Sequence[Lease], now: float, lease_s: float
    ) -> tuple[LeaseState, ...]:
        for _ in range(TRIES):
            rows = await self._rows([lease.task_id for lease in leases])
            change, states = Change(self._base, self._news), list[LeaseState]()
            for row, lease in zip(rows, leases, strict=True):
                self._held.pop(lease.task_id, None)  # of another version from now on
                if row is None or not task_states.holds(row.task, lease):
                    states.append("lost")
                    continue
                change.put(row, task_states.renewed(row.task, now, lease_s))
                states.append("cancel" if row.task.cancel_wanted else "held")
            if (
                not change.checks
                or (await self._commit(change, ())).outcome != "changed"
            ):
                return tuple(states)
        raise _busy()

    async def advance(self, lease: Lease, now: float, progress: str | None) -> bool:
        for _ in range(TRIES):
            row = await self._holding(lease)
            if row is None:
                return False
            change = Change(self._base, self._news)
            task = task_states.advanced(row.task, now, progress)
            change.put(row, task)
            if (await self._commit(change, ())).outcome == "kept":
                self._news.tell(change.told)
                self._held[lease.task_id] = row.after(task)
                return True
        raise _busy()

    async def _holding(self, lease: Lease) -> Row | None:
        """Its row, while it is held; as it was last seen here, the first time.

        If that is stale its version is too: nothing is written, and it is read again.
        """
        row = self._held.pop(lease.task_id, None)
        if row is None or not task_states.holds(row.task, lease):
            (row,) = await self._rows([lease.task_id])
        return row if row is not None and task_states.holds(row.task, lease) else None

    async def finish(self, ending: Ending) -> bool:
        for spec in ending.follow_ups:
            check(spec)
        new = list(ending.follow_ups)
        for _ in range(TRIES):
            row = await self._holding(ending.lease)
            if row is None:
                return False
            change, task = (
                Change(self._base, self._news),
                task_states.ended(row.task, ending),
            )
            change.put(row, task, ready=task.run_at <= ending.now)
            answer = await self._commit(change, new)
            for _, there in answer.there:
                new = [spec for spec in new if not is_kept(there, spec)]
            if answer.outcome == "kept":
                self._news.tell(change.told)
                for spec, same in zip(new, answer.same, strict=True):
                    if same is None:
                        self._news.tell(
                            (task_states.change_of(task_states.kept(spec)),)
                        )
                return True
        raise _busy()

    # ---- callers

    async def cancel(self, task_id: str, now: float) -> Task | None:
        return await self._change(task_id, lambda task: task_states.unwanted(task, now))

    async def retry(self, task_id: str, now: float) -> Task | None:
        return await self._change(
            task_id,
            lambda task: (
                task_states.retried(task, now)
                if task.state in task_states.RETRIED
                else task
            ),
        )

    async def _change(
        self, task_id: str, become: Callable[[Task], Task | None]
    ) -> Task | None:
        """Write what it becomes; ``None`` where that is nothing, or there is no task."""
        for _ in range(TRIES):
            (row,) = await self._rows([task_id])
            task = None if row is None else become(row.task)
            if row is None or task is None or task is row.task:
                return task
            change = Change(self._base, self._news)
            change.put(row, task, ready=task.state == "queued")
            if (await self._commit(change, ())).outcome == "kept":
                self._news.tell(change.told)
                return task
        raise _busy()

    async def get(self, task_id: str) -> Task | None:
        (row,) = await self._rows([task_id])
        return None if row is None else row.task

    async def find(self, query: TaskQuery) -> TaskPage:
        return await self._walk.find(query)

    async def stats(self, now: float) -> QueueStats:
        return stats_of(await self._run(STATS, repr(now), AT_ONCE), now)

    async def next_due(self, now: float) -> float | None:
        del now  # it is the same at any time
        at = await self._run(NEXT)
        return float(at) if isinstance(at, bytes) else None

    # ---- time

    async def sweep(self, now: float, limit: int) -> Swept:
        ended = await self._end_leases(now, limit)
        expired = await self._expire(now, limit - len(ended))
        removed = await self._remove(now, limit - len(ended) - len(expired))
        await self._run(MEND, repr(now), MEND_IDLE_MS, *PRIORITIES)
        self.doubt = doubt(await self._run(SERVER))
        return Swept(
            resumed=tuple(task for task in ended if task.state == "queued"),
            dead=tuple(task for task in ended if task.state == "dead"),
            expired=tuple(expired),
            removed=removed,
            more=len(ended) + len(expired) + removed >= limit,
        )

    async def _end_leases(self, now: float, limit: int) -> list[Task]:
        return await self._put_all(
            "leases", now, limit, lambda task: task_states.lease_over(task, now)
        )

    async def _expire(self, now: float, limit: int) -> list[Task]:
        return await self._put_all(
            "deadlines", now, limit, lambda task: task_states.expired(task, now)
        )

    async def _put_all(
        self, due: str, now: float, limit: int, become: Callable[[Task], Task]
    ) -> list[Task]:
        for _ in range(TRIES):
            rows = await self._due(due, now, limit)
            tasks = [become(row.task) for row in rows]
            change = Change(self._base, self._news)
            for row, task in zip(rows, tasks, strict=True):
                change.put(row, task, ready=True)
            if not rows or (await self._commit(change, ())).outcome == "kept":
                self._news.tell(change.told)
                return tasks
        raise _busy()

    async def _remove(self, now: float, limit: int) -> int:
        for _ in range(TRIES):
            rows = await self._due("removals", now, limit)
            change = Change(self._base, self._news)
            for row in rows:
                change.remove(row)
            if not rows or (await self._commit(change, ())).outcome == "kept":
                return len(rows)
        raise _busy()

    # ---- asking

    async def _due(self, name: str, now: float, limit: int) -> list[Row]:
        if limit <= 0:
            return []
        return found_of(await self._run(DUE, name, repr(now), limit))

    async def _rows(self, task_ids: Sequence[str]) -> list[Row | None]:
        if not task_ids:
            return []
        return rows_of(await self._run(ROWS, *task_ids))

    async def _run(self, script: Script, *args: bytes | str | int) -> object:
        return await self._send(script, args)

    async def _send(
        self, script: Script, args: Sequence[bytes | str | int], *, replicas: int = 0
    ) -> object:
        """A script that fails at what is kept is no reason for the daemon to end."""
        try:
            return await self._link.run(script, (self._base,), args, replicas=replicas)
        except InternalError as error:
            said = f"what Redis keeps of tasks cannot be used: {error.message}"
            raise QueueUnavailable(said) from error


def _busy() -> QueueUnavailable:
    return QueueUnavailable("others change the same tasks all the time")
