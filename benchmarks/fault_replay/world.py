"""The router and its provider actors on pretend providers, and a trace through them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from random import Random

import anyio
from msgspec.structs import replace

from actors.messages.chat import ChatRequest, Message
from actors.messages.provider import ProviderRef, ProviderSnapshot
from actors.messages.routing import RequestRecord, RouteRequest
from actors.policy.pricing import PriceBook
from actors.provider import (
    ProviderActor,
    ProviderHandle,
    ProviderSettings,
    ProviderTools,
    SnapshotCell,
)
from actors.router import RouterActor, RouterHandle, RouterSettings, RouterTools
from actors.router.desk import Desk
from actors.runtime import (
    ActorSystem,
    ChildSpec,
    SupervisorSpec,
    current_backend,
)
from actors.wire.catalogue import dialect_for
from benchmarks.fault_replay.baselines import RULES, RuleActor, TwoChoicesDesk
from benchmarks.fault_replay.faults import Fault
from benchmarks.fault_replay.figures import Tally
from benchmarks.fault_replay.traces import Arrival, Latencies
from benchmarks.fault_replay.upstream import MODEL, Upstream, prompt_of
from daemon.assembly import provider_settings, router_settings
from daemon.config import (
    Config,
    ProviderConfig,
    RetryConfig,
    RoutingConfig,
    TimeoutsConfig,
)

EPOCH = 1_800_000_000.0


@dataclass(frozen=True)
class Policy:
    """A row: ours with these settings, or the ``rules`` of a baseline."""

    name: str
    hedge: float = 0.0
    retry_budget: float | None = None
    rules: str | None = None


@dataclass(frozen=True)
class Callers:
    """What callers want: at most so many seconds for a call, and for everything."""

    call_s: float = 30.0
    deadline_s: float = 120.0


class Forgetful:
    """Keeps nothing: every run begins knowing nothing."""

    def load(self, key: str) -> bytes | None:
        return None

    def save(self, key: str, state: bytes) -> None: ...


class Counting:
    """A spool that counts what it is given."""

    def __init__(self) -> None:
        self.tally = Tally()

    def append(self, record: RequestRecord) -> None:
        self.tally.add(record)


def config_of(policy: Policy, callers: Callers) -> Config:
    """The shipped configuration with the policy's settings and the callers' patience."""
    retry = RetryConfig()
    if policy.retry_budget is not None:
        retry = replace(retry, budget_ratio=policy.retry_budget)
    routing = RoutingConfig(
        hedge=policy.hedge,
        deadline_s=callers.deadline_s,
        adaptive_first_token=policy.rules is None,
    )
    return Config(routing=routing, retry=retry)


def provider_config(callers: Callers) -> ProviderConfig:
    call_s = callers.call_s
    timeouts = TimeoutsConfig(first_token_s=call_s, idle_s=call_s, total_s=call_s)
    return ProviderConfig(
        kind="compatible",
        base_url="http://provider.test/v1",
        models=(MODEL,),
        timeouts=timeouts,
    )


async def replay(
    policy: Policy,
    arrivals: Sequence[Arrival],
    latencies: Latencies,
    faults: Sequence[Fault],
    *,
    seed: int,
    callers: Callers,
) -> Tally:
    """One trace through one policy. Run it in virtual time."""
    async with world(policy, latencies, faults, seed, callers) as (router, tally):
        over, start = anyio.Event(), anyio.current_time()
        tally.asked = len(arrivals)

        def ended(_: object) -> None:
            tally.told += 1
            if tally.told == tally.asked:
                over.set()

        for number, arrival in enumerate(arrivals):
            await anyio.sleep_until(start + arrival.at_s)
            router.route(_request(number, arrival), _nowhere).begin(ended)
        await over.wait()
        return tally


def _request(number: int, arrival: Arrival) -> RouteRequest:
    prompt = prompt_of(number, arrival.prompt_tokens, arrival.output_tokens)
    return RouteRequest(
        request_id=f"r{number}",
        chat=ChatRequest(messages=(Message(role="user", content=prompt),)),
        stream=True,
        stream_mode="buffered",
    )


def _nowhere(_: object) -> None:
    """Where the deltas go."""


@asynccontextmanager
async def world(
    policy: Policy,
    latencies: Latencies,
    faults: Sequence[Fault],
    seed: int,
    callers: Callers,
) -> AsyncIterator[tuple[RouterHandle, Tally]]:
    """The actors, started; stopped at the end."""
    spool, ids, draws = Counting(), count(), Random(f"draws {seed}")
    config, backend = config_of(policy, callers), current_backend()
    start_s = backend.now()
    provider = provider_config(callers)
    refs: dict[str, ProviderRef] = {}
    tools = RouterTools(
        providers=refs,
        spool=spool,
        keeper=Forgetful(),
        utc=lambda: EPOCH + backend.now(),
        draw=draws.random,
        new_id=lambda: f"i{next(ids)}",
        on_record=_nowhere,
    )
    desk = _desk(policy, router_settings(config), tools, seed)
    async with ActorSystem(backend) as system:
        for name, measured in latencies.items():
            upstream = Upstream(name, measured, faults, seed=seed, start_s=start_s)
            settings = provider_settings(name, provider, config, None)
            cell = _cell(settings)
            given = ProviderTools(
                dialect=dialect_for(settings.kind),
                transport=upstream,
                prices=PriceBook(),
                utc=tools.utc,
                draw=draws.random,
                new_id=tools.new_id,
                keeper=Forgetful(),
                on_event=_nowhere,
            )
            child = ChildSpec(id=name, factory=_actor(policy, settings, given, cell))
            supervisor = system.start(SupervisorSpec(id=f"s:{name}", children=(child,)))
            refs[name] = ProviderHandle(supervisor.ref(name), cell, backend)
        router = ChildSpec(id="router", factory=lambda: RouterActor(desk))
        system.start(SupervisorSpec(id="routing", children=(router,)))
        yield RouterHandle(system.ref("router"), desk), spool.tally


def _cell(settings: ProviderSettings) -> SnapshotCell:
    return SnapshotCell(
        ProviderSnapshot(
            provider=settings.name,
            kind=settings.kind,
            version=-1,
            models=(),
            default_model=settings.default_model,
        )
    )


def _desk(
    policy: Policy, settings: RouterSettings, tools: RouterTools, seed: int
) -> Desk:
    if policy.rules is None:
        return Desk(settings, tools)
    return TwoChoicesDesk(settings, tools, Random(f"choices {seed}"))


def _actor(
    policy: Policy, settings: ProviderSettings, tools: ProviderTools, cell: SnapshotCell
) -> Callable[[], ProviderActor]:
    if policy.rules is None:
        return lambda: ProviderActor(settings, tools, cell)
    rules = RULES[policy.rules]
    quiet = replace(settings, probe="none")
    return lambda: RuleActor(quiet, tools, cell, rules)
