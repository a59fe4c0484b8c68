"""The breaker: every pair of the table, opening, open times, restarts.

Half-open is in ``test_breaker_half_open``, any history in ``test_breaker_histories``.
"""

from typing import get_args

import msgspec
import pytest

from actors.messages.provider import BreakerPhase
from actors.policy.breaker import (
    TRANSITIONS,
    Breaker,
    BreakerConfig,
    BreakerState,
    Change,
    Event,
    Verdict,
    next_phase,
)
from tests.support.breakers import CONFIG, MIDDLE, opened, probing, run_call

PHASES: tuple[BreakerPhase, ...] = get_args(BreakerPhase)
EVENTS: tuple[Event, ...] = get_args(Event)


# The table -------------------------------------------------------------------


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("phase", PHASES)
def test_every_pair_is_listed_or_raises(phase: BreakerPhase, event: Event) -> None:
    impossible = {
        ("closed", "waited"),
        ("closed", "recovered"),
        ("open", "tripped"),
        ("open", "recovered"),
        ("half_open", "tripped"),
        ("half_open", "waited"),
        ("closed", "still_limited"),
        ("open", "still_limited"),
    }

    if (phase, event) in impossible:
        with pytest.raises(ValueError, match=f"{phase} cannot see '{event}'"):
            next_phase(phase, event)
    else:
        assert next_phase(phase, event) == TRANSITIONS[phase, event]


def cause(breaker: Breaker, event: Event) -> None:
    """Make the event happen to a breaker made by ``in_phase``."""
    match event:
        case "success" | "failure" | "slow" | "limited" | "neutral":
            breaker.settle("inside", event, 5.0, MIDDLE)
        case "still_limited":
            breaker._cause = "limited"
            breaker.settle("inside", "limited", 5.0, MIDDLE)
        case "probe_passed":
            breaker.probe_passed(5.0)
        case "tripped":
            for _ in range(3):
                run_call(breaker, "failure", 5.0)
        case "waited":
            breaker.admit("new", 5.0)
        case "recovered":
            breaker.settle("inside", "success", 5.0, MIDDLE)
            run_call(breaker, "success", 5.0)


def in_phase(phase: BreakerPhase) -> Breaker:
    """A breaker with the call ``inside`` in flight, admitted in this phase."""
    breaker = Breaker(CONFIG) if phase == "closed" else opened()
    breaker.force_admit("inside", 0.0 if phase == "open" else 5.0)
    assert breaker.phase == phase
    return breaker


@pytest.mark.parametrize(("phase", "event"), sorted(TRANSITIONS))
def test_the_breaker_follows_the_table(phase: BreakerPhase, event: Event) -> None:
    breaker = in_phase(phase)

    cause(breaker, event)

    assert breaker.phase == TRANSITIONS[phase, event]


# Opening ---------------------------------------------------------------------


def test_opens_at_the_third_consecutive_failure() -> None:
    breaker = Breaker(CONFIG)

    assert run_call(breaker, "failure", 0.0) is None
    assert run_call(breaker, "failure", 0.0) is None
    change = run_call(breaker, "failure", 0.0)

    assert change == Change("closed", "open", "3 consecutive failures")
    assert breaker.open_until == 5.0
    assert not breaker.admit("next", 4.9)


@pytest.mark.parametrize("answer", ["success", "slow"])
def test_an_answer_ends_the_streak(answer: Verdict) -> None:
    breaker = Breaker(CONFIG)
    run_call(breaker, "failure", 0.0)
    run_call(breaker, "failure", 0.0)

    run_call(breaker, answer, 0.0)

    assert breaker.consecutive_failures == 0


def test_neutral_outcomes_count_nowhere() -> None:
    breaker = Breaker(CONFIG)
    run_call(breaker, "failure", 0.0)
    run_call(breaker, "failure", 0.0)

    for _ in range(100):
        assert run_call(breaker, "neutral", 0.0) is None

    assert breaker.phase == "closed"
    assert breaker.consecutive_failures == 2
    assert len(breaker.dump(0.0).outcomes) == 2


def test_one_request_adds_one_consecutive_failure() -> None:
    breaker = Breaker(CONFIG)
    run_call(breaker, "failure", 0.0)

    for call_id in ("repeat 1", "repeat 2"):
        breaker.admit(call_id, 0.0)
        breaker.settle(call_id, "failure", 0.0, MIDDLE, counted=False)

    assert breaker.consecutive_failures == 1
    assert breaker.phase == "closed"


