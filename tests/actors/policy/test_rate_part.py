"""A daemon's own part of a common rate."""

from math import inf

import pytest
from hypothesis import given, strategies as st

from actors.policy.limits import LimitConfig, Limiter
from actors.policy.rate_part import Owed, RatePart

SIXTY = LimitConfig(requests_per_minute=60, tokens_per_minute=6000)


def taken(part: RatePart, now: float, tokens: int = 0, prefix: str = "") -> int:
    """How many calls it lets through now."""
    n = 0
    while part.take(f"{prefix}{now}-{n}", tokens, now) == 0.0:
        n += 1
    return n


def test_each_of_three_has_a_third() -> None:
    part = RatePart(SIXTY, 3, 0.0, 0.0, 0.0)

    assert taken(part, 0.0) == 20
    assert part.closed_s(0.0) == pytest.approx(3.0)
    assert part.take("later", 0, 3.0) == 0.0
    assert part.take("sooner", 0, 3.0) == pytest.approx(3.0)


def test_it_goes_on_from_where_the_common_bucket_was() -> None:
    part = RatePart(SIXTY, 2, 30.0, -5.0, 0.0)

    assert (
        taken(part, 0.0) == 15
    )  # half of the minute is used, half of the rest is ours


def test_tokens_are_parted_too_and_given_back() -> None:
    part = RatePart(SIXTY, 2, 0.0, 0.0, 0.0)

    assert taken(part, 0.0, tokens=1000) == 3
    assert part.take("more", 1000, 0.0) == pytest.approx(20.0)
    part.settle("0.0-0", 0, 0.0, called=True)
    assert part.take("again", 1000, 0.0) == 0.0
    part.settle("again", None, 0.0, called=False)
    owed = part.owed(0.0)
    assert (owed.requests, owed.tokens) == pytest.approx((3.0, 2000.0))


def test_what_is_owed_flows_back() -> None:
    part = RatePart(SIXTY, 2, 30.0, 0.0, 0.0)
    part.take("one", 0, 0.0)

    assert part.owed(0.0).requests == pytest.approx(1.0)
    assert part.owed(1.0).requests == pytest.approx(0.5)
    assert part.owed(100.0) == Owed(0.0, 0.0)


def test_what_is_not_limited_is_not_owed() -> None:
    part = RatePart(LimitConfig(requests_per_minute=60), 2, 0.0, 0.0, 0.0)
    part.take("one", 10**9, 0.0)

    assert part.owed(0.0).tokens == 0.0


def test_more_than_a_part_holds_in_a_minute_never_fits() -> None:
    assert RatePart(SIXTY, 3, 0.0, 0.0, 0.0).take("huge", 3000, 0.0) == inf


def test_no_daemon_counts_places_here() -> None:
    part = RatePart(LimitConfig(concurrency=0, requests_per_minute=60), 1, 0, 0, 0.0)

    assert part.take("one", 0, 0.0) == 0.0


@given(
    st.integers(1, 5),
    st.floats(0.0, 60.0),
    st.lists(st.tuples(st.floats(0.0, 5.0), st.integers(0, 4)), max_size=80),
)
def test_all_parts_together_stay_within_the_common_rate(
    parts: int, behind_s: float, story: list[tuple[float, int]]
) -> None:
    limits = LimitConfig(requests_per_minute=60)
    members = [RatePart(limits, parts, behind_s, 0.0, 0.0) for _ in range(parts)]
    now, count = 0.0, 0
    for step, (gap_s, who) in enumerate(story):
        now += gap_s
        count += taken(members[who % parts], now, prefix=str(step))
        # As one bucket that was as far behind, and has been drained since.
        assert count <= 60.0 - behind_s + now + 1e-6


def test_one_part_is_the_common_rate() -> None:
    whole, part = Limiter(SIXTY), RatePart(SIXTY, 1, 0.0, 0.0, 0.0)
    for n in range(100):
        now = n * 0.4
        assert part.take(str(n), 50, now) == whole.admit(str(n), 50, now)
