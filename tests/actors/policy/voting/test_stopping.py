import pytest
from hypothesis import given, strategies as st

from actors.policy.voting.stopping import cheap_first, reached, settled
from actors.policy.voting.weights import Posterior


@pytest.mark.parametrize(
    ("counts", "remaining", "certain"),
    [
        ([2], 1, True),
        ([2], 2, False),
        ([2, 1], 1, False),
        ([3, 1], 1, True),
        ([1, 1], 0, False),
        ([2, 1], 0, True),
        ([], 1, False),
        ([], 0, True),
    ],
)
def test_settled_means_the_rest_cannot_change_who_is_first(
    counts: list[float], remaining: float, certain: bool
) -> None:
    assert settled(counts, remaining) is certain


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.lists(st.integers(0, 4), max_size=5),
)
def test_nothing_that_comes_after_settled_overturns_the_leader(
    counts: list[int], later: list[int]
) -> None:
    if not settled(counts, len(later)):
        return
    leader = counts.index(max(counts))
    after = [*counts, 0]
    for place in later:
        after[min(place, len(counts))] += 1

    assert after.index(max(after)) == leader


def test_reached_asks_the_leading_answer_only() -> None:
    assert reached(Posterior((0.8, 0.1), 0.1), 0.8)
    assert not reached(Posterior((0.7, 0.2), 0.1), 0.8)
    assert not reached(Posterior((), 1.0), 0.0)


def test_two_cheap_good_ones_are_asked_before_the_best() -> None:
    order = cheap_first(
        ["best", "cheap", "fair", "poor"],
        {"best": 10.0, "cheap": 1.0, "fair": 2.0, "poor": 0.1},
        {"best": 0.8, "cheap": 0.7, "fair": 0.72, "poor": 0.4},
    )

    assert order == ("cheap", "fair", "best", "poor")


def test_two_members_have_no_order_to_choose() -> None:
    assert cheap_first(["b", "a"], {}, {}) == ("b", "a")


def test_an_unknown_price_counts_as_the_dearest() -> None:
    order = cheap_first(
        ["best", "unknown", "cheap", "dear"],
        {"best": 5.0, "cheap": 1.0, "dear": 5.0},
        {"best": 0.9, "unknown": 0.9, "cheap": 0.9, "dear": 0.9},
    )

    assert order[0] == "cheap"
