"""Other projects' breaker rules, with P2C over latency x calls in flight as the choice.

Their trigger rules are written anew from their documentation and source, to run in the
same actors as ours: neither library is run here. A 429 counts as a failure, as it does
in a plain client around which such a breaker stands, and nobody waits for a limiter.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from random import Random
from typing import NamedTuple, Protocol

from typing_extensions import override

from actors.messages.provider import BreakerPhase, Outcome
from actors.messages.routing import RankedCandidate
from actors.policy.breaker import Breaker, BreakerConfig, Change, Verdict
from actors.policy.measures import Measured
from actors.policy.scoring import Ranking, RankInput
from actors.provider import (
    ProviderActor,
    ProviderSettings,
    ProviderTools,
    SnapshotCell,
)
from actors.provider.model_state import ModelState
from actors.provider.state import ProviderState
from actors.router import RouterSettings, RouterTools
from actors.router.desk import Desk
from actors.router.lookup import Found


class Trigger(Protocol):
    """When a closed breaker opens."""

    def add(self, now: float, *, failed: bool) -> bool:
        """Count an outcome; true when it opens the breaker."""

    def clear(self) -> None: ...


class Never:
    """No breaker."""

    def add(self, now: float, *, failed: bool) -> bool:
        return False

    def clear(self) -> None: ...


class InARow:
    """So many failures without a success between them."""

    def __init__(self, failures: int) -> None:
        self._limit = failures
        self._streak = 0

    def add(self, now: float, *, failed: bool) -> bool:
        self._streak = self._streak + 1 if failed else 0
        return self._streak >= self._limit

    def clear(self) -> None:
        self._streak = 0


class ShareOf:
    """A share of failures among the last calls, or those of the last seconds."""

    def __init__(
        self, share: float, *, at_least: int, calls: int | None, seconds: float
    ) -> None:
        self._share = share
        self._at_least = at_least
        self._seconds = seconds
        self._ring: deque[tuple[float, bool]] = deque(maxlen=calls)

    def add(self, now: float, *, failed: bool) -> bool:
        self._ring.append((now, failed))
        while now - self._ring[0][0] >= self._seconds:
            self._ring.popleft()
        count = len(self._ring)
        failures = sum(failed for _, failed in self._ring)
        return count >= self._at_least and failures >= self._share * count

    def clear(self) -> None:
        self._ring.clear()


class Rules(NamedTuple):
    """A breaker: its trigger, its open time, and how it closes again.

    ``probes`` calls are let through at a time when half-open, all of which decide; 0:
    it closes when its time is over.
    """

    trigger: Callable[[], Trigger]
    open_s: float = 0.0
    probes: int = 0
    probe_share: float = 0.5


RULES: dict[str, Rules] = {
    "none": Rules(Never),
    "cooldown": Rules(lambda: InARow(3), open_s=5.0),
    "five_in_a_row": Rules(lambda: InARow(5), open_s=30.0, probes=1),
    # CircuitBreakerConfig.java: COUNT_BASED 100, minimum 100, 50 %, 60 s, 10 calls
    "resilience4j": Rules(
        lambda: ShareOf(0.5, at_least=100, calls=100, seconds=inf),
        open_s=60.0,
        probes=10,
    ),
    # CircuitBreakerStrategyOptions: 0.1 over 30 s, throughput 100, break 5 s
    "polly": Rules(
        lambda: ShareOf(0.1, at_least=100, calls=None, seconds=30.0),
        open_s=5.0,
        probes=1,
    ),
}


class RuleBreaker(Breaker):
    """A breaker by ``Rules``, in the place of ours."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(BreakerConfig())
        self._rules = rules
        self._trigger = rules.trigger()
        self._state: BreakerPhase = "closed"
        self._until = 0.0
        self._probes: set[str] = set()
        self._results: list[bool] = []
        self._since: dict[str, int] = {}
        self._turn = 0

    @property
    @override
    def phase(self) -> BreakerPhase:
        return self._state

    @property
    @override
    def open_until(self) -> float:
        return self._until

    @override
    def permit_free(self, now: float) -> bool:
        if self._state == "open":
            return now >= self._until
        taken = len(self._probes) + len(self._results)
        return self._state == "half_open" and taken < self._rules.probes

    @override
    def admit(self, call_id: str, now: float) -> bool:
        if self._state != "closed" and not self.permit_free(now):
            return False
        if self._state == "open":
            self._enter_phase("half_open" if self._rules.probes else "closed")
        if self._state == "half_open":
            self._probes.add(call_id)
        self._since[call_id] = self._turn
        return True

    @override
    def force_admit(self, call_id: str, now: float) -> None:
        if not self.admit(call_id, now):
            self._since[call_id] = self._turn

    @override
    def settle(
        self,
        call_id: str,
        verdict: Verdict,
        now: float,
        draw: float,
        retry_after_s: float | None = None,
        *,
        counted: bool = True,
    ) -> Change | None:
        turn = self._since.pop(call_id, None)
        probe = call_id in self._probes
        self._probes.discard(call_id)
        if turn != self._turn or verdict == "neutral":
            return None
        failed = verdict == "failure"
        if self._state == "closed" and self._trigger.add(now, failed=failed):
            return self._trip(now)
        if self._state == "half_open" and probe:
            return self._probed(now, failed=failed)
        return None

    @override
    def probe_passed(self, now: float) -> Change | None:
        return None

    def _probed(self, now: float, *, failed: bool) -> Change | None:
        self._results.append(failed)
        if len(self._results) < self._rules.probes:
            return None
        if sum(self._results) >= self._rules.probe_share * len(self._results):
            return self._trip(now)
        return self._enter_phase("closed")

    def _trip(self, now: float) -> Change:
        self._until = now + self._rules.open_s
        return self._enter_phase("open")

    def _enter_phase(self, phase: BreakerPhase) -> Change:
        before, self._state = self._state, phase
        self._turn += 1
        self._trigger.clear()
        self._probes.clear()
        self._results.clear()
        return Change(before, phase, "by its rules")


