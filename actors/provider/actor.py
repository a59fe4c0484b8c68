"""The provider actor: a mailbox around ``ProviderState`` and its running calls."""

from functools import partial
from typing import assert_never

import structlog
from msgspec import Struct
from typing_extensions import override

from actors.messages.provider import (
    Attempt,
    BreakerTransition,
    CancelAttempt,
    CheckHealth,
    Failure,
    GetSnapshot,
    Outcome,
    ProbeResult,
    ProviderSnapshot,
    RateLimits,
)
from actors.policy.tokens import estimate_prompt_tokens
from actors.provider import refusals
from actors.provider.call import UpstreamCall
from actors.provider.handle import (
    Absorb,
    Adjust,
    AwaitIdle,
    HandOver,
    Retire,
    SnapshotCell,
)
from actors.provider.probe import probe_completion, probe_models
from actors.provider.settings import ProviderSettings, ProviderTools
from actors.provider.shares import RateShare, limits_rates
from actors.provider.state import ProviderState
from actors.runtime import Actor, Reply, TaskHandle, TimerHandle

SAVE_INTERVAL_S = 5.0
"""How much of its windows and breakers an actor may forget when it dies."""

DISCOVERY_S = 5.0
"""How often a server is looked for that is to be discovered and is not there."""

log = structlog.get_logger()


class ProbeDue(Struct, frozen=True):
    """Timer: the health loop's next turn."""


class SaveDue(Struct, frozen=True):
    """Timer: keep what changed."""


class Crash(Struct, frozen=True):
    """Command for fault injection: fail as a bug would."""


Timer = ProbeDue | SaveDue | Crash
Message = Attempt | CancelAttempt | CheckHealth | GetSnapshot | HandOver | Timer


