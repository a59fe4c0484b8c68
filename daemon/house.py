"""The actors of one daemon, wired together: ledger, providers, router."""

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from actors.errors import LedgerUnavailable
from actors.ledger import LedgerHandle, LedgerSettings
from actors.messages.lifecycle import Condition
from actors.messages.provider import ProviderRef, ProviderSnapshot
from actors.messages.routing import RequestRecord
from actors.policy.pricing import PriceBook
from actors.provider import (
    ProviderActor,
    ProviderHandle,
    ProviderSettings,
    ProviderTools,
    SnapshotCell,
)
from actors.router import RouterActor, RouterHandle, RouterTools
from actors.router.desk import Desk
from actors.runtime import ActorSystem, ChildSpec, SupervisorSpec
from actors.transport import AiohttpTransport
from actors.wire.catalogue import dialect_for
from daemon.assembly import price_overrides, provider_settings, router_settings
from daemon.config import Config
from daemon.credentials import Credential
from daemon.events import EventTeller
from daemon.health_log import HealthLog
from daemon.ids import id_maker, utc
from daemon.price_loader import PriceLoader
from daemon.storage.spool import Spool
from daemon.storage.store import Store
from daemon.telemetry import Telemetry

log = structlog.get_logger()


class RecordDesk:
    """Where finished requests go: into the spool, and then the ledger's bell rings."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.wake: Callable[[], None] = lambda: None

    def append(self, record: RequestRecord) -> None:
        """See ``RecordSpool``."""
        self._spool.append(record)
        self.wake()


class Bell:
    """Rings the ledger about the spool, once there is a ledger."""

    def __init__(self) -> None:
        self.listener: Callable[[OSError | None], None] = lambda _: None

    def ring(self, error: OSError | None) -> None:
        self.listener(error)


@dataclass(frozen=True, slots=True)
class House:
    """The running actors, and what the process needs of them."""

    router: RouterHandle
    providers: Mapping[str, ProviderRef]
    ledger: LedgerHandle
    telemetry: Telemetry
    prices: PriceLoader
    events: EventTeller
    new_id: Callable[[], str]
    system: ActorSystem

    def conditions(self) -> tuple[Condition, ...]:
        """What an operator should know now."""
        return (*self.ledger.conditions(), *self.prices.conditions())

    def depths(self) -> dict[str, int]:
        """Messages waiting in each actor's mailbox."""
        return {each.actor: each.depth for each in self.system.statistics()}


@asynccontextmanager
async def open_house(
    config: Config,
    credentials: Mapping[str, Credential],
    state: Path,
    *,
    simulated: Mapping[str, str],
) -> AsyncIterator[House]:
    """Start every actor; at the end stop them in order, the ledger last.

    Args:
        config: As loaded.
        credentials: The keys, by provider.
        state: The state folder; it exists and is locked.
        simulated: Base URLs of pretend providers, by the name of the one they replace.

    Raises:
        LedgerRefused: The database was made by a newer version.
    """
    async with AsyncExitStack() as stack:
        full = config.ledger.sync == "full"
        trouble = Bell()
        spool = Spool(state / "spool", sync=full, on_trouble=trouble.ring)
        stack.callback(spool.close)
        store = Store(state, spool, sync=full)
        with suppress(LedgerUnavailable):  # it folds later; only a refusal is final
            await store.open()
        stack.push_async_callback(store.close)
        records = RecordDesk(spool)
        events = EventTeller(Telemetry(), HealthLog(state / "logs"), records)
        transports = await stack.enter_async_context(_transports(config))
        system = await stack.enter_async_context(
            ActorSystem(on_event=events.actor_event, on_crash=events.actor_crash)
        )
        ledger = await _start_ledger(system, store, config)
        trouble.listener = ledger.spool_trouble
        records.wake = ledger.wake
        prices = PriceBook(overrides=price_overrides(config.enabled_providers))
        kinds = {each.server for each in config.enabled_providers.values()}
        loader = PriceLoader(prices, state, kinds)
        loader.load_compiled()
        new_id = id_maker(utc)
        providers = _start_providers(
            system,
            {
                name: provider_settings(
                    name,
                    provider,
                    config,
                    credentials.get(name),
                    simulated_url=simulated.get(name),
                )
                for name, provider in config.enabled_providers.items()
            },
            lambda settings: ProviderTools(
                dialect=dialect_for(settings.kind),
                transport=transports[settings.name],
                prices=prices,
                utc=utc,
                draw=random.random,
                new_id=new_id,
                keeper=ledger,
                on_event=events.provider_event,
            ),
        )
        desk = Desk(
            router_settings(config),
            RouterTools(
                providers=providers,
                spool=records,
                keeper=ledger,
                utc=utc,
                draw=random.random,
                new_id=new_id,
                on_record=events.request_finished,
            ),
        )
        yield House(
            router=_start_router(system, desk),
            providers=providers,
            ledger=ledger,
            telemetry=events.telemetry,
            prices=loader,
            events=events,
            new_id=new_id,
            system=system,
        )