def breaker_by(rules: Rules) -> type[Breaker]:
    """The class of breakers by these rules."""

    class Ruled(RuleBreaker):
        def __init__(self, _: BreakerConfig) -> None:
            super().__init__(rules)

    return Ruled


class RuleState(ProviderState):
    """A provider's state in which 429s are failures, and the limiter never pauses."""

    @override
    def _settle_limits(self, outcome: Outcome, now: float) -> None:
        self._limiter.release(outcome.attempt_id, outcome.usage.total_tokens, now)

    @override
    def _verdict(self, state: ModelState, outcome: Outcome) -> Verdict:
        if outcome.failure is None:
            return "success"
        return "neutral" if outcome.failure.failure == "cancelled" else "failure"


class RuleActor(ProviderActor):
    """The provider actor around such a state."""

    def __init__(
        self,
        settings: ProviderSettings,
        tools: ProviderTools,
        cell: SnapshotCell,
        rules: Rules,
    ) -> None:
        super().__init__(settings, tools, cell)
        self._state = RuleState(
            settings, tools.prices, tools.on_event, breaker_by(rules)
        )


class TwoChoicesDesk(Desk):
    """Of two drawn the one with less work goes first, then the rest at random."""

    def __init__(
        self, settings: RouterSettings, tools: RouterTools, draws: Random
    ) -> None:
        super().__init__(settings, tools)
        self._draws = draws

    @override
    def rank(self, found: Found, ask: RankInput) -> Ranking:
        models = found.models
        ready = [m for m in (Measured(s, ask.now) for s in models) if m.state > 0.0]
        ready = ready or [Measured(s, ask.now) for s in models]
        self._draws.shuffle(ready)
        tokens = ask.expected_output_tokens
        if len(ready) > 1 and _work(ready[1], tokens) < _work(ready[0], tokens):
            ready[0], ready[1] = ready[1], ready[0]
        return Ranking(
            ranked=tuple(_candidate(item, tokens) for item in ready),
            order=tuple(item.target for item in ready),
            reason="two choices",
        )


def _candidate(item: Measured, tokens: int) -> RankedCandidate:
    return RankedCandidate(item.target, 0.0, (), None, item.latency_s(tokens))


def _work(item: Measured, tokens: int) -> float:
    return (item.latency_s(tokens) or 0.0) * (item.snapshot.in_flight + 1)
