"""Durable tasks, started when first asked for, or when there are some from before."""

import os
import random
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio

from actors.messages.lifecycle import Finding
from actors.messages.provider import DeltaSink
from actors.messages.routing import RouteHandle, RouteRef, RouteRequest, StartSink
from actors.messages.tasks import Performer, Task, TaskChange, TaskKind
from actors.messages.threads import ThreadRecorder
from actors.router.desk import Desk as Routing
from actors.runtime import ActorSystem, ChildSpec, SupervisorSpec
from daemon.answer_checks import AnswerChecks
from daemon.config import Config, QueueConfig
from daemon.ids import utc
from daemon.telemetry import Gauge, Telemetry

if TYPE_CHECKING:
    from actors.messages.notices import NoticeBoard
    from actors.task_queue import Desk, QueueSettings, TaskQueueHandle
    from daemon.storage.redis.link import RedisLink
    from daemon.storage.redis.tasks.store import RedisTasks
    from daemon.storage.tasks.sqlite import SqliteTasks

FILE = "tasks.db"
SHARED_LOOK_S = 1.0
"""How often to look for tasks that other daemons have submitted or given back."""

MAX_LANES = 100
"""Of how many priorities and types the metrics tell: callers invent types."""


class Shared(Protocol):
    """The way to Redis, and where what goes on beside requests runs: ``Sharing``."""

    link: "RedisLink | None"

    def spawn(self, work: Callable[[], Coroutine[object, object, None]]) -> None: ...


class Either:
    """A ``RouteRef``: the router, or consensus where several are to be asked."""

    def __init__(self, router: RouteRef, consensus: RouteRef) -> None:
        self._router = router
        self._consensus = consensus

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None = None,
        on_start: StartSink | None = None,
    ) -> RouteHandle:
        asked = self._router if request.consensus is None else self._consensus
        return asked.route(request, sink, on_start)


@dataclass(frozen=True, slots=True)
class _Around:
    """What the queue is connected with."""

    system: ActorSystem
    router: RouteRef
    routing: Routing
    notes: ThreadRecorder