@pytest.mark.parametrize(
    ("bad", "bad_calls", "reason"),
    [("failure", 4, "4 of 10 calls failed"), ("slow", 6, "6 of 10 calls were slow")],
)
def test_opens_when_the_share_is_too_high(
    bad: Verdict, bad_calls: int, reason: str
) -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=100, jitter=0.0))
    for _ in range(10 - bad_calls):
        run_call(breaker, "success", 0.0)

    changes = [run_call(breaker, bad, 0.0) for _ in range(bad_calls)]

    assert changes == [None] * (bad_calls - 1) + [Change("closed", "open", reason)]


def test_a_share_below_the_ratio_keeps_it_closed() -> None:
    breaker = Breaker(CONFIG)
    for _ in range(40):
        for verdict in ("success", "failure", "success"):
            assert run_call(breaker, verdict, 0.0) is None

    assert breaker.phase == "closed"


def test_outcomes_older_than_the_window_do_not_count() -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=100))
    for _ in range(9):
        run_call(breaker, "failure", 0.0)

    assert run_call(breaker, "failure", 60.0) is None
    assert len(breaker.dump(60.0).outcomes) == 1


def test_only_the_last_outcomes_count() -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=100, failure_ratio=0.9))
    for _ in range(5):
        run_call(breaker, "slow", 0.0)

    for _ in range(100):
        run_call(breaker, "success", 0.0)

    assert breaker.dump(0.0).outcomes == ((0.0, "success"),) * 50


def test_a_call_that_hung_longer_than_the_window_counts_when_it_ends() -> None:
    breaker = Breaker(CONFIG)
    for call_id in "abc":
        breaker.admit(call_id, 0.0)

    changes = [breaker.settle(call_id, "failure", 300.0, MIDDLE) for call_id in "abc"]

    assert changes[-1] == Change("closed", "open", "3 consecutive failures")


# How long it stays open ------------------------------------------------------


def reopen(breaker: Breaker) -> float:
    """Fail the next probe as early as possible; returns the new open time."""
    now = breaker.open_until
    run_call(breaker, "failure", now)
    return breaker.open_until - now


def close(breaker: Breaker) -> None:
    now = breaker.open_until
    for _ in range(2):
        run_call(breaker, "success", now)
    assert breaker.phase == "closed"


def test_open_time_doubles_up_to_the_cap() -> None:
    breaker = opened()

    assert [reopen(breaker) for _ in range(4)] == [10.0, 15.0, 15.0, 15.0]


def test_two_closes_bring_the_shortest_open_time_back() -> None:
    breaker = opened()
    for _ in range(50):
        reopen(breaker)
    open_times = []

    for _ in range(3):
        close(breaker)
        for _ in range(3):
            run_call(breaker, "failure", 1000.0)
        open_times.append(breaker.open_until - 1000.0)

    assert open_times == [15.0, 10.0, 5.0]


@pytest.mark.parametrize(("draw", "open_s"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_jitter_spreads_the_open_time(draw: float, open_s: float) -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=1))
    breaker.admit("call", 0.0)

    breaker.settle("call", "failure", 0.0, draw)

    assert breaker.open_until == pytest.approx(open_s)


@pytest.mark.parametrize(
    ("retry_after_s", "open_until"),
    [(30.0, 30.0), (1.0, 5.0), (float("inf"), 5.0), (float("nan"), 5.0), (-9.0, 5.0)],
)
def test_retry_after_is_a_floor(retry_after_s: float, open_until: float) -> None:
    breaker = Breaker(CONFIG)
    run_call(breaker, "failure", 0.0, retry_after_s=retry_after_s)

    for _ in range(2):
        run_call(breaker, "failure", 0.0)

    assert breaker.open_until == open_until


def test_a_late_failure_may_still_say_when_to_come_back() -> None:
    breaker = Breaker(CONFIG)
    breaker.admit("late", 0.0)
    for _ in range(3):
        run_call(breaker, "failure", 0.0)

    assert breaker.settle("late", "failure", 1.0, MIDDLE, 30.0) is None

    assert breaker.open_until == 31.0
    assert breaker.probe_passed(30.0) is None
    assert breaker.probe_passed(31.0) is not None


