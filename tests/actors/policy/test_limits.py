"""Limits: never more than the rate beyond the burst, and nobody waits in vain."""

from math import inf, nan

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.policy.limits import CAPACITY_RETRY_S, LimitConfig, Limiter, LimiterState

UNLIMITED = LimitConfig()

# (seconds since the call before, tokens)
arrivals = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 1.0, 7.0, 61.0]), st.integers(0, 1200)),
    min_size=1,
    max_size=60,
)


def assert_within_rate(
    booked: list[tuple[float, float]], per_minute: float, burst: float
) -> None:
    """No window between two bookings holds more than rate * width + burst."""
    for first, (start, _) in enumerate(booked):
        units = 0.0
        for end, more in booked[first:]:
            units += more
            assert units <= per_minute / 60.0 * (end - start) + burst + 1e-3


def test_without_limits_everything_is_admitted() -> None:
    limiter = Limiter(UNLIMITED)

    assert [limiter.admit(f"{n}", 10**9, 0.0) for n in range(1000)] == [0.0] * 1000
    assert limiter.in_flight == 1000
    assert limiter.blocked_until == 0.0


# Concurrency -----------------------------------------------------------------


def test_never_more_in_flight_than_the_cap() -> None:
    limiter = Limiter(LimitConfig(concurrency=2))

    waits = [limiter.admit(call_id, 0, 0.0) for call_id in "abc"]

    assert waits == [0.0, 0.0, CAPACITY_RETRY_S]
    limiter.release("a", None, 1.0)
    assert limiter.admit("c", 0, 1.0) == 0.0
    assert limiter.in_flight == 2


def test_a_cap_of_zero_lets_nothing_through() -> None:
    assert Limiter(LimitConfig(concurrency=0)).admit("a", 0, 0.0) == inf


