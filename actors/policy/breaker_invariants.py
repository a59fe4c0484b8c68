"""What must hold of every breaker after every event, in one place.

``WatchedBreaker`` is a breaker that checks all of it each time and keeps its own books
to check against. Tests and simulations hand it to the providers' actors instead of the
plain one; it decides nothing differently, only slower.
"""

from collections import deque
from collections.abc import Callable
from math import isfinite
from typing import Self

from typing_extensions import override

from actors.policy.breaker import Breaker
from actors.policy.breaker_table import (
    TRANSITIONS,
    BreakerConfig,
    BreakerState,
    Change,
    Verdict,
)

_STORY = 20
_ROUNDING_S = 1e-3


class BrokenInvariant(AssertionError):
    """Raised when one does not hold; tells which, and the events that led to it."""


class WatchedBreaker(Breaker):
    """A breaker under watch.

    Attributes:
        probes: Calls in flight that took the permit of this half-open, by their id, with
            the loop time of their admission.
        successes: Real successes of this generation.
    """

    __slots__ = (
        "_admitted",
        "_era",
        "_story",
        "changed",
        "event",
        "now",
        "probes",
        "stale",
        "successes",
        "verdict",
    )

    def __init__(self, config: BreakerConfig) -> None:
        super().__init__(config)
        self.probes: dict[str, float] = {}
        self.successes = 0
        self.now = 0.0
        self.event = "begin"
        self.verdict: Verdict | None = None
        self.stale = False
        self.changed: Change | None = None
        self._era = 0
        self._admitted: dict[str, int] = {}
        self._story: deque[str] = deque(maxlen=_STORY)

    @classmethod
    @override
    def restore(cls, config: BreakerConfig, state: BreakerState, now: float) -> Self:
        """See ``Breaker``."""
        breaker = super().restore(config, state, now)
        breaker.successes = state.successes
        return breaker

    @property
    def config(self) -> BreakerConfig:
        return self._config

    @property
    def ring(self) -> list[tuple[float, Verdict]]:
        return list(self._outcomes)

    @property
    def in_flight(self) -> int:
        return len(self._calls)

    @property
    def floor(self) -> float:
        return self._floor

    @override
    def admit(self, call_id: str, now: float) -> bool:
        """See ``Breaker``; checked."""
        before, probing = self.phase, self.permit_free(now)
        admitted = super().admit(call_id, now)
        self._forget_expired(now)
        if self.phase != before:
            self._begin_era()
        if admitted:
            self._admitted[call_id] = self._era
            if probing:
                self.probes[call_id] = now
        self._check(f"admit {call_id}: {admitted}", now)
        return admitted

    @override
    def force_admit(self, call_id: str, now: float) -> None:
        """See ``Breaker``; checked."""
        super().force_admit(call_id, now)
        self._admitted[call_id] = self._era
        self._check(f"force {call_id}", now)

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
        """See ``Breaker``; checked."""
        before = self.phase
        era = self._admitted.pop(call_id, None)
        self.stale = era != self._era
        self.verdict = verdict
        self.probes.pop(call_id, None)
        if not self.stale and verdict == "success":
            self.successes += 1
        change = super().settle(
            call_id, verdict, now, draw, retry_after_s, counted=counted
        )
        self.changed = change
        self._check(f"settle {call_id}: {verdict}", now, before)
        if change is not None:
            self._begin_era(self.successes if before == "open" else 0)
        self.verdict = self.changed = None
        return change

    @override
    def probe_passed(self, now: float) -> Change | None:
        """See ``Breaker``; checked."""
        before = self.phase
        self.changed = change = super().probe_passed(now)
        if change is not None:
            self._begin_era()
        self._check("probe passed", now, before)
        self.changed = None
        return change

    def _begin_era(self, successes: int = 0) -> None:
        self._era += 1
        self.probes.clear()
        self.successes = successes

    def _forget_expired(self, now: float) -> None:
        lease_s = self._config.permit_lease_s
        for call_id, at in list(self.probes.items()):
            if now - at >= lease_s:
                del self.probes[call_id]

    def _check(self, event: str, now: float, before: str | None = None) -> None:
        self.now, self.event = now, event
        self._story.append(f"{now:g} {event} -> {self.phase}")
        if self.changed is not None and self.changed.before != before:
            self._fail("change_is_told_as_it_was")
        for name, holds in INVARIANTS.items():
            if not holds(self):
                self._fail(name)

    def _fail(self, name: str) -> None:
        story = "\n  ".join(self._story)
        raise BrokenInvariant(f"{name} does not hold after:\n  {story}")