# Health probes and the last candidate ----------------------------------------


def test_a_health_probe_brings_half_open_forward_and_never_closes() -> None:
    breaker = opened()

    change = breaker.probe_passed(1.0)

    assert change == Change("open", "half_open", "health probe passed")
    for _ in range(10):
        assert breaker.probe_passed(1.0) is None
    assert breaker.phase == "half_open"
    assert breaker.admit("real", 1.0)


def test_a_health_probe_says_nothing_to_a_closed_breaker() -> None:
    assert Breaker(CONFIG).probe_passed(0.0) is None


def test_the_last_candidate_is_let_in_whatever_the_phase() -> None:
    breaker = opened()
    breaker.force_admit("forced", 1.0)

    change = breaker.settle("forced", "success", 1.0, MIDDLE)

    # A real success: one of the two that close.
    assert change == Change("open", "half_open", "a call succeeded while open")
    assert run_call(breaker, "success", 1.0) is not None
    assert breaker.phase == "closed"


def test_a_forced_failure_does_not_lengthen_the_open_time() -> None:
    breaker = opened()
    breaker.force_admit("forced", 1.0)

    assert breaker.settle("forced", "failure", 1.0, MIDDLE) is None

    assert breaker.open_until == 5.0


def test_a_forced_success_does_not_undercut_a_retry_after() -> None:
    breaker = Breaker(CONFIG)
    for _ in range(3):
        run_call(breaker, "failure", 0.0, retry_after_s=30.0)
    breaker.force_admit("forced", 1.0)

    assert breaker.settle("forced", "success", 2.0, MIDDLE) is None

    assert breaker.open_until == 30.0


def test_forcing_takes_the_free_permit() -> None:
    breaker = opened()

    breaker.force_admit("forced", 5.0)

    assert breaker.phase == "half_open"
    assert not breaker.can_admit(5.0)


# Surviving a restart ---------------------------------------------------------


def test_a_breaker_that_is_configured_anew_judges_what_it_has_seen() -> None:
    breaker = Breaker(BreakerConfig())
    for number in range(12):
        breaker.admit(str(number), 0.0)
        verdict: Verdict = "failure" if number % 4 == 0 else "success"
        breaker.settle(str(number), verdict, 0.0, 0.5)
    phases = [breaker.phase]
    breaker.configure(BreakerConfig(failure_ratio=0.2, min_calls=3, window_calls=4))
    breaker.admit("x", 0.0)
    breaker.settle("x", "failure", 0.0, 0.5)
    phases.append(breaker.phase)
    assert phases == ["closed", "open"]  # for one of the last four
    until = breaker.open_until
    breaker.configure(BreakerConfig(open_s=100.0, open_max_s=200.0))

    assert (breaker.phase, breaker.open_until) == ("open", until)


def test_a_restored_open_breaker_waits_out_what_remained() -> None:
    breaker = Breaker(CONFIG)
    for _ in range(3):
        run_call(breaker, "failure", 1000.0, retry_after_s=7.0)
    wire = msgspec.msgpack.encode(breaker.dump(1002.0))

    state = msgspec.msgpack.decode(wire, type=BreakerState)
    restored = Breaker.restore(CONFIG, state, 3.0)

    assert restored.phase == "open"
    assert restored.open_until == 8.0
    assert restored.probe_passed(7.9) is None
    assert restored.consecutive_failures == 3
    assert reopen(restored) == 10.0


def test_a_restored_half_open_breaker_has_its_permit_free() -> None:
    breaker = probing()
    breaker.settle("probe", "success", 5.0, MIDDLE)
    breaker.admit("dies with the process", 5.0)

    restored = Breaker.restore(CONFIG, breaker.dump(6.0), 0.0)

    assert not restored.open_until
    assert restored.permit_free(0.0)
    assert run_call(restored, "success", 0.0) is not None
    assert restored.phase == "closed"


def test_a_restored_window_goes_on_counting_and_ageing() -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=100))
    for at in (0.0, 50.0):
        for _ in range(4):
            run_call(breaker, "slow", at)

    restored = Breaker.restore(CONFIG, breaker.dump(59.0), 1.0)
    later = Breaker.restore(CONFIG, breaker.dump(61.0), 1.0)

    assert restored.dump(1.0) == breaker.dump(59.0)
    assert later.dump(1.0).outcomes == ((11.0, "slow"),) * 4