class Tasks:
    """The queue and what works on it, once it is connected.

    Args:
        config: As loaded.
        state: The state folder.
        sharing: The way to the Redis that is shared, if one is.
        telemetry: Counts tasks.
        notices: Where changes are put up.

    Attributes:
        checks: Holds answers against schemas and patterns.
        performers: Who does the work of which kind; more may be added at any time.
    """

    def __init__(
        self,
        config: Config,
        state: Path,
        sharing: "Shared | None",
        telemetry: Telemetry,
        notices: "NoticeBoard",
    ) -> None:
        self._config = config
        self._state = state
        self._sharing = sharing
        self._telemetry = telemetry
        self._notices = notices
        self.checks = AnswerChecks()
        self.performers: dict[TaskKind, Performer] = {}
        self._around: _Around | None = None
        self._handle: TaskQueueHandle | None = None
        self._desk: Desk | None = None
        self._store: SqliteTasks | RedisTasks | None = None

    def connect(
        self,
        system: ActorSystem,
        router: RouteRef,
        routing: Routing,
        notes: ThreadRecorder,
    ) -> None:
        """Start if there may be tasks from before, else when somebody asks.

        Args:
            system: Where the actor lives, under a supervisor of its own.
            router: Takes what tasks ask.
            routing: Whose rules and tools it shares.
            notes: Where it is noted what becomes of tasks.
        """
        self._around = _Around(system, router, routing, notes)
        if self._shared() is not None or (self._state / FILE).exists():
            self.queue()

    def config(self) -> QueueConfig:
        """The configuration in force."""
        return self._config.queue

    def configure(self, config: Config) -> None:
        """Work by this from now on; what keeps the tasks stays."""
        self._config = config
        if self._desk is not None:
            self._desk.settings = _settings(config)

    def findings(self) -> tuple[Finding, ...]:
        found = () if self._desk is None else self._desk.findings()
        doubt = getattr(self._store, "doubt", None)
        if doubt is None:
            return found
        return (*found, Finding(code="queue_not_durable", values={"error": doubt}))

    def queue(self) -> "TaskQueueHandle":
        """The queue, started if it is not there yet."""
        if self._handle is None:
            assert self._around is not None, "not connected"
            self._handle = self._start(self._around)
        return self._handle

    async def rest(self) -> None:
        """The daemon stops: claim nothing more, give back what is in work."""
        if self._handle is not None:
            await self._handle.give_back()

    def _start(self, around: "_Around") -> "TaskQueueHandle":
        from actors import task_queue  # noqa: PLC0415 - for those who use tasks
        from actors.event_router import Followed  # noqa: PLC0415 - likewise

        tools = around.routing.tools
        self._store = store = self._made()
        store.listen(self._changed)
        store.listen(self._changed_here, own=True)
        asking = task_queue.RequestPerformer(
            around.router,
            partial(candidates, around.routing),
            self.checks,
            tools.new_id,
            utc,
        )
        self.performers["request"] = Followed(asking, tools.new_id, utc)
        self._desk = task_queue.Desk(
            _settings(self._config),
            task_queue.QueueTools(
                store=store,
                performers=self.performers,
                worker=f"{socket.gethostname()}:{os.getpid()}",
                utc=utc,
                draw=random.random,
                on_claimed=self._claimed,
                on_ended=self._ended,
            ),
        )
        desk = self._desk
        child = ChildSpec(
            id="task_queue", factory=lambda: task_queue.TaskQueueActor(desk)
        )
        around.system.start(
            SupervisorSpec(id="tasks", strategy="rest_for_one", children=(child,))
        )
        return task_queue.TaskQueueHandle(around.system.ref("task_queue"), store, utc)

    def _shared(self) -> "RedisLink | None":
        """The way to where the tasks are, if that is not here."""
        if self._sharing is None or self._config.queue.backend != "redis":
            return None
        return self._sharing.link

    def _made(self) -> "SqliteTasks | RedisTasks":
        link = self._shared()
        if link is None:
            from daemon.storage.tasks.sqlite import SqliteTasks  # noqa: PLC0415

            return SqliteTasks(self._state)
        from daemon.storage.redis.tasks.store import RedisTasks  # noqa: PLC0415

        store = RedisTasks(link, replicas=self._config.queue.replicas)
        if self._sharing is not None:
            self._sharing.spawn(partial(store.follow, anyio.sleep))
        return store

    async def close(self) -> None:
        """After the actors have ended: close what keeps the tasks."""
        if self._store is not None:
            await self._store.close()

    # ---- telling

    def counts(self) -> dict[str, int]:
        """How many there are, for ``status``; empty while there is no queue."""
        if self._desk is None:
            return {}
        depths = self._desk.stats.depths
        names = ("queued", "scheduled", "waiting", "in_work", "dead")
        return {name: sum(getattr(d, name) for d in depths) for name in names}

    def in_work(self) -> int:
        """How many this daemon works on now."""
        return 0 if self._desk is None else self._desk.working

    def figures(self) -> tuple[Gauge, Gauge]:
        """How much of each priority and type there is, and how old it is."""
        depths = () if self._desk is None else self._desk.stats.depths[:MAX_LANES]
        found: dict[tuple[str, ...], float] = {}
        oldest: dict[tuple[str, ...], float] = {}
        for each in depths:
            lane = (each.priority, each.kind, each.type)
            for state in ("queued", "scheduled", "waiting", "in_work", "dead"):
                found[(*lane, state)] = getattr(each, state)
            if each.oldest_s is not None:
                oldest[lane] = each.oldest_s
        names = ("priority", "kind", "type")
        return (
            Gauge("task_queue_depth", "Tasks that are kept.", (*names, "state"), found),
            Gauge("task_oldest_seconds", "Age of the oldest due task.", names, oldest),
        )

    def _changed(self, change: TaskChange) -> None:
        self._notices.tell("tasks", f"task_{change.state}", change)

    def _changed_here(self, change: TaskChange) -> None:
        self._telemetry.tasks.add((change.state,))
        if change.thread_id is not None and self._around is not None:
            from daemon.thread_tasks import task_changed  # noqa: PLC0415 - see above

            self._around.notes.tell(lambda: task_changed(change))

    def _claimed(self, task: Task, waited_s: float) -> None:
        self._telemetry.task_wait.observe((task.spec.priority,), waited_s)

    def _ended(self, task: Task, state: str, run_s: float) -> None:
        spec = task.spec
        self._telemetry.task_run.observe((spec.priority,), run_s)
        self._telemetry.task_attempts.add((spec.kind, state))


def candidates(routing: Routing, request: RouteRequest) -> Sequence[str]:
    """Who else may be asked when one's answer will not do: the well ones."""
    if request.provider is not None or "/" in (request.model or ""):
        return ()
    settings = routing.settings
    providers = routing.tools.providers.values()
    found = [each.snapshot() for each in providers]
    well = {each.provider for each in found if each.healthy is not False}
    alias = settings.aliases.get(request.model or "")
    rule = settings.tasks.get(request.task_type or "")
    names = [each.provider for each in found]
    if alias is not None:
        names = [each.partition("/")[0] for each in alias.candidates]
    elif request.model is not None and not request.model.startswith("auto"):
        names = [
            each.provider
            for each in found
            if any(model.model == request.model for model in each.models)
        ]
    elif rule is not None and rule.providers:
        names = list(rule.providers)
    return [name for name in names if name in well]


def _settings(config: Config) -> "QueueSettings":
    from actors.task_queue import QueueSettings  # noqa: PLC0415 - see above

    told = config.queue
    lanes = {
        name: each.concurrency
        for name, each in told.types.items()
        if each.concurrency is not None
    }
    forced = {
        f"@{name}": each.limits.concurrency
        for name, each in config.enabled_providers.items()
        if each.limits.concurrency is not None
    }
    return QueueSettings(
        concurrency=told.concurrency,
        lanes=lanes | forced,
        lease_s=told.lease_s,
        look_s=SHARED_LOOK_S if told.backend == "redis" else None,
    )
