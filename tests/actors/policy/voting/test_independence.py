import pytest
from hypothesis import given, strategies as st

from actors.policy.voting.independence import (
    correlating,
    effective_votes,
    error_correlation,
)


def test_members_that_always_err_together_correlate_fully() -> None:
    rounds = [{"a": True, "b": True}, {"a": False, "b": False}] * 5

    assert error_correlation(rounds) == pytest.approx(1.0)


def test_members_that_err_apart_do_not_correlate() -> None:
    pairs = [(True, True), (True, False), (False, True), (False, False)]
    rounds = [{"a": one, "b": other} for one, other in pairs]

    assert error_correlation(rounds) == pytest.approx(0.0)


def test_the_mean_is_over_the_pairs_that_say_something() -> None:
    rounds = [
        {"a": True, "b": True, "perfect": True},
        {"a": False, "b": False, "perfect": True},
    ]

    assert error_correlation(rounds) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "rounds", [[], [{"a": True}], [{"a": True, "b": True}], [{"a": True}, {"b": True}]]
)
def test_without_errors_of_a_pair_nothing_is_known(
    rounds: list[dict[str, bool]],
) -> None:
    assert error_correlation(rounds) is None
    assert effective_votes(3, error_correlation(rounds)) is None


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
    worth = effective_votes(members, correlation)

    assert worth is not None
    assert 1.0 - 1e-9 <= worth <= members + 1e-9


def test_a_slice_is_a_pair_of_members() -> None:
    rounds = [{"a": True, "b": False, "c": True}, {"a": False, "b": True, "c": True}]

    assert len(list(correlating(rounds))) == 3
