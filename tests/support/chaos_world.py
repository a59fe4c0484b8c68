"""A router and its providers on chaotic transports, and a schedule drawn from a seed.

Callers come, leave and interrupt; providers die, hang, limit and lie; actors crash; the
wall clock jumps, the spool fails, the strategy changes; and in the end the house is
stopped in the middle of it, or left to finish. ``invariants`` watches all of it.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random

import anyio
from structlog.testing import capture_logs
from typing_extensions import override

from actors.messages.chat import ChatRequest, Message
from actors.messages.lifecycle import ActorExited, ActorRestarted
from actors.messages.provider import ProviderRef, ProviderSnapshot
from actors.messages.routing import RequestRecord, RouteHandle, RouteRequest
from actors.policy.attempts import RetryConfig
from actors.policy.breaker import BreakerConfig
from actors.policy.breaker_invariants import WatchedBreaker
from actors.policy.limits import LimitConfig
from actors.policy.pricing import Price, PriceBook
from actors.provider import (
    ProviderActor,
    ProviderHandle,
    ProviderSettings,
    ProviderTools,
    SnapshotCell,
)
from actors.provider.actor import Crash
from actors.router import RouterActor, RouterHandle, RouterSettings, RouterTools
from actors.router.desk import Desk
from actors.router.messages import RouterMessage
from actors.runtime import (
    ActorRef,
    ActorStopped,
    ActorSystem,
    AskTimeout,
    Backend,
    ChildSpec,
    Reply,
    SupervisorSpec,
    current_backend,
)
from actors.wire.base import Timeouts
from actors.wire.catalogue import dialect_for
from tests.support.chaos_transport import MOODS, ChaosTransport
from tests.support.invariants import Story, Watch
from tests.support.small_house import EPOCH, MemoryKeeper, MemorySpool, provider

STRATEGIES = (
    "cost",
    "performance",
    "availability",
    "hybrid",
    "round_robin",
    "priority",
)
NAMES = ("ant", "bee", "cat", "dog")
CRASH_GAP_S = 10.0
"""More often, and a supervisor gives up, which is another story."""


class Turns:
    """Calls the watch of the world that runs now; handed to the loop."""

    def __init__(self) -> None:
        self.watch: Watch | None = None

    def __call__(self) -> None:
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.turn()  # raises at most once: what follows is only the way out
            self.watch = watch


class CrashingRouter(RouterActor):
    """The router, and a message on which it crashes."""

    @override
    def handle(self, message: RouterMessage | Crash, reply: Reply) -> None:
        if isinstance(message, Crash):
            raise TypeError("told to crash")
        super().handle(message, reply)


class WatchedSpool(MemorySpool):
    """Tells the watch of every record, even those that could not be written."""

    def __init__(self, watch: Callable[[], Watch]) -> None:
        super().__init__()
        self._watch = watch

    @override
    def append(self, record: RequestRecord) -> None:
        self._watch().recorded(record)
        if self.error is not None:
            raise self.error


@dataclass
class Plan:
    """A schedule: how many steps, how long they are apart (seconds, by chance).

    ``hedge`` is the share of hedges; by chance when it is left out.
    """

    steps: int
    gaps_s: tuple[float, ...]
    providers: int
    calm_end: bool
    hedge: float | None = None


def small_plan(draws: Random) -> Plan:
    return Plan(
        steps=draws.randint(4, 10),
        gaps_s=(0.0, 0.0, 0.01, 0.5, 3.0, 20.0),
        providers=draws.randint(2, 3),
        calm_end=draws.random() < 0.7,
    )


@dataclass
class ChaosWorld:
    """Everything there is. ``wall_s`` is what the wall clock is off by, in seconds."""

    draws: Random
    system: ActorSystem
    backend: Backend
    desk: Desk
    watch: Watch
    transports: dict[str, ChaosTransport]
    refs: dict[str, ProviderRef]
    spool: WatchedSpool
    wall_s: float = 0.0
    handles: dict[str, RouteHandle] = field(default_factory=dict)
    router: RouterHandle | None = None
    untold: int = 0
    all_told: anyio.Event = field(default_factory=anyio.Event)
    last_crash: float = -CRASH_GAP_S
    ids: count = field(default_factory=lambda: count(1))  # type: ignore[type-arg]  # of int

    # ---- what may happen

    def ask(self) -> None:
        draws, backend = self.draws, self.backend
        streamed = draws.random() < 0.6
        request_id = f"r{next(self.ids)}"
        request = RouteRequest(
            request_id=request_id,
            chat=ChatRequest(messages=(Message(role="user", content=request_id),)),
            stream=streamed,
            stream_mode=draws.choice((None, "passthrough", "buffered", "resume")),
            deadline_s=draws.choice((None, 0.3, 5.0, 30.0)),
            provider=draws.choice((*self.refs, *(None,) * 12)),
            model=draws.choice(("gpt-4o", "nobody-has-it", *(None,) * 20)),
            priority=draws.choice(("high", "normal", "low")),
            user=draws.choice(("ann", "bob", None)),
            durable=draws.random() < 0.1,
            strategy=draws.choice((*STRATEGIES, None, None)),  # type: ignore[arg-type]  # of names
            budget_usd=draws.choice((Decimal("0.0001"), *(None,) * 9)),
        )
        longest_s = self.desk.settings.deadline_s
        allowed_s = min(request.deadline_s or longest_s, longest_s)
        story = Story(request, backend.now(), allowed_s)
        self.watch.asked(story)
        assert self.router is not None
        handle = self.router.route(
            request, lambda delta: self.watch.piece(story, delta, backend.now())
        )
        self.handles[request_id] = handle
        self.untold += 1
        handle.begin(partial(self._ended, story))

    def _ended(self, story: Story, outcome: object) -> None:
        self.watch.ended(story, outcome, self.backend.now())  # type: ignore[arg-type]  # as EndSink says
        self.handles.pop(story.request.request_id, None)
        self.untold -= 1
        if not self.untold:
            self.all_told.set()

    def leave(self) -> None:
        """A caller leaves, or is cut off because the daemon drains."""
        if not self.handles:
            return
        name = self.draws.choice(tuple(self.handles))
        story = self.watch.stories[name]
        if story.cancelled_at is None:
            story.cancelled_at = self.backend.now()
        self.handles[name].cancel(interrupted=self.draws.random() < 0.3)

    def interrupt_all(self) -> None:
        for name, handle in tuple(self.handles.items()):
            story = self.watch.stories[name]
            story.cancelled_at = story.cancelled_at or self.backend.now()
            handle.cancel(interrupted=True)

    def crash(self) -> None:
        now = self.backend.now()
        if now - self.last_crash < CRASH_GAP_S:
            return
        self.last_crash = now
        name = self.draws.choice((*self.refs, "router"))
        self.watch.told_to_crash += self.system.ref(name).tell(Crash())

    def mood(self) -> None:
        name = self.draws.choice(tuple(self.transports))
        self.transports[name].mood = self.draws.choice(tuple(MOODS))

    def recover(self) -> None:
        for transport in self.transports.values():
            transport.mood = "well"

    def look(self) -> None:
        for ref in self.refs.values():
            ref.snapshot()
        self.watch.mailboxes()

    def probe(self) -> None:
        name = self.draws.choice(tuple(self.refs))
        self.backend.spawn(_probe(self.refs[name]), name="probe")

    def jump(self) -> None:
        """The wall clock is set; the loop's own goes on."""
        self.wall_s += self.draws.choice((-86_400.0, -1.0, 1.0, 3600.0))

    def spool_fails(self) -> None:
        self.spool.error = self.draws.choice((None, OSError("no space left")))

    def strategy(self) -> None:
        chosen = self.draws.choice((*STRATEGIES, None))
        assert self.router is not None
        change = self.router.set_strategy(chosen)  # type: ignore[arg-type]  # of names
        self.backend.spawn(_unless_down(change), name="strategy")

    def step(self) -> None:
        action = self.draws.choices(ACTIONS, WEIGHTS)[0]
        action(self)


