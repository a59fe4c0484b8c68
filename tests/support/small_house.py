"""A router and its provider actors on fake transports, in virtual time."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

import anyio

from actors.messages.budgets import BudgetShare
from actors.messages.chat import ChatRequest, Delta, Message
from actors.messages.lifecycle import ActorExited, ActorRestarted
from actors.messages.provider import (
    BreakerTransition,
    ProbeResult,
    ProviderRef,
    ProviderSnapshot,
)
from actors.messages.router import QueueExit
from actors.messages.routing import (
    ErrorInfo,
    RequestRecord,
    RouteHandle,
    RouteRequest,
    RouteResult,
    Started,
)
from actors.policy.breaker_invariants import WatchedBreaker
from actors.policy.pricing import Price, PriceBook
from actors.provider import (
    ProviderActor,
    ProviderHandle,
    ProviderSettings,
    ProviderTools,
    SnapshotCell,
    resumes_as,
)
from actors.provider.shares import RateShare
from actors.router import RouterActor, RouterHandle, RouterSettings, RouterTools
from actors.router.desk import Desk
from actors.runtime import ActorSystem, ChildSpec, SupervisorSpec
from actors.wire.base import Endpoint
from actors.wire.catalogue import dialect_for
from tests.support.fake_transport import FakeTransport

EPOCH = 1_800_000_000.0


class MemoryKeeper:
    """Keeps dumps in memory, as the ledger does over an actor's restart."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def load(self, key: str) -> bytes | None:
        return self.kept.get(key)

    def save(self, key: str, state: bytes) -> None:
        self.kept[key] = state


class MemorySpool:
    """Takes records; fails when told to."""

    def __init__(self) -> None:
        self.records: list[RequestRecord] = []
        self.error: OSError | None = None

    def append(self, record: RequestRecord) -> None:
        if self.error is not None:
            raise self.error
        self.records.append(record)


async def ended(handle: RouteHandle) -> RouteResult | ErrorInfo:
    """Begin this request and wait for its end."""
    outcomes: list[RouteResult | ErrorInfo] = []
    over = anyio.Event()

    def end(outcome: RouteResult | ErrorInfo) -> None:
        outcomes.append(outcome)
        over.set()

    handle.begin(end)
    await over.wait()
    return outcomes[0]


@dataclass
class SmallHouse:
    system: ActorSystem
    router: RouterHandle
    desk: Desk
    refs: dict[str, ProviderRef]
    transports: Mapping[str, FakeTransport]
    spool: MemorySpool
    keeper: MemoryKeeper
    finished: list[RequestRecord] = field(default_factory=list)
    events: list[BreakerTransition | ProbeResult] = field(default_factory=list)
    lives: list[ActorExited | ActorRestarted] = field(default_factory=list)
    queued: list[QueueExit] = field(default_factory=list)

    @property
    def providers(self) -> Mapping[str, ProviderRef]:
        return self.refs

    async def ask(self, **given: object) -> RouteResult | ErrorInfo:
        return await ended(self.router.route(request(**given)))

    async def answer(self, **given: object) -> RouteResult:
        result = await self.ask(**given)
        assert isinstance(result, RouteResult), result
        return result

    async def error(self, **given: object) -> ErrorInfo:
        result = await self.ask(**given)
        assert isinstance(result, ErrorInfo), result
        return result

    async def stream(
        self, **given: object
    ) -> tuple[RouteResult | ErrorInfo, list[Delta], list[Started]]:
        deltas: list[Delta] = []
        started: list[Started] = []
        handle = self.router.route(
            request(stream=True, **given), deltas.append, started.append
        )
        return await ended(handle), deltas, started

    def transitions(self) -> list[tuple[str, str]]:
        return [
            (e.before, e.after) for e in self.events if isinstance(e, BreakerTransition)
        ]

    def snapshot(self, name: str) -> ProviderSnapshot:
        return self.providers[name].snapshot()


_ids = count(1)


def new_id() -> str:
    return f"id-{next(_ids)}"


def request(**given: object) -> RouteRequest:
    """A request; ``prompt`` is a shorthand for a chat of one message."""
    prompt = str(given.pop("prompt", "hello"))
    chat = given.pop("chat", None) or ChatRequest(
        messages=(Message(role="user", content=prompt),)
    )
    return RouteRequest(request_id=new_id(), chat=chat, **given)  # type: ignore[arg-type]  # a test's own words


@asynccontextmanager
async def small_house(
    transports: Mapping[str, FakeTransport],
    *,
    settings: RouterSettings | None = None,
    providers: Mapping[str, ProviderSettings] | None = None,
    keeper: MemoryKeeper | None = None,
    draw: float = 0.5,
    prices: Mapping[str, Price] | None = None,
    shares: RateShare | None = None,
    budget_share: BudgetShare | None = None,
) -> AsyncIterator[SmallHouse]:
    """Providers by name; one is dearer than the one before, so that order is known."""
    spool, keeper = MemorySpool(), keeper or MemoryKeeper()
    finished: list[RequestRecord] = []
    events: list[BreakerTransition | ProbeResult] = []
    lives: list[ActorExited | ActorRestarted] = []
    queued: list[QueueExit] = []
    book = PriceBook(
        overrides=prices
        or {
            name: Price(input=Decimal(rank), output=Decimal(4 * rank))
            for rank, name in enumerate(transports, start=1)
        }
    )
    refs: dict[str, ProviderRef] = {}
    desk = Desk(
        settings or RouterSettings(strategy="cost"),
        RouterTools(
            providers=refs,
            spool=spool,
            keeper=keeper,
            utc=lambda: EPOCH + anyio.current_time(),
            draw=lambda: draw,
            new_id=new_id,
            on_record=finished.append,
            on_queue=queued.append,
            budget_share=budget_share,
            price_of=book.lookup,
        ),
    )
    async with ActorSystem(on_event=lives.append) as system:
        for name, transport in transports.items():
            given = (providers or {}).get(name) or provider(name)
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
                prices=book,
                utc=lambda: EPOCH + anyio.current_time(),
                draw=lambda: draw,
                new_id=new_id,
                keeper=keeper,
                on_event=events.append,
                breaker=WatchedBreaker,
                shares=shares,
            )
            supervisor = system.start(
                SupervisorSpec(
                    id=f"s:{name}",
                    children=(_child(name, given, tools, cell),),
                )
            )
            refs[name] = ProviderHandle(
                supervisor.ref(name),
                cell,
                system.backend,
                resumes_as(given, tools.dialect),
            )
        system.start(
            SupervisorSpec(
                id="routing",
                children=(ChildSpec(id="router", factory=lambda: RouterActor(desk)),),
            )
        )
        yield SmallHouse(
            system=system,
            router=RouterHandle(system.ref("router"), desk),
            desk=desk,
            refs=refs,
            transports=transports,
            spool=spool,
            keeper=keeper,
            finished=finished,
            events=events,
            lives=lives,
            queued=queued,
        )


def _child(
    name: str, given: ProviderSettings, tools: ProviderTools, cell: SnapshotCell
) -> ChildSpec:
    return ChildSpec(id=name, factory=lambda: ProviderActor(given, tools, cell))


def provider(name: str, **given: object) -> ProviderSettings:
    fields: dict[str, object] = {
        "name": name,
        "kind": "compatible",
        "models": ("gpt-4o",),
        "endpoint": Endpoint(base_url=f"http://{name}.test/v1", api_key="key"),
        "probe": "none",
    }
    return ProviderSettings(**(fields | given))  # type: ignore[arg-type]  # a test's own words