@asynccontextmanager
async def _transports(config: Config) -> AsyncIterator[dict[str, AiohttpTransport]]:
    """One pooled client per provider, closed after the actors have ended."""
    transports = {
        name: AiohttpTransport(provider=name) for name in config.enabled_providers
    }
    try:
        yield transports
    finally:
        for transport in transports.values():
            await transport.aclose()


async def _start_ledger(
    system: ActorSystem, store: Store, config: Config
) -> LedgerHandle:
    """Under a supervisor of its own: a database that hiccups kills no request."""
    ledger = LedgerHandle(
        store,
        utc,
        LedgerSettings(retention_days=config.ledger.retention_days),
        kept=await _kept_states(store),
    )
    system.start(SupervisorSpec(id="bookkeeping", children=(ledger.spec(),)))
    ledger.connect(system.ref("ledger"))
    return ledger


async def _kept_states(store: Store) -> dict[str, bytes]:
    try:
        return await store.states()
    except LedgerUnavailable as error:
        log.warning("kept_state_unavailable", error=error.message)
        return {}


def _start_providers(
    system: ActorSystem,
    settings: Mapping[str, ProviderSettings],
    tools: Callable[[ProviderSettings], ProviderTools],
) -> dict[str, ProviderRef]:
    """One for one, each under a supervisor of its own.

    One that crashes again and again uses up its own restarts; the others are not
    touched before that has happened five times over.
    """
    cells = {name: SnapshotCell(_blank(each)) for name, each in settings.items()}
    supervisor = system.start(
        SupervisorSpec(
            id="providers",
            children=tuple(
                SupervisorSpec(
                    id=f"supervisor:{name}",
                    children=(
                        ChildSpec(
                            id=f"provider:{name}",
                            factory=_provider_factory(each, tools(each), cells[name]),
                        ),
                    ),
                )
                for name, each in settings.items()
            ),
        )
    )
    return {
        name: ProviderHandle(
            supervisor.ref(f"provider:{name}"), cells[name], system.backend
        )
        for name in settings
    }


def _provider_factory(
    settings: ProviderSettings, tools: ProviderTools, cell: SnapshotCell
) -> Callable[[], ProviderActor]:
    return lambda: ProviderActor(settings, tools, cell)


def _blank(settings: ProviderSettings) -> ProviderSnapshot:
    return ProviderSnapshot(
        provider=settings.name,
        kind=settings.kind,
        version=-1,
        models=(),
        default_model=settings.default_model,
        simulated=settings.simulated,
    )


def _start_router(system: ActorSystem, desk: Desk) -> RouterHandle:
    system.start(
        SupervisorSpec(
            id="routing",
            children=(ChildSpec(id="router", factory=lambda: RouterActor(desk)),),
        )
    )
    return RouterHandle(system.ref("router"), desk)