ACTIONS: tuple[Callable[[ChaosWorld], None], ...] = (
    ChaosWorld.ask,
    ChaosWorld.leave,
    ChaosWorld.mood,
    ChaosWorld.recover,
    ChaosWorld.crash,
    ChaosWorld.look,
    ChaosWorld.probe,
    ChaosWorld.jump,
    ChaosWorld.spool_fails,
    ChaosWorld.strategy,
    ChaosWorld.interrupt_all,
)
WEIGHTS = (55, 12, 8, 3, 4, 3, 4, 3, 2, 3, 1)


async def _probe(ref: ProviderRef) -> None:
    await _unless_down(ref.check_health())


async def _unless_down(awaited: Awaitable[object]) -> None:
    with suppress(ActorStopped, AskTimeout):
        await awaited


async def play(seed: int, plan: Plan | None, turns: Turns) -> Watch:
    """One schedule from its beginning to its quiet end.

    Raises:
        BrokenInvariant: What must hold did not.
    """
    draws = Random(f"chaos {seed}")
    plan = plan or small_plan(draws)
    with capture_logs() as logs:
        watch = await _play(draws, plan, turns)
        for entry in logs:
            watch.logged(entry)
        watch.turn()
        return watch


async def _play(draws: Random, plan: Plan, turns: Turns) -> Watch:
    backend = current_backend()
    world = _world(draws, plan, backend)
    turns.watch = watch = world.watch
    async with world.system:
        _start(world)
        for _ in range(plan.steps):
            world.step()
            gap_s = draws.choice(plan.gaps_s)
            if gap_s > 0.0:
                await anyio.sleep(gap_s)
            elif draws.random() < 0.5:
                await anyio.lowlevel.checkpoint()
        if plan.calm_end:
            await _told(world)
            await anyio.sleep(1.0)  # what was cancelled ends
            watch.quiet(backend.now(), stopped=False)
    await _told(world)
    turns.watch = None
    watch.quiet(backend.now(), stopped=True)
    return watch


