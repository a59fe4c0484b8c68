"""The running providers: each an actor under a supervisor, with connections of its own.

They come, change and go while the daemon runs. What has learned nothing that depends on
the change (breaker, timeouts, probes) is told to go on by the new settings. Any other
provider that changed is started anew beside the old one, with what that one knew; from one
moment to the next requests go to the new one, and the old one is stopped when its last call
has ended. Others notice nothing.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from weakref import WeakSet

import anyio
import structlog

from actors.messages.lifecycle import Finding, StateKeeper
from actors.messages.provider import ProviderRef, ProviderSnapshot, ProviderTotals
from actors.policy.provider_conditions import provider_findings
from actors.provider import (
    ProviderActor,
    ProviderHandle,
    ProviderSettings,
    ProviderTools,
    SnapshotCell,
    only_adjusted,
    resumes_as,
)
from actors.runtime import (
    ActorStopped,
    ActorSystem,
    AskTimeout,
    ChildSpec,
    MailboxFull,
    SupervisorSpec,
)
from actors.wire.base import Transport
from daemon.ids import utc
from daemon.model_list import retiring

GRACE_S = 10.0
"""How much longer than its own total timeout a last call is waited for."""

DOWN = (ActorStopped, AskTimeout, MailboxFull)

log = structlog.get_logger()


class Tenure:
    """A ``StateKeeper`` for one actor, which writes nothing once another has begun."""

    def __init__(self, keeper: StateKeeper) -> None:
        self._keeper = keeper
        self.over = False

    def load(self, key: str) -> bytes | None:
        return self._keeper.load(key)

    def save(self, key: str, state: bytes) -> None:
        """See ``StateKeeper``."""
        if not self.over:
            self._keeper.save(key, state)


@dataclass(slots=True, eq=False)
class Told:
    """What a provider's actor was told last: it starts by that again after a crash."""

    settings: ProviderSettings


@dataclass(slots=True, eq=False)
class Running:
    """A provider's actor. ``kept``: its totals when the next one took over."""

    told: Told
    supervisor: str
    handle: ProviderHandle
    transport: Transport
    tenure: Tenure
    kept: ProviderTotals | None = None

    @property
    def settings(self) -> ProviderSettings:
        return self.told.settings

    def adjust(self, settings: ProviderSettings) -> None:
        """Have the actor go on by these."""
        self.told.settings = settings
        self.handle.adjust(settings)


Change = Literal["added", "changed", "adjusted", "removed", "failed"]
MakeTools = Callable[[ProviderSettings, Transport, StateKeeper], ProviderTools]