def test_a_call_in_flight_is_admitted_again_and_booked_once() -> None:
    limiter = Limiter(LimitConfig(concurrency=1, requests_per_minute=1))

    assert limiter.admit("a", 0, 0.0) == 0.0
    assert limiter.admit("a", 0, 0.0) == 0.0

    assert limiter.in_flight == 1
    assert limiter.would_wait(0.0, 0) == pytest.approx(60.0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_release_is_idempotent(steps: list[tuple[bool, int]]) -> None:
    limiter = Limiter(LimitConfig(concurrency=4, tokens_per_minute=10_000))
    inside: set[int] = set()
    for enters, call in steps:
        if enters:
            if limiter.admit(f"{call}", 100, 0.0) == 0.0:
                inside.add(call)
        else:
            limiter.release(f"{call}", 100, 0.0)
            before = limiter.dump(0.0)
            limiter.release(f"{call}", 5000, 0.0)
            assert limiter.dump(0.0) == before
            inside.discard(call)

        assert limiter.in_flight == len(inside) <= 4


def test_refusals_teach_a_limit_below_the_configured_one() -> None:
    limiter = Limiter(LimitConfig(concurrency=20))
    for n in range(20):
        limiter.admit(f"{n}", 0, 0.0)
    assert (limiter.limit(0.0), limiter.full(0.0)) == (20, True)

    limiter.overloaded("0", 0.0)
    limiter.overloaded("1", 0.0)  # they were sent together
    limiter.overloaded("stranger", 0.0)

    assert limiter.limit(0.0) == 14
    for n in range(7):
        limiter.release(f"{n}", None, 0.0)
    assert not limiter.full(0.0)
    assert (
        Limiter.restore(LimitConfig(concurrency=20), limiter.dump(0.0), 5.0).limit(5.0)
        == 14
    )


def test_a_learned_limit_never_exceeds_the_configured_one() -> None:
    limiter = Limiter(LimitConfig(concurrency=3))
    for n in range(3):
        limiter.admit(f"{n}", 0, 0.0)

    limiter.overloaded("0", 0.0)  # taken for 0.7 of 8

    assert limiter.limit(0.0) == 3
    limiter = Limiter(UNLIMITED)
    limiter.admit("0", 0, 0.0)
    assert limiter.limit(0.0) is None
    limiter.overloaded("0", 0.0)
    assert limiter.limit(0.0) == 5


# Requests per minute ---------------------------------------------------------


def test_a_minutes_worth_at_once_then_at_the_rate() -> None:
    limiter = Limiter(LimitConfig(requests_per_minute=60))

    admitted = [limiter.admit(f"{n}", 0, 0.0) for n in range(61)]

    assert admitted[:60] == [0.0] * 60
    assert admitted[60] == pytest.approx(1.0)
    assert limiter.blocked_until == pytest.approx(1.0)
    assert limiter.admit("later", 0, 1.0) == 0.0


@given(
    arrivals,
    st.sampled_from([0.5, 3.0, 60.0, 600.0]),
    st.sampled_from([0.0, 1.0, 60.0]),
)
def test_requests_stay_within_rate_and_burst(
    calls: list[tuple[float, int]], per_minute: float, burst_s: float
) -> None:
    config = LimitConfig(requests_per_minute=per_minute, burst_s=burst_s)
    limiter = Limiter(config)
    now, booked = 0.0, []
    for n, (gap_s, _) in enumerate(calls):
        now += gap_s
        if limiter.admit(f"{n}", 0, now) == 0.0:
            booked.append((now, 1.0))

    assert booked
    assert_within_rate(booked, per_minute, max(1.0, burst_s * per_minute / 60.0))


def test_a_rate_of_zero_lets_nothing_through() -> None:
    limiter = Limiter(LimitConfig(requests_per_minute=0))

    assert limiter.admit("a", 0, 0.0) == inf
    assert limiter.blocked_until == inf


def test_the_pace_says_when_the_next_requests_fit() -> None:
    assert Limiter(UNLIMITED).pace(9.0) == (0.0, 0.0)
    assert Limiter(LimitConfig(requests_per_minute=0)).pace(9.0) == (0.0, 0.0)
    limiter = Limiter(LimitConfig(requests_per_minute=60))
    assert limiter.pace(100.0) == pytest.approx((41.0, 1.0))

    for n in range(60):
        limiter.admit(f"{n}", 0, 100.0)

    assert limiter.pace(100.0) == pytest.approx((101.0, 1.0))


# Tokens per minute -----------------------------------------------------------


@given(arrivals, st.floats(0.0, 1.0), st.integers(0, 5))
def test_booked_tokens_stay_within_rate_and_burst(
    calls: list[tuple[float, int]], used_share: float, together: int
) -> None:
    limiter = Limiter(LimitConfig(tokens_per_minute=1200))
    now = 0.0
    booked: list[tuple[float, float]] = []
    inside: list[tuple[str, int]] = []
    for n, (gap_s, tokens) in enumerate(calls):
        now += gap_s
        if limiter.admit(f"{n}", tokens, now) == 0.0:
            booked.append((now, tokens))
            inside.append((f"{n}", tokens))
        if len(inside) > together:
            call_id, estimate = inside.pop(0)
            used = round(estimate * used_share)
            limiter.release(call_id, used, now)
            booked.append((now, used - estimate))

    assert_within_rate(booked, 1200, 1200)


@given(arrivals, st.integers(0, 1200))
def test_who_waits_as_told_is_admitted(
    calls: list[tuple[float, int]], tokens: int
) -> None:
    limiter = Limiter(LimitConfig(requests_per_minute=7, tokens_per_minute=1200))
    now = 0.0
    for n, (gap_s, more) in enumerate(calls):
        now += gap_s
        limiter.admit(f"{n}", more, now)

    wait_s = limiter.would_wait(now, tokens)

    assert limiter.admit("patient", tokens, now + wait_s) == 0.0


def test_what_was_not_used_is_given_back() -> None:
    limiter = Limiter(LimitConfig(tokens_per_minute=600))
    limiter.admit("a", 600, 0.0)
    assert limiter.would_wait(0.0, 100) == pytest.approx(10.0)

    limiter.release("a", 200, 0.0)

    assert limiter.would_wait(0.0, 400) == 0.0
    assert limiter.would_wait(0.0, 410) == pytest.approx(1.0)


def test_what_was_used_beyond_the_estimate_is_paid_off_later() -> None:
    limiter = Limiter(LimitConfig(tokens_per_minute=600))
    limiter.admit("a", 100, 0.0)

    limiter.release("a", 1300, 0.0)

    assert limiter.would_wait(0.0, 0) == pytest.approx(70.0)


def test_an_unknown_use_leaves_the_estimate() -> None:
    limiter = Limiter(LimitConfig(tokens_per_minute=600))
    limiter.admit("a", 600, 0.0)

    limiter.release("a", None, 0.0)

    assert limiter.would_wait(0.0, 10) == pytest.approx(1.0)


def test_giving_back_never_overfills_the_bucket() -> None:
    limiter = Limiter(LimitConfig(tokens_per_minute=600))
    limiter.admit("a", 600, 0.0)

    limiter.release("a", 0, 1000.0)
    limiter.admit("b", 600, 1000.0)

    assert limiter.would_wait(1000.0, 600) == pytest.approx(60.0)


def test_more_than_a_minutes_limit_never_fits() -> None:
    limiter = Limiter(LimitConfig(tokens_per_minute=600))

    assert limiter.admit("a", 601, 0.0) == inf
    assert limiter.in_flight == 0


def test_more_than_the_burst_goes_when_the_bucket_is_full() -> None:
    limiter = Limiter(LimitConfig(tokens_per_minute=600, burst_s=10.0))

    assert limiter.admit("a", 500, 0.0) == 0.0

    assert limiter.would_wait(0.0, 500) == pytest.approx(50.0)
    assert limiter.would_wait(0.0, 1) == pytest.approx(40.1)


@pytest.mark.parametrize(
    "config",
    [UNLIMITED, LimitConfig(concurrency=1, requests_per_minute=1, tokens_per_minute=9)],
)
def test_a_call_that_was_never_sent_leaves_no_trace(config: LimitConfig) -> None:
    limiter = Limiter(config)
    for _ in range(3):
        assert limiter.admit("a", 9, 0.0) == 0.0
        limiter.withdraw("a", 0.0)
        limiter.withdraw("a", 0.0)

    assert limiter.in_flight == 0
    assert limiter.dump(0.0) == LimiterState()


# 429 -------------------------------------------------------------------------


def test_retry_after_is_kept_to() -> None:
    limiter = Limiter(UNLIMITED)

    limiter.rate_limited(12.0, 100.0)
    limiter.rate_limited(3.0, 100.0)

    assert limiter.blocked_until == 112.0
    assert limiter.admit("a", 0, 111.0) == pytest.approx(1.0)
    assert limiter.admit("a", 0, 112.0) == 0.0


@pytest.mark.parametrize("retry_after_s", [None, inf, nan])
def test_without_retry_after_the_cool_down_doubles_to_a_minute(
    retry_after_s: float | None,
) -> None:
    limiter = Limiter(UNLIMITED)
    now, delays = 0.0, []
    for _ in range(9):
        limiter.rate_limited(retry_after_s, now)
        delays.append(limiter.blocked_until - now)
        now = limiter.blocked_until

    assert delays == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_refusals_of_calls_sent_together_double_once() -> None:
    limiter = Limiter(UNLIMITED)
    for _ in range(10):
        limiter.rate_limited(None, 0.0)

    limiter.rate_limited(None, 1.0)

    assert limiter.blocked_until == 3.0


def test_a_success_resets_the_doubling() -> None:
    limiter = Limiter(UNLIMITED)
    limiter.rate_limited(None, 0.0)
    limiter.rate_limited(None, 1.0)

    limiter.succeeded(2.0)  # sent before the cool-down: says nothing
    assert limiter.blocked_until == 3.0
    limiter.succeeded(3.0)
    limiter.rate_limited(None, 3.0)

    assert limiter.blocked_until == 4.0


# Surviving a restart ---------------------------------------------------------


def test_a_restored_limiter_waits_out_what_remained() -> None:
    config = LimitConfig(requests_per_minute=60, tokens_per_minute=600)
    limiter = Limiter(config)
    for n in range(60):
        limiter.admit(f"{n}", 10, 500.0)
    limiter.rate_limited(None, 500.0)
    limiter.rate_limited(None, 501.0)
    wire = msgspec.msgpack.encode(limiter.dump(502.0))

    state = msgspec.msgpack.decode(wire, type=LimiterState)
    restored = Limiter.restore(config, state, 7.0)

    assert restored.in_flight == 0
    assert restored.dump(7.0) == limiter.dump(502.0)
    assert restored.would_wait(7.0, 30) == pytest.approx(limiter.would_wait(502.0, 30))


def test_limits_that_are_new_after_a_restart_start_full() -> None:
    state = Limiter(UNLIMITED).dump(0.0)

    assert state == LimiterState()
    restored = Limiter.restore(LimitConfig(requests_per_minute=1), state, 9.0)
    assert restored.admit("a", 0, 9.0) == 0.0
    assert Limiter.restore(UNLIMITED, state, 9.0).admit("a", 0, 9.0) == 0.0
