"""Words, numbers and the transition table of the circuit breaker."""

from typing import Literal

from msgspec import Struct

from actors.messages.provider import BreakerCause, BreakerPhase

Verdict = Literal["success", "failure", "slow", "limited", "neutral"]
"""What a call says about the provider.

``failure``: connect, timeout, 5xx, 529, cut stream. ``slow``: answered, but far slower
than expected for its length. ``limited``: 429, which is the limiter's to obey; only
when nearly all calls end so is it the breaker's too. ``neutral``: nothing (caller's
mistake, cancelled, our own bug).
"""

Event = Literal[
    "success",  # a real call answered
    "failure",
    "slow",
    "limited",
    "neutral",
    "probe_passed",  # the health probe did, which is no real call
    "tripped",  # closed: the outcomes crossed a threshold
    "waited",  # open: the open time is over and a call wants in
    "recovered",  # half-open: enough real successes
    "still_limited",  # half-open after an opening for 429s: the probe got another
]

TRANSITIONS: dict[tuple[BreakerPhase, Event], BreakerPhase] = {
    ("closed", "success"): "closed",
    ("closed", "failure"): "closed",
    ("closed", "slow"): "closed",
    ("closed", "limited"): "closed",
    ("closed", "neutral"): "closed",
    ("closed", "probe_passed"): "closed",
    ("closed", "tripped"): "open",
    # Only a call that an open breaker let through settles in the open phase.
    ("open", "success"): "half_open",
    ("open", "failure"): "open",
    ("open", "slow"): "open",
    ("open", "limited"): "open",
    ("open", "neutral"): "open",
    ("open", "probe_passed"): "half_open",
    ("open", "waited"): "half_open",
    ("half_open", "success"): "half_open",
    ("half_open", "failure"): "open",
    ("half_open", "slow"): "open",
    ("half_open", "limited"): "half_open",
    ("half_open", "neutral"): "half_open",
    ("half_open", "probe_passed"): "half_open",
    ("half_open", "recovered"): "closed",
    ("half_open", "still_limited"): "open",
}
"""Phase after each event. A pair that is missing cannot happen."""

MAX_EXPONENT = 6
"""Two closes bring even a long outage back to the shortest open time."""

EXPONENT_DECAY = 3


class BreakerConfig(Struct, frozen=True, kw_only=True):
    """Thresholds; the defaults were tuned on replayed traffic with injected faults.

    ``open_s`` doubles with each opening up to ``open_max_s``, ``jitter`` spreads it by
    that share to both sides. ``min_calls`` outcomes are needed before a ratio judges.
    A call is slow beyond ``slow_factor`` times what its length leads to expect, and never
    within ``slow_floor_s``. ``limited_ratio`` of the last ``limited_calls`` outcomes
    being 429s opens too.
    ``permit_lease_s`` is at least the longest total timeout: a call nobody settled by
    then is forgotten.
    """

    consecutive_failures: int = 3
    failure_ratio: float = 0.4
    slow_ratio: float = 0.6
    slow_factor: float = 3.0
    slow_floor_s: float = 1.0
    limited_ratio: float = 0.7
    limited_calls: int = 20
    min_calls: int = 10
    window_calls: int = 50
    window_s: float = 60.0
    open_s: float = 5.0
    open_max_s: float = 15.0
    jitter: float = 0.2
    successes_to_close: int = 2
    permit_lease_s: float = 600.0


class Change(Struct, frozen=True):
    """The breaker changed its phase, and why, in words for people."""

    before: BreakerPhase
    after: BreakerPhase
    reason: str


class BreakerState(Struct, frozen=True, kw_only=True):
    """What survives a restart. Durations, because the loop's clock starts anew.

    ``outcomes`` are (age in seconds, verdict), oldest first. Calls in flight are not
    kept: they end with the process; nor is the share of 429s, which is soon seen again.
    """

    phase: BreakerPhase = "closed"
    cause: BreakerCause | None = None
    open_remaining_s: float = 0.0
    floor_remaining_s: float = 0.0
    exponent: int = 0
    successes: int = 0
    consecutive_failures: int = 0
    outcomes: tuple[tuple[float, Verdict], ...] = ()


def next_phase(phase: BreakerPhase, event: Event) -> BreakerPhase:
    """Look the pair up in ``TRANSITIONS``.

    Raises:
        ValueError: The event cannot happen in that phase.
    """
    after = TRANSITIONS.get((phase, event))
    if after is None:
        raise ValueError(f"a breaker that is {phase} cannot see {event!r}")
    return after