def _one_probe(breaker: WatchedBreaker) -> bool:
    return len(breaker.probes) <= 1


def _never_wedged(breaker: WatchedBreaker) -> bool:
    config = breaker.config
    latest = max(breaker.open_until, breaker.now + config.permit_lease_s) + _ROUNDING_S
    return isfinite(latest) and breaker.can_admit(latest)


def _open_no_longer_than_said(breaker: WatchedBreaker) -> bool:
    config = breaker.config
    longest_s = config.open_max_s * (1.0 + config.jitter) + _ROUNDING_S
    until = breaker.open_until
    return until <= breaker.now + longest_s or until <= breaker.floor


def _retry_after_is_kept(breaker: WatchedBreaker) -> bool:
    return breaker.phase != "open" or breaker.open_until >= breaker.floor


def _open_until_only_while_open(breaker: WatchedBreaker) -> bool:
    return (breaker.open_until > 0.0) <= (breaker.phase == "open")


def _cause_unless_closed(breaker: WatchedBreaker) -> bool:
    return (breaker.cause is None) == (breaker.phase == "closed")


def _slowness_refuses_nobody(breaker: WatchedBreaker) -> bool:
    return breaker.cause != "slow" or breaker.can_admit(breaker.now)


def _only_the_table_moves(breaker: WatchedBreaker) -> bool:
    change = breaker.changed
    if change is None:
        return True
    return any(
        pair[0] == change.before and after == change.after
        for pair, after in TRANSITIONS.items()
    )


def _late_outcomes_decide_nothing(breaker: WatchedBreaker) -> bool:
    return breaker.verdict is None or not breaker.stale or breaker.changed is None


def _neutral_decides_nothing(breaker: WatchedBreaker) -> bool:
    return breaker.verdict != "neutral" or breaker.changed is None


def _opens_only_for_a_bad_outcome(breaker: WatchedBreaker) -> bool:
    change = breaker.changed
    opened = change is not None and change.after == "open"
    return not opened or breaker.verdict in {"failure", "slow", "limited"}


def _closes_only_after_real_successes(breaker: WatchedBreaker) -> bool:
    change = breaker.changed
    if change is None or change.after != "closed":
        return True
    return breaker.successes >= breaker.config.successes_to_close


def _window_is_bounded(breaker: WatchedBreaker) -> bool:
    return len(breaker.ring) <= breaker.config.window_calls


def _permit_is_free_without_probe(breaker: WatchedBreaker) -> bool:
    if breaker.phase != "half_open" or breaker.probes:
        return True
    return breaker.permit_free(breaker.now)


INVARIANTS: dict[str, Callable[[WatchedBreaker], bool]] = {
    "at_most_one_probe_in_flight": _one_probe,
    "the_permit_is_free_when_no_probe_is_in_flight": _permit_is_free_without_probe,
    "it_admits_again_by_itself": _never_wedged,
    "it_stays_open_no_longer_than_configured_or_asked": _open_no_longer_than_said,
    "no_opening_is_shorter_than_a_retry_after": _retry_after_is_kept,
    "open_until_is_set_only_while_open": _open_until_only_while_open,
    "there_is_a_cause_unless_closed": _cause_unless_closed,
    "slowness_refuses_nobody": _slowness_refuses_nobody,
    "only_the_table_moves_it": _only_the_table_moves,
    "late_outcomes_decide_nothing": _late_outcomes_decide_nothing,
    "neutral_outcomes_decide_nothing": _neutral_decides_nothing,
    "it_opens_only_for_a_bad_outcome": _opens_only_for_a_bad_outcome,
    "it_closes_only_after_real_successes": _closes_only_after_real_successes,
    "its_window_is_bounded": _window_is_bounded,
}
"""Name -> whether it holds now."""
