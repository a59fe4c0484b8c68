"""The actors of one daemon, wired together: ledger, providers, router."""

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import structlog

from actors.errors import LedgerUnavailable
from actors.ledger import LedgerHandle, LedgerSettings
from actors.messages.ledger import Label
from actors.messages.provider import BreakerTransition, ProbeResult, ProviderRef
from actors.messages.routing import RouteRef
from actors.policy.pricing import PriceBook
from actors.policy.quality import QualityBook
from actors.provider import ProviderSettings, ProviderTools
from actors.router import RouterActor, RouterHandle, RouterTools
from actors.router.desk import Desk
from actors.runtime import ActorSystem, ChildSpec, SupervisorSpec
from actors.transport import AiohttpTransport
from actors.wire.catalogue import dialect_for
from daemon.assembly import (
    price_overrides,
    provider_settings,
    router_settings,
)
from daemon.budgeting import Budgeting, open_budgeting
from daemon.caching import Caching, open_repeats
from daemon.conditions import ConditionWatch
from daemon.config import Config
from daemon.credentials import Credential
from daemon.deliberation import Deliberation
from daemon.events import EventTeller
from daemon.fleet import Change, Connections, Fleet
from daemon.health_log import HealthLog
from daemon.ids import id_maker, utc
from daemon.logs import DirectLog
from daemon.model_facts import embeds
from daemon.notices import Notices
from daemon.price_loader import PriceLoader
from daemon.self_watch import SelfWatch, instruments
from daemon.sharing import Around, Sharing, open_sharing
from daemon.storage.records import Spooled
from daemon.storage.spool import Spool
from daemon.storage.store import Store
from daemon.tasks import Either, Tasks
from daemon.telemetry import Telemetry
from daemon.threads import ThreadBook, Threaded
from daemon.vitals import Vitals

log = structlog.get_logger()