class Fleet:
    """Every provider. The system stops those that are left.

    Args:
        system: Where the actors live.
        keeper: What keeps their state over restarts.
        connect: Makes the transport of the provider of that name.
        make_tools: Everything else they are given.

    Attributes:
        providers: Their handles by name, as of now: the mapping itself changes.
    """

    def __init__(
        self,
        system: ActorSystem,
        keeper: StateKeeper,
        connect: Callable[[str], Transport],
        make_tools: MakeTools,
    ) -> None:
        self._keeper = keeper
        self._connect = connect
        self._make_tools = make_tools
        self._backend = system.backend
        self._supervisor = system.start(SupervisorSpec(id="providers"))
        self._starts: dict[str, int] = {}
        self._running: dict[str, Running] = {}
        self._leaving: list[Running] = []
        self._changing = anyio.Lock()
        self.providers: dict[str, ProviderRef] = {}

    def start(self, wanted: Mapping[str, ProviderSettings]) -> None:
        """The first providers; raises whatever keeps one from starting."""
        self._switch({name: self._start(each) for name, each in wanted.items()})

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with them, or will be."""
        snapshots = [each.snapshot() for each in self.providers.values()]
        today = datetime.fromtimestamp(utc(), UTC).date()
        return (
            *provider_findings(snapshots, anyio.current_time()),
            *retiring(snapshots, today),
        )

    async def change(
        self,
        wanted: Mapping[str, ProviderSettings],
        on_switch: Callable[[], object] = lambda: None,
    ) -> dict[str, Change]:
        """Have these providers, in this order, and no others.

        Args:
            wanted: What is equal to what runs is not touched.
            on_switch: Called in the moment in which requests begin to go to the new
                ones; nothing else runs in between.

        Returns:
            What happened to which provider; one that ``failed`` to start is left out.
        """
        async with self._changing:
            changes: dict[str, Change] = {}
            after: dict[str, Running] = {}
            for name, settings in wanted.items():
                running = self._running.get(name)
                if running is not None and only_adjusted(running.settings, settings):
                    if running.settings != settings:
                        changes[name] = "adjusted"
                else:
                    changes[name] = "changed" if running else "added"
                    running = await self._succeed(settings)
                if running is None:
                    changes[name] = "failed"
                else:
                    after[name] = running
            changes |= dict.fromkeys(self._running.keys() - wanted, "removed")
            self._switch(after)
            for name, change in changes.items():
                if change == "adjusted":
                    after[name].adjust(wanted[name])
            on_switch()
            return changes

    async def _succeed(self, settings: ProviderSettings) -> Running | None:
        """Start a provider with what any actor of it before has known."""
        for before in self._of(settings.name):
            await self._retire(before)
            before.tenure.over = True
        try:
            return self._start(settings)
        except Exception:
            log.exception("provider_not_started", provider=settings.name)
            return None

    def _of(self, name: str) -> list[Running]:
        """The actors of a provider that may still have calls, the newest last."""
        current = self._running.get(name)
        before = [each for each in self._leaving if each.settings.name == name]
        return [*before, *([current] if current else [])]

    def _switch(self, after: dict[str, Running]) -> None:
        before, self._running = self._running, after
        handles = {name: each.handle for name, each in after.items()}
        self.providers.clear()
        self.providers.update(handles)
        for name, running in before.items():
            if after.get(name) is not running:
                self._leaving.append(running)
                self._see_off(running)

    def rest(self) -> None:
        """Probe nobody any more: the daemon ends. Calls go on."""
        for running in self._running.values():
            running.handle.rest()

    # ---- one provider

    def _start(self, settings: ProviderSettings) -> Running:
        name = settings.name
        self._starts[name] = count = self._starts.get(name, 0) + 1
        # Names are unique in the system, and the one before may still be leaving.
        suffix = f"#{count}" if count > 1 else ""
        transport, tenure = self._connect(name), Tenure(self._keeper)
        tools = self._make_tools(settings, transport, tenure)
        cell, told = SnapshotCell(_blank(settings)), Told(settings)
        actor = ChildSpec(
            id=f"provider:{name}{suffix}",
            factory=lambda: ProviderActor(told.settings, tools, cell),
        )
        # One that crashes again and again uses up its own restarts; the others are not
        # touched before that has happened five times over.
        spec = SupervisorSpec(id=f"supervisor:{name}{suffix}", children=(actor,))
        ref = self._supervisor.add_supervisor(spec).ref(actor.id)
        resuming = resumes_as(settings, tools.dialect)
        handle = ProviderHandle(ref, cell, self._backend, resuming)
        return Running(told, spec.id, handle, transport, tenure)

    async def _retire(self, running: Running) -> None:
        with suppress(*DOWN):
            running.kept = await running.handle.retire()

    def _see_off(self, running: Running) -> None:
        def on_error(error: BaseException) -> None:
            name = running.settings.name
            log.error("provider_not_stopped", provider=name, exc_info=error)

        leaving = self._leave(running)
        self._backend.spawn(leaving, name="leaving", on_error=on_error)

    async def _leave(self, running: Running) -> None:
        """Wait for the last call; stop the actor; close its connections."""
        if not running.tenure.over:
            await self._retire(running)
        final: ProviderTotals | None = None
        patience_s = running.settings.timeouts.total_s + GRACE_S
        with suppress(*DOWN):
            final = await running.handle.idle(patience_s)
        with suppress(LookupError):
            await self._supervisor.remove_child(running.supervisor)
        self._leaving.remove(running)
        await running.transport.aclose()
        after = self._running.get(running.settings.name)
        if running.tenure.over and after and running.kept and final:
            after.handle.absorb(running.kept, final)


class Connections:
    """The transports that are open; what is left is closed with the house."""

    def __init__(self, make: Callable[[str], Transport]) -> None:
        self._make = make
        self._open: WeakSet[Transport] = WeakSet()

    def connect(self, provider: str) -> Transport:
        """The transport for a provider of that name."""
        transport = self._make(provider)
        self._open.add(transport)
        return transport

    async def aclose(self) -> None:
        for transport in tuple(self._open):
            await transport.aclose()


def _blank(settings: ProviderSettings) -> ProviderSnapshot:
    return ProviderSnapshot(
        provider=settings.name,
        kind=settings.kind,
        version=-1,
        models=(),
        default_model=settings.default_model,
        simulated=settings.simulated,
    )