async def _told(world: ChaosWorld) -> None:
    while world.untold:
        world.all_told = anyio.Event()
        await world.all_told.wait()


def _world(draws: Random, plan: Plan, backend: Backend) -> ChaosWorld:
    names = NAMES[: plan.providers]
    transports = {name: ChaosTransport(draws) for name in names}
    refs: dict[str, ProviderRef] = {}
    world: ChaosWorld
    ids = count(1)
    spool = WatchedSpool(lambda: world.watch)
    desk = Desk(
        _router_settings(draws, plan.hedge),
        RouterTools(
            providers=refs,
            spool=spool,
            keeper=MemoryKeeper(),
            utc=lambda: EPOCH + backend.now() + world.wall_s,
            draw=lambda: draws.choice((0.0, 0.999999, draws.random(), draws.random())),
            new_id=lambda: f"id-{next(ids)}",
            on_record=lambda _: None,
        ),
    )

    def heard(event: ActorExited | ActorRestarted) -> None:
        world.watch.heard(event)

    def crashed(name: str, error: BaseException) -> None:
        world.watch.crashed(name, error)

    system = ActorSystem(backend, on_event=heard, on_crash=crashed)
    watch = Watch(system, desk, transports, backend.now())
    world = ChaosWorld(draws, system, backend, desk, watch, transports, refs, spool)
    return world


def _router_settings(draws: Random, hedge: float | None) -> RouterSettings:
    return RouterSettings(
        strategy="hybrid",
        retry=RetryConfig(
            max_attempts=draws.choice((1, 2, 4, 6)),
            base_delay_s=draws.choice((0.0, 1.0)),
            adaptive_first_token=draws.random() < 0.8,
            content_filter_fallback=draws.random() < 0.5,
        ),
        retry_budget_ratio=draws.choice((0.0, 0.1, 1.0)),
        retry_budget_min_per_s=draws.choice((0.0, 1.0)),
        hedge=draws.choice((0.0, 0.05, 1.0)) if hedge is None else hedge,
        deadline_s=draws.choice((20.0, 60.0)),
        max_in_flight=draws.choice((2, 1024, 1024)),
        max_waiting=draws.choice((0, 2, 1024)),
    )


def _provider_settings(name: str, draws: Random) -> ProviderSettings:
    total_s = draws.choice((10.0, 60.0))
    return provider(
        name,
        models=draws.choice((("gpt-4o",), ("gpt-4o", "gpt-4o-mini"))),
        timeouts=Timeouts(
            first_token_s=draws.choice((2.0, 10.0)),
            idle_s=draws.choice((2.0, 10.0)),
            total_s=total_s,
        ),
        breaker=BreakerConfig(permit_lease_s=total_s + 1.0),
        limits=LimitConfig(
            concurrency=draws.choice((None, None, None, 1, 3)),
            requests_per_minute=draws.choice((None, None, None, 30.0)),
            tokens_per_minute=draws.choice((None, None, None, 1000.0)),
        ),
        probe=draws.choice(("none", "models")),
        probe_interval_s=draws.choice((10.0, 60.0)),
    )


def _start(world: ChaosWorld) -> None:
    prices = PriceBook(
        overrides={
            name: Price(input=Decimal(rank), output=Decimal(4 * rank))
            for rank, name in enumerate(world.transports, start=1)
            if world.draws.random() < 0.8
        }
    )
    for name, transport in world.transports.items():
        given = _provider_settings(name, world.draws)
        cell = SnapshotCell(
            ProviderSnapshot(
                provider=name,
                kind=given.kind,
                version=-1,
                models=(),
                default_model=given.default_model,
            )
        )
        tools = ProviderTools(
            dialect=dialect_for(given.kind),
            transport=transport,
            prices=prices,
            utc=world.desk.tools.utc,
            draw=world.desk.tools.draw,
            new_id=world.desk.tools.new_id,
            keeper=world.desk.tools.keeper,
            on_event=lambda _: None,
            breaker=WatchedBreaker,
        )
        make = partial(_actor, world, given, tools, cell)
        supervisor = world.system.start(
            SupervisorSpec(id=f"s:{name}", children=(ChildSpec(id=name, factory=make),))
        )
        ref: ActorRef[object] = supervisor.ref(name)
        world.refs[name] = ProviderHandle(ref, cell, world.backend)
    router = ChildSpec(id="router", factory=partial(_router, world))
    world.system.start(SupervisorSpec(id="routing", children=(router,)))
    world.router = RouterHandle(world.system.ref("router"), world.desk)


def _actor(
    world: ChaosWorld,
    settings: ProviderSettings,
    tools: ProviderTools,
    cell: SnapshotCell,
) -> ProviderActor:
    actor = ProviderActor(settings, tools, cell)
    world.watch.actors[settings.name] = actor
    return actor


def _router(world: ChaosWorld) -> RouterActor:
    world.watch.router = CrashingRouter(world.desk)
    return world.watch.router