class RecordDesk:
    """Where finished requests go: into the spool, and then the ledger's bell rings."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.wake: Callable[[], None] = lambda: None

    def append(self, record: Spooled) -> None:
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
    """The running actors, and what the process needs of them.

    ``routes`` takes requests and rounds of consensus, and notes what belongs to a
    thread. ``providers`` and ``provider_aliases`` change with ``reconfigure``. Whoever finds
    something wrong tells ``conditions``; whoever has something to tell that happens
    publishes it on ``notices``, a ``NoticeBoard`` (see ``daemon.notices``).
    """

    router: RouterHandle
    routes: RouteRef
    desk: Desk
    caching: Caching
    consensus: Deliberation
    threads: ThreadBook
    tasks: Tasks
    budgeting: Budgeting
    sharing: Sharing
    fleet: Fleet
    provider_aliases: dict[str, str]
    ledger: LedgerHandle
    telemetry: Telemetry
    book: PriceBook
    prices: PriceLoader
    events: EventTeller
    new_id: Callable[[], str]
    system: ActorSystem
    conditions: ConditionWatch
    vitals: Vitals
    self_watch: SelfWatch

    @property
    def notices(self) -> Notices:
        return self.events.notices

    @property
    def providers(self) -> Mapping[str, ProviderRef]:
        return self.fleet.providers

    def depths(self) -> dict[str, int]:
        """Messages waiting in the mailboxes, by actor."""
        depths: dict[str, int] = {}
        for each in self.system.statistics():
            name = each.actor.partition("#")[0]  # one that is leaving counts with it
            depths[name] = depths.get(name, 0) + each.depth
        return depths

    async def reconfigure(
        self,
        config: Config,
        credentials: Mapping[str, Credential],
        simulated: Mapping[str, str],
        on_switch: Callable[[], object],
    ) -> dict[str, Change]:
        """Have the providers and the routing of ``config``.

        Args:
            config: Already checked.
            credentials: The keys, by provider.
            simulated: As for ``open_house``.
            on_switch: Called in the moment in which requests begin to follow it.

        Returns:
            What happened to which provider.
        """
        enabled = config.enabled_providers
        self.prices.include({each.server for each in enabled.values()})

        def switch() -> None:
            self.book.configure(price_overrides(enabled), enabled)
            self.desk.configure(router_settings(config))
            self.consensus.configure(config)
            self.tasks.configure(config)
            self.budgeting.configure(config)
            self.caching.configure(config)
            self.provider_aliases.clear()
            self.provider_aliases.update(config.provider_aliases)
            self.threads.told = config.threads
            self.ledger.retain(
                config.ledger.retention_days, config.threads.retention_days
            )
            on_switch()

        told = _told(config, credentials, simulated)
        changes = await self.fleet.change(told, switch)
        for name, change in changes.items():
            if change == "removed":
                self.events.provider_gone(name)
        return changes


@asynccontextmanager
async def open_house(
    config: Config,
    credentials: Mapping[str, Credential],
    state: Path,
    *,
    simulated: Mapping[str, str],
    direct: DirectLog | None = None,
    masked: Callable[[str], str],
    log_lines_dropped: Callable[[], int],
) -> AsyncIterator[House]:
    """Start every actor; at the end stop them in order, the ledger last.

    Args:
        config: As loaded.
        credentials: The keys, by provider.
        state: The state folder; it exists and is locked.
        simulated: Base URLs of pretend providers, by the name of the one they replace.
        direct: The short way of the lines about requests, where there is one.
        masked: Takes keys out of texts that are kept.
        log_lines_dropped: How many were lost since the start.

    Raises:
        LedgerRefused: The database was made by a newer version.
    """
    async with AsyncExitStack() as stack:
        trouble = Bell()
        spool, store = await _open_books(stack, config, state, trouble)
        records, health_log = RecordDesk(spool), HealthLog(state / "logs")
        vitals = Vitals(str(state))
        new_id = id_maker(utc)
        threads = ThreadBook(config.threads, records.append, new_id, utc, masked)
        events = EventTeller(
            *(Telemetry(), health_log, records, Notices(utc), direct),
            on_thread=threads.decided,
        )
        connections = Connections(lambda name: AiohttpTransport(provider=name))
        stack.push_async_callback(connections.aclose)
        sharing = await stack.enter_async_context(open_sharing(config, state))
        repeats = await stack.enter_async_context(open_repeats(state))
        tasks = Tasks(config, state, sharing, events.telemetry, events.notices)
        stack.push_async_callback(tasks.close)  # when the actors have ended
        system = await stack.enter_async_context(
            ActorSystem(on_event=events.actor_event, on_crash=events.actor_crash)
        )
        ledger = await _start_ledger(system, store, config)
        trouble.listener, records.wake = ledger.spool_trouble, ledger.wake
        budgeting = await open_budgeting(ledger, store, config)
        prices, loader = _load_prices(config, state)
        fleet = Fleet(
            system,
            ledger,
            connections.connect,
            lambda settings, transport, keeper: ProviderTools(
                dialect=dialect_for(settings.kind, prefix=settings.resume == "prefix"),
                transport=transport,
                prices=prices,
                utc=utc,
                draw=random.random,
                new_id=new_id,
                keeper=keeper,
                on_event=lambda event: _tell(event, events, budgeting),
                shares=sharing.rates,
            ),
        )
        fleet.start(_told(config, credentials, simulated))
        desk = Desk(
            router_settings(config),
            RouterTools(
                providers=fleet.providers,
                spool=records,
                keeper=ledger,
                utc=utc,
                draw=random.random,
                new_id=new_id,
                on_record=events.request_finished,
                on_queue=events.telemetry.on_queue,
                price_of=prices.lookup,
                embeds=embeds,
                budget_share=sharing.share_budgets(budgeting.budgets),
            ),
            QualityBook(await _kept_labels(store)),
            budgeting.budgets,
        )
        router, aliases = _start_router(system, desk), dict(config.provider_aliases)
        consensus = Deliberation(
            system, config, router, desk, aliases, notices=events.notices
        )
        caching = Caching(
            *(system, config, Either(router, consensus), desk, repeats),
            simulated=bool(simulated),
            share=sharing.share_answers,
        )
        routes = Threaded(caching, threads)
        tasks.connect(system, routes, desk, threads)
        sharing.connect(Around(fleet.providers, router.in_flight, tasks.in_work))
        yield House(
            router=router,
            routes=routes,
            caching=caching,
            desk=desk,
            consensus=consensus,
            threads=threads,
            tasks=tasks,
            budgeting=budgeting,
            sharing=sharing,
            fleet=fleet,
            provider_aliases=aliases,
            ledger=ledger,
            telemetry=events.telemetry,
            book=prices,
            prices=loader,
            events=events,
            new_id=new_id,
            system=system,
            conditions=ConditionWatch(
                anyio.current_time,
                utc,
                (
                    ledger.findings,
                    loader.findings,
                    health_log.findings,
                    fleet.findings,
                    vitals.findings,
                    tasks.findings,
                    lambda: tuple(budgeting.findings()),
                    sharing.findings,
                ),
                events.notices,
            ),
            vitals=vitals,
            self_watch=SelfWatch(vitals, log_lines_dropped, instruments(state)),
        )


async def _open_books(
    stack: AsyncExitStack, config: Config, state: Path, trouble: Bell
) -> tuple[Spool, Store]:
    """Where records are written down, and what they are folded into."""
    full = config.ledger.sync == "full"
    spool = Spool(state / "spool", sync=full, on_trouble=trouble.ring)
    stack.callback(spool.close)
    store = Store(state, spool, sync=full)
    stack.push_async_callback(store.close)  # also when opening is cancelled
    with suppress(LedgerUnavailable):  # it folds later; only a refusal is final
        await store.open()
    return spool, store


def _load_prices(config: Config, state: Path) -> tuple[PriceBook, PriceLoader]:
    enabled = config.enabled_providers
    prices = PriceBook(overrides=price_overrides(enabled))
    loader = PriceLoader(prices, state, {each.server for each in enabled.values()})
    loader.load_compiled()
    return prices, loader


def _told(
    config: Config,
    credentials: Mapping[str, Credential],
    simulated: Mapping[str, str],
) -> dict[str, ProviderSettings]:
    """What the actors of the enabled providers are told."""
    return {
        name: provider_settings(
            name,
            provider,
            config,
            credentials.get(name),
            simulated_url=simulated.get(name),
        )
        for name, provider in config.enabled_providers.items()
    }


async def _start_ledger(
    system: ActorSystem, store: Store, config: Config
) -> LedgerHandle:
    """Under a supervisor of its own: a database that hiccups kills no request."""
    ledger = LedgerHandle(
        store,
        utc,
        LedgerSettings(
            retention_days=config.ledger.retention_days,
            thread_days=config.threads.retention_days,
        ),
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


async def _kept_labels(store: Store) -> tuple[Label, ...]:
    try:
        return await store.labels()
    except LedgerUnavailable as error:
        log.warning("kept_state_unavailable", error=error.message)
        return ()


def _start_router(system: ActorSystem, desk: Desk) -> RouterHandle:
    system.start(
        SupervisorSpec(
            id="routing",
            children=(ChildSpec(id="router", factory=lambda: RouterActor(desk)),),
        )
    )
    return RouterHandle(system.ref("router"), desk)


def _tell(
    event: BreakerTransition | ProbeResult, events: EventTeller, budgeting: Budgeting
) -> None:
    budgeting.heard(event)
    events.provider_event(event)
