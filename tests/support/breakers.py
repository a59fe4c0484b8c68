"""Breakers in a given phase, and calls through them."""

from actors.policy.breaker import Breaker, BreakerConfig, Change, Verdict
from actors.policy.breaker_invariants import WatchedBreaker

CONFIG = BreakerConfig(jitter=0.0)
MIDDLE = 0.5
"""The draw that leaves the open time as it is."""


def run_call(
    breaker: Breaker,
    verdict: Verdict,
    now: float,
    call_id: str = "call",
    retry_after_s: float | None = None,
) -> Change | None:
    assert breaker.admit(call_id, now)
    return breaker.settle(call_id, verdict, now, MIDDLE, retry_after_s)


def opened(now: float = 0.0, config: BreakerConfig = CONFIG) -> Breaker:
    """Open for failures."""
    breaker = WatchedBreaker(config)
    for _ in range(config.consecutive_failures):
        run_call(breaker, "failure", now)
    assert breaker.phase == "open"
    return breaker


def opened_as_slow(now: float = 0.0, config: BreakerConfig = CONFIG) -> Breaker:
    """Open because every call was slow."""
    breaker = WatchedBreaker(config)
    for _ in range(config.min_calls):
        run_call(breaker, "slow", now)
    assert (breaker.phase, breaker.cause) == ("open", "slow")
    return breaker


def probing(now: float = 5.0) -> Breaker:
    """Half-open with the probe ``probe`` in flight since ``now``."""
    breaker = opened()
    assert breaker.admit("probe", now)
    assert breaker.phase == "half_open"
    return breaker


def assert_not_wedged(breaker: Breaker, now: float) -> None:
    """Enough time and two successes close it, whatever was before."""
    now += 10_000.0
    for n in range(2):
        assert breaker.admit(f"healing {n}", now)
        breaker.settle(f"healing {n}", "success", now, MIDDLE)

    assert breaker.phase == "closed"
