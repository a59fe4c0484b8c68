"""What a provider says it allows: taken for the truth, less what it cannot know yet."""

import pytest
from hypothesis import given, strategies as st

from actors.messages.provider import Allowance, RateLimits
from actors.policy.allowance import Allowances


def said(
    remaining: float, limit: float | None = 60.0, reset_s: float | None = None
) -> RateLimits:
    """Of requests; all come back within a minute, in proportion, unless said."""
    if reset_s is None and limit is not None:
        reset_s = 60.0 * (limit - remaining) / limit
    return RateLimits(
        requests=Allowance(limit=limit, remaining=remaining, reset_s=reset_s)
    )


def heard(limits: RateLimits, now: float = 0.0) -> Allowances:
    """After one call with these headers in its answer."""
    allowances = Allowances()
    allowances.sent("first", 0, now)
    allowances.heard("first", limits, now)
    allowances.ended("first")
    return allowances


def calls_now(allowances: Allowances, now: float) -> int:
    """How many calls are allowed at once."""
    count = 0
    while count < 1000 and allowances.would_wait(0, now) == 0.0:
        allowances.sent(f"probe{count}", 0, now)
        count += 1
    return count


def test_before_anything_was_said_everything_is_allowed() -> None:
    allowances = Allowances()

    assert allowances.would_wait(10**9, 0.0) == 0.0
    assert allowances.blocked_until == 0.0
    assert not allowances.counts_tokens


def test_so_many_as_remain_are_allowed() -> None:
    assert calls_now(heard(said(7.0)), 0.0) == 7


def test_what_is_used_up_comes_back_in_proportion() -> None:
    allowances = heard(said(0.0))

    assert allowances.would_wait(0, 0.0) == pytest.approx(1.0)
    assert allowances.blocked_until == pytest.approx(1.0)
    assert calls_now(allowances, 30.0) == 30


def test_never_more_than_the_limit_at_once() -> None:
    assert calls_now(heard(said(30.0)), 10_000.0) == 60


def test_a_limit_for_a_day_is_one_for_a_day() -> None:
    used = RateLimits(
        requests=Allowance(limit=14_400.0, remaining=14_370.0, reset_s=180.0)
    )
    allowances = heard(used)

    assert calls_now(allowances, 0.0) == 1000  # the test stops there
    assert heard(
        RateLimits(requests=Allowance(limit=14_400.0, remaining=0.0, reset_s=86_400.0))
    ).would_wait(0, 0.0) == pytest.approx(6.0)


def test_tokens_count_by_their_number() -> None:
    tokens = RateLimits(tokens=Allowance(limit=6000.0, remaining=1000.0, reset_s=50.0))
    allowances = heard(tokens)

    assert allowances.counts_tokens
    assert allowances.would_wait(1000, 0.0) == 0.0
    assert allowances.would_wait(1500, 0.0) == pytest.approx(5.0)
    assert allowances.would_wait(10**9, 0.0) == pytest.approx(50.0)  # when all is there


# What it cannot know -------------------------------------------------------------------


def test_calls_sent_after_the_one_that_is_answered_are_taken_off() -> None:
    allowances = Allowances()
    for call in ("a", "b", "c"):
        allowances.sent(call, 0, 0.0)

    allowances.heard("a", said(10.0), 0.0)

    assert calls_now(allowances, 0.0) == 8


def test_an_older_answer_that_comes_later_counts_when_it_allows_less() -> None:
    allowances = Allowances()
    for call in ("a", "b"):
        allowances.sent(call, 0, 0.0)
    allowances.heard("b", said(5.0), 0.0)

    allowances.heard("a", said(30.0), 0.0)
    assert allowances.would_wait(0, 0.0) == 0.0
    allowances.heard("a", said(1.0), 0.0)

    assert calls_now(allowances, 0.0) == 0  # the one that remained went to "b"


def test_a_newer_answer_counts_when_it_allows_more() -> None:
    allowances = heard(said(0.0))
    allowances.sent("next", 0, 1.0)

    allowances.heard("next", said(50.0), 1.0)

    assert calls_now(allowances, 1.0) == 50


def test_who_was_never_sent_is_not_listened_to() -> None:
    allowances = Allowances()

    allowances.heard("stranger", said(0.0), 0.0)

    assert allowances.would_wait(0, 0.0) == 0.0


# What is no truth ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits",
    [
        RateLimits(),
        RateLimits(requests=Allowance(limit=8.0, remaining=0.0)),  # xAI, Mistral, Azure
        RateLimits(requests=Allowance(limit=8.0, remaining=-1.0, reset_s=60.0)),
        RateLimits(requests=Allowance(limit=8.0, reset_s=60.0)),
        RateLimits(requests=Allowance(limit=8.0, remaining=0.0, reset_s=-1.0)),
    ],
)
def test_without_a_time_or_a_number_nothing_is_believed(limits: RateLimits) -> None:
    assert heard(limits).would_wait(0, 0.0) == 0.0


def test_without_a_limit_all_that_remains_is_the_limit() -> None:
    assert calls_now(heard(said(5.0, limit=None, reset_s=10.0)), 0.0) == 5
    assert heard(said(0.0, limit=None, reset_s=10.0)).would_wait(
        0, 0.0
    ) == pytest.approx(10.0)


def test_a_full_allowance_says_nothing_about_its_rate() -> None:
    allowances = heard(said(60.0, reset_s=0.0))

    assert calls_now(allowances, 0.0) == 60
    assert allowances.would_wait(0, 0.0) == pytest.approx(1.0)  # taken for a minute's


# Always --------------------------------------------------------------------------------


@given(
    st.integers(0, 60),
    st.lists(st.sampled_from([0.0, 0.1, 0.9, 1.0, 7.0]), max_size=80),
)
def test_at_most_what_remained_and_what_came_back_since_is_sent(
    remaining: int, pauses: list[float]
) -> None:
    allowances, now = heard(said(float(remaining))), 0.0
    left = float(remaining)
    for n, pause_s in enumerate(pauses):
        now += pause_s
        left = min(60.0, left + pause_s)  # one a second comes back
        wait_s = allowances.would_wait(0, now)
        if wait_s == 0.0:
            left -= 1.0
            assert left >= -1e-6
            allowances.sent(f"{n}", 0, now)
        else:
            assert wait_s == pytest.approx(1.0 - left)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), min_size=1, max_size=30)
)
def test_however_answers_cross_the_newest_calls_word_is_the_most_that_is_allowed(
    answers: list[tuple[int, int]],
) -> None:
    allowances = Allowances()
    for call in range(10):
        allowances.sent(f"{call}", 0, 0.0)
    for call, remaining in answers:
        allowances.heard(f"{call}", said(float(remaining)), 0.0)

    newest = max(call for call, _ in answers)
    said_by_newest = max(n for call, n in answers if call == newest)
    assert calls_now(allowances, 0.0) <= max(0, said_by_newest - (9 - newest))
