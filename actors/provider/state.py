"""What a provider actor knows: breakers, windows, limits, totals, health.

Changes only through ``admit``, ``settle`` and ``probed``; no clock, no I/O of its own.
"""

from collections.abc import Callable
from itertools import count

import msgspec
from msgspec.structs import replace

from actors.messages.provider import (
    NO_FIRST_TOKEN,
    BreakerTransition,
    Failure,
    ModelSnapshot,
    Outcome,
    ProbeResult,
    ProviderSnapshot,
    ProviderTotals,
    RateLimits,
)
from actors.policy.breaker import Breaker, Change, Verdict
from actors.policy.limits import Limiter
from actors.policy.pricing import PriceBook
from actors.policy.window import RollingWindow, WindowSummary
from actors.provider import refusals
from actors.provider.kept import ModelDump, ProviderDump, Totals, mean_cost
from actors.provider.listing import Listing
from actors.provider.model_state import ModelState
from actors.provider.settings import ProviderSettings

MAX_MODELS = 256
"""Models asked for by name get a breaker each; a caller cannot grow that for ever."""

QUOTA_PAUSE_S = 60.0
"""An account out of money is asked again once a minute, not once a request."""

OVERLOADED_STATUS = 529
"""Anthropic's word for having no capacity left: too many calls at once."""

_catalogues = count(1)  # one for all providers, so that no two share a number


