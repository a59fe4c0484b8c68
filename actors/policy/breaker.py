"""Circuit breaker of one model of one provider: closed, open, half-open.

LLM traffic is sparse and its calls are long, so the window is small and mixed (the last
``window_calls`` outcomes, none older than ``window_s``) and few failures decide.

A call enters at admission, with the generation of that moment, and is settled by its
id. Every change of phase starts a new generation, and an outcome whose generation is
over decides nothing: a call admitted before the breaker opened cannot settle a newer
probe. The age of an outcome counts from when it was settled, so that a call which hung
for longer than ``window_s`` still counts.

Half-open lets one call through at a time. Its permit is a lease: whatever the verdict,
settling gives it back, and a probe nobody settles loses it after ``permit_lease_s``.

A breaker that opened for slowness (``cause``) turns nobody away until it has closed: who
ranks puts it behind, but a slow answer is better than none, and when everybody became
slow at once nobody must be lost. Only the call with the permit is the probe then, too.

What must hold after every event stands in ``breaker_invariants``.

Times are seconds on the event loop's clock, random draws are in [0, 1); both are
arguments.
"""

from math import isfinite
from typing import NamedTuple, Self

from actors.messages.provider import BreakerCause, BreakerPhase
from actors.policy.breaker_table import (
    EXPONENT_DECAY,
    MAX_EXPONENT,
    TRANSITIONS,
    BreakerConfig,
    BreakerState,
    Change,
    Event,
    Verdict,
    next_phase,
)
from actors.policy.outcomes import Outcomes

__all__ = [
    "TRANSITIONS",
    "Breaker",
    "BreakerConfig",
    "BreakerState",
    "Change",
    "Event",
    "Verdict",
    "next_phase",
]


class _Call(NamedTuple):
    generation: int
    admitted_at: float


