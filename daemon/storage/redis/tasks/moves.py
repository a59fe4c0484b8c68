"""Where a task is looked for, and what brings it from one place to another.

Everything here is commands for ``task_commit.lua``, which runs all of them or none. None
of them may fail: a script that fails half way has done the first half.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from actors.messages.tasks import NewTask, Task, TaskChange
from actors.policy import task_states
from actors.policy.task_states import IN_QUEUE, IN_WORK
from daemon.storage.redis.tasks.news import News
from daemon.storage.redis.tasks.rows import Row, first_fields, group_of, key_of
from daemon.storage.tasks.status import part_of, status_of

Part = str | bytes | int
Sent = str | int | tuple[int]
"""A part as it is sent: bytes go by themselves, and are named by their number."""

GROUP = "gitbridge"
Places = dict[tuple[str, str], str]
"""Set and member, and the score: all but those of a list, by arrival."""

_encode = msgspec.msgpack.Encoder().encode


def _seen(task: Task) -> tuple[object, ...]:
    """What listeners are told of."""
    return task.state, task.progress, task.cancel_wanted


def _lists(spec: NewTask) -> list[str]:
    """Those it is in as long as it is kept."""
    found = ["all", f"tenant:{spec.tenant}"]
    for name in ("user", "batch", "parent"):
        value = getattr(spec, name if name == "user" else f"{name}_id")
        if value is not None:
            found.append(f"{name}:{value}")
    return found


def _timed(task: Task, *, ready: bool) -> dict[str, float]:
    """The sets by time that it is in."""
    found: dict[str, float | None] = {"removals": task_states.remove_at(task)}
    if task.state in IN_WORK:
        found["leases"] = task.lease_until
    if task.state in IN_QUEUE:
        found["deadlines"] = task.spec.deadline_at
        found["wake"] = None if ready else task.run_at
    if task.state == "queued":
        found[f"age:{group_of(task.spec)}"] = task.run_at
    return {name: at for name, at in found.items() if at is not None}


def _places(row: Row, task: Task, *, ready: bool) -> Places:
    member, spec = row.member, task.spec
    found = {(name, member): repr(at) for name, at in _timed(task, ready=ready).items()}
    found[f"state:{task.state}", task.task_id] = str(row.seq)
    if ready and task.state in IN_QUEUE:
        found[f"ready:{spec.priority}:{spec.lane}", member] = row.tag
    return found


def _counts(task: Task, *, ready: bool) -> Iterable[tuple[str, str]]:
    part = part_of(task, ready=ready)
    if part is not None:
        yield "depths", f"{part}|{group_of(task.spec)}"
    if task.state in IN_WORK:
        yield "busy", task.spec.lane


@dataclass(slots=True)
class Change:
    """What one commit does.

    Attributes:
        told: The changes that listeners are told of, new tasks apart.
    """

    base: str
    news: News
    told: list[TaskChange] = field(default_factory=list)
    checks: list[tuple[str, str]] = field(default_factory=list)
    commands: list[tuple[Sent, ...]] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    new: list[dict[str, object]] = field(default_factory=list)
    _bytes: list[bytes] = field(default_factory=list)

    def encoded(self) -> tuple[bytes, ...]:
        """``ARGV``."""
        counts = [(*key, by) for key, by in self.counts.items() if by]
        told = {
            "checks": self.checks,
            "commands": self.commands,
            "counts": counts,
            "new": self.new,
        }
        return (_encode(told), *self._bytes)

    def put(self, row: Row, task: Task, *, ready: bool = False) -> None:
        """Bring it into another state; ``ready`` counts for one that is in the queue."""
        before = _places(row, row.task, ready=row.ready)
        after = _places(row, task, ready=ready)
        self._leave(name for name in before if name not in after)
        for (name, member), score in after.items():
            if before.get((name, member)) != score:
                self._do("ZADD", name, score, member)
            if name.startswith("ready:"):
                self._do("SADD", f"lanes:{task.spec.priority}", task.spec.lane)
        self._count(row, task, ready=ready)
        self._write(row, task, ready=ready)
        if _seen(row.task) != _seen(task):
            self.told.append(task_states.change_of(task))
            self._do("XADD", "changes", *self.news.entry(self.told[-1]))
        if row.entry is not None:
            self._deliver(row, row.entry, task)

    def remove(self, row: Row) -> None:
        """Nothing of it is left."""
        spec, task_id = row.task.spec, row.task.task_id
        self.checks.append((task_id, row.version))
        self._leave(_places(row, row.task, ready=row.ready))
        self._leave((name, task_id) for name in _lists(spec))
        key = key_of(spec)
        if key is not None:
            self._do("HDEL", "keys", key)
        self._count(row, None, ready=False)
        self._do("DEL", f"t:{task_id}")

    def add(self, spec: NewTask) -> None:
        """Keep a new task; it may be claimed at once, unless it is for later."""
        task, ready = task_states.kept(spec), spec.run_at <= spec.created_at
        timed = _timed(task, ready=ready)
        self.new.append(
            {
                "id": spec.task_id,
                "key": key_of(spec),
                "tenant": spec.tenant,
                "digest": spec.digest.hex(),
                "weight": repr(spec.weight),
                "priority": spec.priority,
                "lane": spec.lane,
                "ready": ready,
                "fields": self._sent(first_fields(spec, ready=ready)),
                "listed": [*_lists(spec), f"state:{task.state}"],
                "timed": [(name, repr(at)) for name, at in timed.items()],
                "counts": [(*each, 1) for each in _counts(task, ready=ready)],
                "news": self._sent(self.news.entry(task_states.change_of(task))),
            }
        )

    def _do(self, command: str, name: str, *rest: Part) -> None:
        self.commands.append((command, f"{self.base}:{name}", *self._sent(rest)))

    def _sent(self, parts: Iterable[Part]) -> tuple[Sent, ...]:
        return tuple(self._number(p) if isinstance(p, bytes) else p for p in parts)

    def _number(self, value: bytes) -> tuple[int]:
        self._bytes.append(value)
        return (len(self._bytes) + 1,)

    def _leave(self, places: Iterable[tuple[str, str]]) -> None:
        for name, member in places:
            self._do("ZREM", name, member)

    def _count(self, row: Row, task: Task | None, *, ready: bool) -> None:
        self.counts.subtract(_counts(row.task, ready=row.ready))
        if task is not None:
            self.counts.update(_counts(task, ready=ready))

    def _write(self, row: Row, task: Task, *, ready: bool) -> None:
        name = f"t:{task.task_id}"
        self.checks.append((task.task_id, row.version))
        fields: list[Part] = ["status", status_of(task), "state", task.state]
        fields += ["ready", int(ready and task.state in IN_QUEUE)]
        gone = ["taken"]
        if task.result is None:
            gone.append("result")
        elif task.result != row.task.result:
            fields += ["result", task.result]
        if task.state not in IN_WORK:
            gone.append("entry")
        self._do("HSET", name, *fields)
        self._do("HDEL", name, *gone)
        self._do("HINCRBY", name, "version", 1)

    def _deliver(self, row: Row, entry: str, task: Task) -> None:
        """Acknowledge what was worked; say of the rest that its worker was heard of."""
        stream = f"stream:{task.spec.priority}"
        if task.state not in IN_WORK:
            self._do("XACK", stream, GROUP, entry)
            self._do("XDEL", stream, entry)
        elif task.worker is not None and task.lease_until != row.task.lease_until:
            self._do("XCLAIM", stream, GROUP, task.worker, 0, entry, "JUSTID")