class ProviderState:
    """Everything a provider's actor decides with."""

    def __init__(
        self,
        settings: ProviderSettings,
        prices: PriceBook,
        on_transition: Callable[[BreakerTransition], None],
        breaker: type[Breaker] = Breaker,
    ) -> None:
        self.settings = settings
        self._prices = prices
        self._on_transition = on_transition
        self._breaker = breaker
        self._models: dict[str, ModelState] = {}
        self._limiter = Limiter(settings.limits)
        self._listing = Listing(settings)
        self._totals = Totals()
        self._auth_refused = False
        self._no_money_until = 0.0
        self._simulated = settings.simulated
        self._probe: ProbeResult | None = None
        self._changes = 0
        self._catalogue = next(_catalogues)
        for model in settings.models:
            self._model(model)

    @property
    def default_model(self) -> str | None:
        """What is asked for when nobody says; ``None`` while no model is known."""
        return self._listing.default

    @property
    def found(self) -> bool:
        """The provider was there when last looked for, with a model."""
        return self._listing.default is not None and self._healthy() is True

    @property
    def version(self) -> int:
        """Grows with every change of what a snapshot shows, prices included."""
        return self._changes + self._prices.version

    def adjust(self, settings: ProviderSettings) -> None:
        """Go on by these, which differ only in what is ``ADJUSTABLE``."""
        self.settings = settings
        for model in self._models.values():
            model.breaker.configure(settings.breaker)
            model.window.resize(settings.metrics_window)
        self._changes += 1

    # ---- deciding

    def admit(  # one answer, three gates
        self, call_id: str, model: str, tokens: int, now: float, *, forced: bool
    ) -> Failure | None:
        """Admit a call, or say why not. Every admitted call must be settled."""
        if now < self._no_money_until:
            return refusals.out_of_money(self.settings.name)
        limiter, name, known = (
            self._limiter,
            self.settings.name,
            self._models.get(model),
        )
        wait_s = known.allowances.would_wait(tokens, now) if known else 0.0
        if wait_s <= 0.0:
            wait_s = limiter.admit(call_id, tokens, now)
        if wait_s > 0.0:
            if limiter.full(now):
                return refusals.full(name, limiter.limit(now))
            return refusals.limited(name, wait_s)
        state = self._model(model)
        if not self._admitted_by_breaker(state, model, call_id, now, forced=forced):
            self._limiter.withdraw(call_id, now)
            wait_s = state.breaker.open_until - now
            return refusals.breaker_open(name, model, wait_s)
        state.allowances.sent(call_id, tokens, now)
        state.in_flight += 1
        self._changes += 1
        return None

    def withdraw(
        self, call_id: str, model: str, tokens: int, now: float, closed_s: float
    ) -> None:
        """An admitted call is not made after all: others have taken the rate."""
        state = self._model(model)
        state.in_flight -= 1
        state.allowances.withdraw(call_id, tokens, now)
        state.breaker.settle(call_id, "neutral", now, 0.0)
        self._limiter.withdraw(call_id, now)
        self._limiter.hold_off(now + closed_s)
        self._changes += 1

    def counts_tokens(self, model: str) -> bool:
        """Whether it matters how many tokens a call to that model takes."""
        state = self._models.get(model)
        learned = state is not None and state.allowances.counts_tokens
        return learned or self.settings.limits.tokens_per_minute is not None

    def heard(self, call_id: str, model: str, limits: RateLimits, now: float) -> None:
        """An answer has begun to an admitted call; what its headers say holds."""
        state = self._models.get(model)
        if state is not None:
            state.allowances.heard(call_id, limits, now)
            self._changes += 1

    def _admitted_by_breaker(
        self, state: ModelState, model: str, call_id: str, now: float, *, forced: bool
    ) -> bool:
        before = state.breaker.phase
        if forced:
            state.breaker.force_admit(call_id, now)
        admitted = forced or state.breaker.admit(call_id, now)
        after = state.breaker.phase
        if before != after:
            self._announce(model, Change(before, after, "open time over"), now)
        return admitted

    def settle(
        self, outcome: Outcome, *, counted: bool, now: float, at: float, draw: float
    ) -> None:
        """Count an admitted call's outcome in breaker, limiter, window and totals."""
        state = self._model(outcome.model)
        state.in_flight -= 1
        state.allowances.ended(outcome.attempt_id)
        failure = outcome.failure
        verdict = self._verdict(state, outcome)
        self._settle_limits(outcome, now)
        change = state.breaker.settle(
            outcome.attempt_id,
            verdict,
            now,
            draw,
            retry_after_s=failure.retry_after_s if failure else None,
            counted=counted,
        )
        if change is not None:
            self._announce(outcome.model, change, now)
        if failure is not None and failure.failure == "auth":
            self._auth_refused = True
        self._simulated |= outcome.simulated
        if verdict not in {"neutral", "limited"} or outcome.completion is not None:
            state.record(outcome, now)
        elif failure is not None and failure.code == NO_FIRST_TOKEN:
            state.window.waited(outcome.latency_s, now)  # another call was faster
        self._totals.count(outcome, at=at)
        self._drop_if_vanished(outcome.model)
        self._drop_if_unknown(outcome, now)
        self._changes += 1

    def _settle_limits(self, outcome: Outcome, now: float) -> None:
        failure, limiter = outcome.failure, self._limiter
        if failure is None:
            limiter.succeeded(now)
            self._no_money_until = 0.0
        elif failure.failure == "rate_limit":
            limiter.overloaded(outcome.attempt_id, now)
            limiter.rate_limited(failure.retry_after_s, now)
        elif failure.status == OVERLOADED_STATUS:
            limiter.overloaded(outcome.attempt_id, now)
        elif failure.failure == "quota":
            self._no_money_until = now + (failure.retry_after_s or QUOTA_PAUSE_S)
        limiter.release(outcome.attempt_id, outcome.usage.total_tokens, now)

    def _verdict(self, state: ModelState, outcome: Outcome) -> Verdict:
        return state.judge(outcome, self.settings.breaker)

    def probed(self, result: ProbeResult, now: float) -> None:
        """Take a health probe's result: it brings half-open forward, never closes.

        One that failed by a fault of ours says nothing about the provider.
        """
        if result.failure is not None and result.failure.owner == "us":
            return
        self._probe = result
        self._simulated |= result.simulated
        if result.listed:
            self._take_list(result)
        if result.healthy:
            self._auth_refused = False
            for name, state in self._models.items():
                change = state.breaker.probe_passed(now)
                if change is not None:
                    self._announce(name, change, now)
        elif result.failure is not None and result.failure.failure == "auth":
            self._auth_refused = True
        self._changes += 1

    def _take_list(self, result: ProbeResult) -> None:
        self._listing.take(result.models)
        for name in self._listing.own:
            self._model(name)
        for name in tuple(self._models):
            self._drop_if_vanished(name)
        self._catalogue = next(_catalogues)

    def _drop_if_vanished(self, name: str) -> None:
        if self._models[name].in_flight == 0 and not self._listing.keeps(name):
            self._drop(name)

    def _drop(self, name: str) -> None:
        del self._models[name]
        self._catalogue = next(_catalogues)

    def _drop_if_unknown(self, outcome: Outcome, now: float) -> None:
        """A name that the provider says it does not have is no model of its."""
        failure, name = outcome.failure, outcome.model
        if failure is None or failure.failure != "model_not_found":
            return
        state = self._models.get(name)
        if state is None or state.in_flight or name in self._listing.own:
            return
        if state.window.summary(now).calls == 0:
            self._drop(name)

    def _announce(self, model: str, change: Change, now: float) -> None:
        self._on_transition(
            BreakerTransition(
                provider=self.settings.name,
                model=model,
                before=change.before,
                after=change.after,
                reason=change.reason,
                at=now,
            )
        )

    def _model(self, name: str) -> ModelState:
        state = self._models.get(name)
        if state is None:
            if len(self._models) >= MAX_MODELS:
                self._forget_one()
            state = self._models[name] = ModelState(
                self._breaker(self.settings.breaker),
                RollingWindow(self.settings.metrics_window),
            )
            self._catalogue = next(_catalogues)
        return state

    def _forget_one(self) -> None:
        """Drop the oldest model that was only asked for by name and is idle."""
        for name, state in self._models.items():
            if state.in_flight == 0 and name not in self._listing.own:
                self._drop(name)
                return

    # ---- telling

    def snapshot(self, now: float, restarts: int) -> ProviderSnapshot:
        """What the router ranks with and what ``status`` shows."""
        windows = [s.window.summary(now) for s in self._models.values()]
        models = tuple(
            self._published(name, state, seen, now)
            for (name, state), seen in zip(self._models.items(), windows, strict=True)
        )
        calls = sum(w.calls for w in windows)
        failures = sum(w.failures for w in windows)
        latency = [(w.latency_avg_s, w.calls) for w in windows]
        weighed = [(a, c) for a, c in latency if a is not None]
        last = self._probe
        free_at, interval_s = self._limiter.pace(now)
        return ProviderSnapshot(
            provider=self.settings.name,
            kind=self.settings.kind,
            version=self.version,
            models=models,
            default_model=self._listing.default,
            catalogue_version=self._catalogue,
            healthy=self._healthy(),
            last_probe=last,
            served=self._listing.served,
            simulated=self._simulated,
            totals=self._totals.published(),
            success_rate=(calls - failures) / calls if calls else None,
            latency_avg_s=(
                sum(a * c for a, c in weighed) / sum(c for _, c in weighed)
                if weighed
                else None
            ),
            cost_per_1k_tokens_usd=mean_cost(windows),
            concurrency_limit=self._limiter.limit(now),
            in_flight=self._limiter.in_flight,
            blocked_until=self._limiter.blocked_until,
            requests_free_at=free_at,
            request_interval_s=interval_s,
            restarts=restarts,
            out_of_money=self._no_money_until > 0.0,
        )

    def _healthy(self) -> bool | None:
        if self._auth_refused:
            return False
        return None if self._probe is None else self._probe.healthy

    def _published(
        self, name: str, state: ModelState, seen: WindowSummary, now: float
    ) -> ModelSnapshot:
        settings = self.settings
        price, source = self._prices.lookup(settings.name, settings.kind, name)
        return replace(
            state.published(settings, name, seen, now),
            blocked_until=max(
                self._limiter.blocked_until, state.allowances.blocked_until
            ),
            provider_in_flight=self._limiter.in_flight,
            concurrency_limit=self._limiter.limit(now),
            input_price=price.input if price else None,
            output_price=price.output if price else None,
            cached_input_price=price.cached_input if price else None,
            price_source=source,
            context_window=self._listing.window(name),
            healthy=self._healthy(),
            auth_refused=self._auth_refused,
        )

    # ---- keeping

    @property
    def totals(self) -> ProviderTotals:
        """Since the first start with this state folder."""
        return self._totals.published()

    def absorb(self, kept: ProviderTotals, final: ProviderTotals) -> None:
        """Count what the actor before did between these two."""
        self._totals.absorb(kept, final)
        self._changes += 1

    def dump(self, now: float) -> bytes:
        """What is kept over a restart; calls in flight are not."""
        kept = ProviderDump(
            models={
                name: ModelDump(state.breaker.dump(now), state.window.dump(now))
                for name, state in self._models.items()
            },
            totals=self._totals.published(),
            limits=self._limiter.dump(now),
        )
        return msgspec.msgpack.encode(kept)

    def restore(self, kept: bytes, now: float) -> bool:
        """Take a dump back; a dump this version cannot read is left aside (False)."""
        try:
            dump = msgspec.msgpack.decode(kept, type=ProviderDump)
        except msgspec.DecodeError:
            return False
        for name, model in dump.models.items():
            breaker = self._breaker.restore(self.settings.breaker, model.breaker, now)
            window = RollingWindow.restore(
                model.window, now, self.settings.metrics_window
            )
            self._models[name] = ModelState(breaker, window)
        self._limiter = Limiter.restore(self.settings.limits, dump.limits, now)
        self._catalogue = next(_catalogues)
        self._totals.restore(dump.totals)
        self._changes += 1
        return True