class ProviderActor(Actor[Message]):
    """Owns one provider's health loop, breakers, windows and calls in flight."""

    def __init__(
        self, settings: ProviderSettings, tools: ProviderTools, cell: SnapshotCell
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._cell = cell
        self._restarts = cell.starts()
        self._state = ProviderState(
            settings, tools.prices, self._on_transition, tools.breaker
        )
        self._calls: dict[str, UpstreamCall] = {}
        self._probe_waiters: list[Reply] = []
        self._probe_task: TaskHandle | None = None
        self._probe_timer: TimerHandle | None = None
        self._idle_waiters: list[Reply] = []
        self._retired = False
        self._saved_version = 0

    # ---- life

    @override
    def on_start(self) -> None:
        now = self.context.now()
        kept = self._tools.keeper.load(self._settings.kept_as)
        if kept is not None and not self._state.restore(kept, now):
            log.warning("provider_state_unreadable", provider=self._settings.name)
        self._cell.bind(lambda: self._state.version, self._snapshot)
        self._probe_in(0.0)
        self.context.call_later(SAVE_INTERVAL_S, SaveDue())

    @override
    def on_stop(self) -> None:
        self._save()
        self._snapshot_last()

    def _snapshot_last(self) -> None:
        self._cell.get()
        self._cell.freeze()

    @override
    def handle(self, message: Message, reply: Reply) -> None:
        match message:
            case Attempt():
                self._attempt(message, reply)
            case CancelAttempt():
                self._cancel(message)
            case CheckHealth():
                self._probe_waiters.append(reply)
                self._start_probe(message.model)
            case GetSnapshot():
                reply.send(self._cell.get())
            case Retire() | AwaitIdle() | Absorb() | Adjust():
                self._hand_over(message, reply)
            case _:
                self._on_timer(message)

    def _on_timer(self, message: Timer) -> None:
        match message:
            case ProbeDue():
                if not self._retired:
                    self._start_probe(None)
                    self._probe_in(self._probe_delay_s())
            case SaveDue():
                self._save()
                self.context.call_later(SAVE_INTERVAL_S, SaveDue())
            case Crash():
                raise RuntimeError("told to crash")
            case _:
                assert_never(message)

    # ---- handing over

    def _hand_over(self, message: HandOver, reply: Reply) -> None:
        match message:
            case Retire():
                self._retired = True
                self._save()
                reply.send(self._state.totals)
            case AwaitIdle():
                self._idle_waiters.append(reply)
                self._tell_if_idle()
            case Absorb():
                self._state.absorb(message.kept, message.final)
            case Adjust():
                self._adjust(message.settings)
            case _:
                assert_never(message)

    def _adjust(self, settings: ProviderSettings) -> None:
        before, self._settings = self._settings, settings
        self._state.adjust(settings)
        was = before.probe, before.probe_interval_s
        if was != (settings.probe, settings.probe_interval_s):
            self._probe_in(self._probe_delay_s() if self._probes(before) else 0.0)

    def _tell_if_idle(self) -> None:
        if not self._calls:
            waiters, self._idle_waiters = self._idle_waiters, []
            for waiter in waiters:
                waiter.send(self._state.totals)

    # ---- attempts

    def _attempt(self, attempt: Attempt, reply: Reply) -> None:
        tokens = 0
        if self._state.counts_tokens(attempt.model):
            tokens = estimate_prompt_tokens(attempt.request, self._settings.kind)
        failure = self._state.admit(
            attempt.attempt_id,
            attempt.model,
            tokens,
            self.context.now(),
            forced=attempt.forced,
        )
        if failure is not None:
            reply.send(self._not_called(attempt, failure))
            return
        call = UpstreamCall(
            attempt,
            self._settings,
            self._tools,
            self.context.backend,
            partial(self._heard, attempt),
        )
        self._calls[attempt.attempt_id] = call
        job = self._run if self._shares() is None else partial(self._shared_run, tokens)
        call.task = self.context.spawn(job(call, attempt, reply), name="call")

    def _shares(self) -> RateShare | None:
        """Where rates are kept together with other daemons, and there are any."""
        return self._tools.shares if limits_rates(self._settings.limits) else None

    async def _shared_run(
        self, tokens: int, call: UpstreamCall, attempt: Attempt, reply: Reply
    ) -> None:
        shares, settings = self._shares(), self._settings
        assert shares is not None
        call_id = attempt.attempt_id
        part = await shares.take(settings.name, settings.limits, call_id, tokens)
        if part.wait_s > 0.0:
            del self._calls[call_id]
            now = self.context.now()
            self._state.withdraw(call_id, attempt.model, tokens, now, part.closed_s)
            failure = refusals.limited(settings.name, part.wait_s)
            reply.send(self._not_called(attempt, failure))
            self._tell_if_idle()
            return
        used: int | None = None
        called = True
        try:
            outcome = await self._run(call, attempt, reply)
            used, called = outcome.usage.total_tokens, outcome.called
        finally:
            shares.settle(call_id, used, called=called)

    async def _run(self, call: UpstreamCall, attempt: Attempt, reply: Reply) -> Outcome:
        outcome = await call.run()
        del self._calls[attempt.attempt_id]
        self._state.settle(
            outcome,
            counted=attempt.counted,
            now=self.context.now(),
            at=self._tools.utc(),
            draw=self._tools.draw(),
        )
        reply.send(outcome)
        self._tell_if_idle()
        return outcome

    def _heard(self, attempt: Attempt, limits: RateLimits) -> None:
        now = self.context.now()
        self._state.heard(attempt.attempt_id, attempt.model, limits, now)

    def _not_called(self, attempt: Attempt, failure: Failure) -> Outcome:
        return Outcome(
            attempt_id=attempt.attempt_id,
            provider=self._settings.name,
            model=attempt.model,
            latency_s=0.0,
            failure=failure,
            called=False,
        )

    def _cancel(self, message: CancelAttempt) -> None:
        call = self._calls.get(message.attempt_id)
        if call is not None:
            call.stop("lost" if message.lost else "cancelled")

    # ---- health

    @staticmethod
    def _probes(settings: ProviderSettings) -> bool:
        return settings.probe != "none" or settings.discover

    def _probe_in(self, delay_s: float) -> None:
        """Probe by itself after so long, in place of when it would have."""
        if self._probe_timer is not None:
            self._probe_timer.cancel()
            self._probe_timer = None
        if self._probes(self._settings):
            self._probe_timer = self.context.call_later(delay_s, ProbeDue())

    def _start_probe(self, model: str | None) -> None:
        if self._probe_task is None:
            self._probe_task = self.context.spawn(self._probe(model), name="probe")

    def _probe_delay_s(self) -> float:
        settings, delay_s = self._settings, self._settings.probe_interval_s
        if settings.discover and not self._state.found:
            delay_s = min(delay_s, DISCOVERY_S)
        # Spread out, so that many providers are not probed in one breath.
        return delay_s * (0.9 + 0.2 * self._tools.draw())

    async def _probe(self, model: str | None) -> None:
        task = self._probe_task
        assert task is not None
        result = await self._ask_for_health(model, task)
        self._probe_task = None
        self._state.probed(result, self.context.now())
        self._tools.on_event(result)
        waiters, self._probe_waiters = self._probe_waiters, []
        for waiter in waiters:
            waiter.send(result)

    async def _ask_for_health(self, model: str | None, task: TaskHandle) -> ProbeResult:
        settings, tools, backend = self._settings, self._tools, self.context.backend
        listing: ProbeResult | None = None
        if settings.discover or settings.probe != "completion":
            listing = await probe_models(settings, tools, backend)
            if settings.probe != "completion" or not listing.healthy:
                return listing
            self._state.probed(listing, self.context.now())
        model = model or self._state.default_model
        if model is None:
            assert listing is not None  # without discovery there is a default
            return listing
        return await probe_completion(settings, tools, backend, model, task)

    def _on_transition(self, transition: BreakerTransition) -> None:
        self._tools.on_event(transition)

    # ---- telling and keeping

    def _snapshot(self) -> ProviderSnapshot:
        return self._state.snapshot(self.context.now(), self._restarts)

    def _save(self) -> None:
        if self._state.version != self._saved_version:
            self._saved_version = self._state.version
            dump = self._state.dump(self.context.now())
            self._tools.keeper.save(self._settings.kept_as, dump)
