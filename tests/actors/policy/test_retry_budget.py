"""The daemon's budget of extra calls."""

import pytest
from hypothesis import given, settings, strategies as st

from actors.policy.retry_budget import RetryBudget


def drain(budget: RetryBudget, now: float) -> int:
    taken = 0
    while budget.try_take(now):
        taken += 1
    return taken


def test_the_burst_is_there_from_the_start() -> None:
    assert drain(RetryBudget(burst=10.0), 0.0) == 10


def test_every_second_earns_its_minimum() -> None:
    budget = RetryBudget(burst=2.0, min_per_s=1.0)
    drain(budget, 0.0)

    assert drain(budget, 1.5) == 1
    assert budget.left(0.0) == pytest.approx(0.5)


def test_requests_earn_their_share() -> None:
    budget = RetryBudget(ratio=0.1, min_per_s=0.0, burst=1.0)
    drain(budget, 0.0)
    for _ in range(100):
        budget.on_request(0.0)

    assert drain(budget, 0.0) in {9, 10}  # a tenth, give or take a rounding


def test_quiet_hours_are_not_hoarded() -> None:
    budget = RetryBudget(burst=10.0)
    for second in range(1000):
        budget.on_request(float(second))

    assert drain(budget, 100_000.0) == 10


def test_a_busy_daemon_may_hold_more_than_the_burst() -> None:
    budget = RetryBudget(burst=10.0)
    for request in range(1000):
        budget.on_request(request * 0.01)

    assert 50 <= drain(budget, 10.0) <= 110


def test_a_clock_that_stands_still_or_steps_back_earns_nothing() -> None:
    budget = RetryBudget(burst=1.0, min_per_s=1.0)
    drain(budget, 5.0)

    assert not budget.try_take(5.0)
    assert not budget.try_take(1.0)
    assert not budget.try_take(5.5)


@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.booleans()), max_size=200))
@settings(deadline=None, max_examples=100)
def test_extra_calls_never_exceed_share_and_seconds_and_burst(
    steps: list[tuple[float, bool]],
) -> None:
    budget = RetryBudget(ratio=0.1, min_per_s=1.0, burst=10.0)
    now, requests, taken = 0.0, 0, 0
    for wait_s, arrives in steps:
        now += wait_s
        if arrives:
            budget.on_request(now)
            requests += 1
        else:
            taken += budget.try_take(now)

    assert taken <= 0.1 * requests + now + 10.0 + 1e-6


def test_what_is_given_back_can_be_taken_again_up_to_what_it_holds() -> None:
    budget = RetryBudget(burst=2.0, min_per_s=0.0)
    drain(budget, 0.0)
    for _ in range(5):
        budget.give_back()

    assert drain(budget, 0.0) == 2


def test_an_empty_one_has_to_earn_everything() -> None:
    budget = RetryBudget(ratio=0.25, min_per_s=0.0, empty=True)
    taken = 0
    for number in range(40):
        budget.on_request(float(number))
        taken += budget.try_take(float(number))

    assert taken == 10


def test_ample_is_half_of_the_burst_and_at_least_one() -> None:
    budget, small = RetryBudget(burst=4.0, min_per_s=0.0), RetryBudget(burst=1.0)
    budget.try_take(0.0)
    budget.try_take(0.0)
    assert budget.ample(0.0)
    budget.try_take(0.0)

    assert not budget.ample(0.0)
    assert small.ample(0.0)
    small.try_take(0.0)
    assert not small.ample(0.5)


def test_what_is_charged_beyond_the_balance_is_earned_first() -> None:
    budget = RetryBudget(ratio=0.5, min_per_s=0.0, burst=0.2, empty=True)
    for _ in range(5):
        budget.charge(0.0)
    assert budget.left(0.0) == -2.0  # no debt is larger than ten times its burst
    for _ in range(5):
        budget.on_request(0.0)
    assert not budget.try_take(0.0)
    budget.on_request(0.0)

    assert budget.try_take(0.0)


def test_who_comes_when_it_is_spent_waits_in_line_for_what_is_earned() -> None:
    budget = RetryBudget(burst=1.0, min_per_s=0.5)
    drain(budget, 0.0)

    assert budget.reserve(0.0, 10.0) == pytest.approx(2.0)
    assert budget.reserve(0.0, 10.0) == pytest.approx(4.0)
    assert budget.reserve(0.0, 5.0) is None
    assert not budget.try_take(4.0)
    assert drain(budget, 6.0) == 1


def test_nothing_is_reserved_of_what_no_clock_earns() -> None:
    budget = RetryBudget(burst=0.0, min_per_s=0.0)

    assert budget.reserve(0.0, 1e9) is None


def test_a_reservation_takes_what_is_there_first() -> None:
    budget = RetryBudget(burst=2.0, min_per_s=1.0)

    assert budget.reserve(0.0, 0.0) == 0.0
    assert budget.left(0.0) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.booleans()), max_size=100))
def test_calls_that_wait_keep_to_share_and_seconds_and_burst_too(
    events: list[tuple[float, bool]],
) -> None:
    budget = RetryBudget(ratio=0.25, min_per_s=0.5, burst=3.0)
    now, requests, made = 0.0, 0, []
    for pause, arrives in events:
        now += pause
        if arrives:
            budget.on_request(now)
            requests += 1
        else:
            wait_s = budget.reserve(now, 20.0)
            if wait_s is not None:
                made.append(now + wait_s)
    for count, at in enumerate(sorted(made), start=1):
        assert count <= 3.0 + 0.25 * requests + 0.5 * at + 1e-6
