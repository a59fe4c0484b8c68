from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, strategies as st

from actors.policy.voting.independence import (
    Correlation,
    correlating,
    effective_votes,
    error_correlation,
)


def test_members_that_always_err_together_correlate_fully() -> None:
    rounds = [{"a": True, "b": True}, {"a": False, "b": False}] * 5

    assert error_correlation(rounds) == Correlation(1.0, 1.0)


def test_members_that_err_apart_do_not_correlate() -> None:
    pairs = [(True, True), (True, False), (False, True), (False, False)]
    rounds = [{"a": one, "b": other} for one, other in pairs]

    assert error_correlation(rounds) == Correlation(0.0, 0.0)


def test_the_mean_is_over_the_pairs_that_say_something() -> None:
    rounds = [
        {"a": True, "b": True, "perfect": True},
        {"a": False, "b": False, "perfect": True},
    ]

    assert error_correlation(rounds) == Correlation(1.0, 1.0)


@pytest.mark.parametrize(
    "rounds",
    [
        [],
        [{"a": True}],
        [{"a": True, "b": True}],
        [{"a": True}, {"b": True}],
        [{"a": False, "b": -1}, {"a": True, "b": True}],
        [{"a": -1, "b": -1}, {"a": True, "b": True}],
    ],
)
def test_without_known_errors_of_a_pair_nothing_is_known(
    rounds: list[dict[str, int]],
) -> None:
    assert error_correlation(rounds) is None


def test_what_is_not_known_has_a_least_and_a_most() -> None:
    """Of the last round: had ``b`` been right, or wrong as ``a`` was."""
    rounds = [{"a": 1, "b": 1}, {"a": 1, "b": 0}, {"a": 0, "b": 0}]
    right = error_correlation([*rounds, {"a": 0, "b": 1}])
    wrong = error_correlation([*rounds, {"a": 0, "b": 0}])

    assert right is not None
    assert wrong is not None
    found = error_correlation([*rounds, {"a": 0, "b": -2}])
    assert found == Correlation(right.least, wrong.most)
    assert right.least < wrong.most


def test_rounds_whose_answer_was_wrong_are_not_left_out() -> None:
    """Two who mostly err together, though not where the answer was right."""
    right = [{"a": 1, "b": 1}] * 10 + [{"a": 1, "b": 0}, {"a": 0, "b": 1}]
    found = error_correlation([*right, *[{"a": 0, "b": 0}] * 10])
    alone = error_correlation(right)

    assert alone is not None
    assert found is not None
    assert alone.most < 0.0
    assert found.least > 0.8


SIDES = st.sampled_from(
    [(1, 1), (1, 0), (0, 1), (0, 0), (0, -1), (-1, 0), (-1, -1), (-1, -2)]
)


def resolved(pair: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Everything that may have been."""
    one, other = pair
    ways = product((0, 1) if one < 0 else (one,), (0, 1) if other < 0 else (other,))
    for way in ways:
        if one >= 0 or other >= 0 or (way[0] == way[1]) == (one == other):
            yield way
    if one < 0 and other < 0 and one != other:
        yield 0, 0


@given(st.lists(SIDES, min_size=1, max_size=7))
def test_the_bounds_are_what_the_truth_may_come_to(
    pairs: list[tuple[int, int]],
) -> None:
    known = [*pairs, (1, 1), (0, 0)]  # so that the pair counts
    found = error_correlation([{"a": a, "b": b} for a, b in known])
    possible = [
        error_correlation([{"a": a, "b": b} for a, b in truth])
        for truth in product(*(set(resolved(pair)) for pair in known))
    ]
    values = [each.least for each in possible if each is not None]

    assert found is not None
    assert found.least == pytest.approx(min(values))
    assert found.most == pytest.approx(max(values))


@pytest.mark.parametrize(
    ("members", "correlation", "worth"),
    [(12, 0.393, 2.255), (4, 0.0, 4.0), (4, 1.0, 1.0), (4, -0.2, 4.0), (1, 0.5, 1.0)],
)
def test_correlated_votes_are_worth_fewer(
    members: int, correlation: float, worth: float
) -> None:
    assert effective_votes(members, correlation) == pytest.approx(worth, abs=0.01)


@given(st.integers(1, 50), st.floats(-1.0, 1.0))
def test_votes_are_worth_at_least_one_and_at_most_themselves(
    members: int, correlation: float
) -> None:
    assert 1.0 - 1e-9 <= effective_votes(members, correlation) <= members + 1e-9


def test_a_slice_is_a_pair_of_members() -> None:
    rounds = [{"a": True, "b": False, "c": True}, {"a": False, "b": True, "c": True}]

    assert len(list(correlating(rounds))) == 3