class Breaker:
    """See the module. Not safe for threads; every method is O(1) amortised."""

    __slots__ = (
        "_calls",
        "_cause",
        "_config",
        "_exponent",
        "_floor",
        "_generation",
        "_open_until",
        "_outcomes",
        "_permit",
        "_phase",
        "_streak",
        "_successes",
    )

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self._phase: BreakerPhase = "closed"
        self._cause: BreakerCause | None = None
        self._open_until = 0.0
        self._floor = 0.0  # no call before this: a provider's Retry-After
        self._exponent = 0
        self._successes = 0
        self._streak = 0
        self._generation = 0
        self._permit: str | None = None
        self._calls: dict[str, _Call] = {}
        self._outcomes = Outcomes(config)

    def configure(self, config: BreakerConfig) -> None:
        """Judge by this from now on; the phase, and how long it is open, stay."""
        self._config = config
        self._outcomes.configure(config)

    @property
    def phase(self) -> BreakerPhase:
        """An open breaker stays ``open`` past ``open_until`` until a call wants in."""
        return self._phase

    @property
    def cause(self) -> BreakerCause | None:
        """What it opened for; ``None`` while closed."""
        return self._cause

    @property
    def open_until(self) -> float:
        """When an open breaker lets the next call try; 0.0 unless open."""
        return self._open_until

    @property
    def consecutive_failures(self) -> int:
        """Failures since the last answer, at most one per request."""
        return self._streak

    def can_admit(self, now: float) -> bool:
        """Whether ``admit`` would let a call in now. Changes nothing."""
        if self._phase == "closed" or self._cause == "slow":
            return True
        return self.permit_free(now)

    def permit_free(self, now: float) -> bool:
        """Whether a call now would become the half-open probe."""
        if self._phase == "open":
            return now >= self._open_until
        return self._phase == "half_open" and self._leased(now) is None

    def admit(self, call_id: str, now: float) -> bool:
        """Let a call in and count it, or refuse it.

        Moves an open breaker whose time is over to half-open. Asking again for a call
        that is in already is granted and counts once.
        """
        self._forget_abandoned(now)
        known = self._calls.get(call_id)
        if known is not None and known.generation == self._generation:
            return True
        if not self.can_admit(now):
            return False
        if self._phase == "open" and now >= self._open_until:
            self._move("waited", "open time over")
        if self.permit_free(now):
            self._permit = call_id
        self._enter(call_id, now)
        return True

    def force_admit(self, call_id: str, now: float) -> None:
        """Let a call in whatever the phase: the last candidate is never ejected.

        It takes the probe permit when that is free; else it is no probe, but its
        outcome counts like that of any call of this generation.
        """
        if not self.admit(call_id, now):
            self._enter(call_id, now)

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
        """Say how a call ended; unknown, late and settled ids change nothing.

        Args:
            call_id: As admitted.
            verdict: What it says about the provider; ``neutral`` only gives the
                permit back, and so does ``limited`` mostly.
            now: Loop time in seconds.
            draw: Random number in [0, 1), for the jitter of an opening.
            retry_after_s: What the failing provider asked for: no opening is shorter.
            counted: False for a further failure of the same request, which does not
                add to the consecutive failures.

        Returns:
            The change of phase this caused, if it did.
        """
        call = self._calls.pop(call_id, None)
        if call is None:
            return None
        if self._permit == call_id:
            self._permit = None
        if verdict in {"failure", "limited"}:
            self._raise_floor(now, retry_after_s)
        if call.generation != self._generation or verdict == "neutral":
            return None
        if self._phase == "closed":
            return self._settle_closed(verdict, now, draw, counted=counted)
        if self._phase == "half_open":
            return self._settle_half_open(verdict, now, draw, counted=counted)
        return self._settle_open(verdict, now, counted=counted)

    def probe_passed(self, now: float) -> Change | None:
        """A health probe passed: an open breaker may try a real call at once.

        Never closes, and never undercuts a Retry-After.
        """
        if self._phase != "open" or now < self._floor:
            return None
        return self._move("probe_passed", "health probe passed")

    def dump(self, now: float) -> BreakerState:
        """The part that survives a restart, with times relative to ``now``."""
        return BreakerState(
            phase=self._phase,
            cause=self._cause,
            open_remaining_s=max(0.0, self._open_until - now),
            floor_remaining_s=max(0.0, self._floor - now),
            exponent=self._exponent,
            successes=self._successes,
            consecutive_failures=self._streak,
            outcomes=tuple((max(0.0, now - at), what) for at, what in self._outcomes),
        )

    @classmethod
    def restore(cls, config: BreakerConfig, state: BreakerState, now: float) -> Self:
        """Rebuild a breaker; nothing is in flight and the probe permit is free."""
        breaker = cls(config)
        breaker._phase, breaker._cause = state.phase, state.cause
        if state.phase == "open":
            breaker._open_until = now + state.open_remaining_s
        breaker._floor = now + state.floor_remaining_s
        breaker._exponent = min(state.exponent, MAX_EXPONENT)
        breaker._successes = state.successes
        breaker._streak = state.consecutive_failures
        for age_s, verdict in state.outcomes:
            breaker._outcomes.add(verdict, now - age_s)
        breaker._outcomes.expire(now)
        return breaker

    def _enter(self, call_id: str, now: float) -> None:
        self._calls.pop(call_id, None)  # insertion order stays admission order
        self._calls[call_id] = _Call(self._generation, now)

    def _settle_closed(
        self, verdict: Verdict, now: float, draw: float, *, counted: bool
    ) -> Change | None:
        self._outcomes.add(verdict, now)
        self._count_streak(verdict, counted=counted)
        # A success never opens, though it may be the call that makes a share judged.
        fault = None if verdict == "success" else self._fault()
        if fault is None:
            return None
        self._cause, reason = fault
        return self._open("tripped", reason, now, draw)

    def _count_streak(self, verdict: Verdict, *, counted: bool) -> None:
        if verdict == "failure":
            self._streak += counted
        elif verdict != "limited":
            self._streak = 0

    def _settle_half_open(
        self, verdict: Verdict, now: float, draw: float, *, counted: bool
    ) -> Change | None:
        if verdict == "limited":
            if self._cause != "limited":
                return None
            return self._open("still_limited", "probe: rate limited", now, draw)
        if next_phase("half_open", verdict) == "open":
            self._streak += verdict == "failure" and counted
            self._cause = "slow" if verdict == "slow" else "failures"
            return self._open(verdict, f"probe: {verdict}", now, draw)
        self._successes += 1
        if self._successes < self._config.successes_to_close:
            return None
        return self._move("recovered", f"{self._successes} calls succeeded")

    def _settle_open(
        self, verdict: Verdict, now: float, *, counted: bool
    ) -> Change | None:
        if self._cause == "slow":
            self._count_streak(verdict, counted=counted)
            if self._streak >= self._config.consecutive_failures:
                self._cause = "failures"  # it lets nobody in any more
        if next_phase("open", verdict) == "open" or now < self._floor:
            return None
        change = self._move(verdict, "a call succeeded while open")
        self._successes = 1
        return change

    def _fault(self) -> tuple[BreakerCause, str] | None:
        if self._streak >= self._config.consecutive_failures:
            return "failures", f"{self._streak} consecutive failures"
        return self._outcomes.fault()

    def _open(self, event: Event, reason: str, now: float, draw: float) -> Change:
        config = self._config
        base_s = min(config.open_s * 2.0**self._exponent, config.open_max_s)
        open_s = base_s * (1.0 + config.jitter * (2.0 * draw - 1.0))
        change = self._move(event, reason)
        self._open_until = max(now + open_s, self._floor)
        self._exponent = min(self._exponent + 1, MAX_EXPONENT)
        return change

    def _move(self, event: Event, reason: str) -> Change:
        before, after = self._phase, next_phase(self._phase, event)
        self._phase = after
        self._generation += 1
        self._permit = None
        self._successes = 0
        self._open_until = 0.0
        self._outcomes.clear()
        if after == "closed":
            self._streak = 0
            self._cause = None
            self._exponent = max(0, self._exponent - EXPONENT_DECAY)
        return Change(before, after, reason)

    def _raise_floor(self, now: float, retry_after_s: float | None) -> None:
        # Even a call of an old generation may say when to come back: that is the
        # provider's word, not an outcome.
        if retry_after_s is None or not isfinite(retry_after_s):
            return
        self._floor = max(self._floor, now + retry_after_s)
        if self._phase == "open":
            self._open_until = max(self._open_until, self._floor)

    def _leased(self, now: float) -> str | None:
        """The call that holds the probe permit, unless its lease has run out."""
        if self._permit is None:
            return None
        admitted_at = self._calls[self._permit].admitted_at
        expired = now - admitted_at >= self._config.permit_lease_s
        return None if expired else self._permit

    def _forget_abandoned(self, now: float) -> None:
        # Insertion order is admission order, so the oldest call comes first.
        while self._calls:
            call_id = next(iter(self._calls))
            age_s = now - self._calls[call_id].admitted_at
            if age_s < self._config.permit_lease_s:
                return
            del self._calls[call_id]
            if self._permit == call_id:
                self._permit = None
