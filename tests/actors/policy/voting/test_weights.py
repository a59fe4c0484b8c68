from math import isclose

import pytest
from hypothesis import given, strategies as st

from actors.policy.voting.weights import (
    JointWeights,
    LengthWeight,
    Posterior,
    joint_posterior,
    length_of,
    pair_key,
    prior_log_odds,
    prior_posterior,
)

FITTED = JointWeights(
    members={"a": 1.0, "b": 0.5, "c": 0.2},
    pairs={pair_key("b", "c"): -0.4},
    by_type={"law": {"b": 2.0}},
    none=0.3,
    none_by_type={"law": 0.5},
    labels=100,
)


def test_a_group_adds_up_its_members_their_type_and_their_pairs() -> None:
    assert FITTED.log_odds(["b", "c"], None) == pytest.approx(0.3)
    assert FITTED.log_odds(["c", "b"], "law") == pytest.approx(2.3)
    assert FITTED.log_odds(["unknown"], "law") == 0.0


def test_without_pairs_none_are_looked_up() -> None:
    plain = JointWeights(members={"a": 1.0, "b": 2.0})

    assert plain.log_odds(["a", "b"], None) == 3.0


def test_the_bias_of_none_depends_on_the_type() -> None:
    assert FITTED.none_log_odds(None) == 0.3
    assert FITTED.none_log_odds("law") == 0.8


def test_a_pair_has_one_key_whoever_is_named_first() -> None:
    assert pair_key("a", "b") == pair_key("b", "a")


def test_the_posterior_prefers_the_heavier_group() -> None:
    posterior = joint_posterior([["a"], ["b", "c"]], FITTED, None)

    assert posterior.best == 0
    assert posterior.groups[0] > posterior.groups[1]
    assert joint_posterior([["a"], ["b", "c"]], FITTED, "law").best == 1


def test_nobody_has_no_best() -> None:
    assert Posterior((), 1.0).best is None
    assert joint_posterior([], FITTED, None).none == 1.0


def test_of_equals_the_first_is_best() -> None:
    assert Posterior((0.4, 0.4), 0.2).best == 0


def test_priors_outvote_numbers_when_they_are_much_better() -> None:
    accuracy = {"good": 0.95, "one": 0.55, "two": 0.55}

    assert prior_posterior([["one", "two"], ["good"]], accuracy).best == 1


def test_a_member_that_is_mostly_wrong_counts_against_its_answer() -> None:
    posterior = prior_posterior([["bad"]], {"bad": 0.1})

    assert posterior.none > posterior.groups[0]


def test_an_unknown_member_counts_as_a_little_better_than_a_coin() -> None:
    posterior = prior_posterior([["unknown"]], {})

    assert 0.5 < posterior.groups[0] < 0.6


def test_certainty_is_clipped() -> None:
    assert prior_log_odds(1.0) == prior_log_odds(0.99)
    assert prior_log_odds(0.0) == pytest.approx(-prior_log_odds(1.0))


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3), max_size=4),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0.0, 1.0)),
)
def test_probabilities_add_up_to_one(
    groups: list[list[str]], accuracy: dict[str, float]
) -> None:
    for posterior in (
        prior_posterior(groups, accuracy),
        joint_posterior(groups, FITTED, "law"),
    ):
        assert isclose(sum(posterior.groups) + posterior.none, 1.0)
        assert all(0.0 <= each <= 1.0 for each in posterior.groups)


def test_lengths_move_log_odds_by_member_and_type() -> None:
    weights = JointWeights(
        members={"a": 1.0, "b": 1.0},
        lengths={"a": LengthWeight(mean=5.0, spread=0.5, slope=-0.4, bend=0.1)},
        lengths_by_type={"law": {"a": 0.2}},
    )

    def told(length: float, task_type: str | None = None) -> float:
        return weights.log_odds(["a", "b"], task_type, {"a": length, "b": 9.0})

    assert told(5.0) == pytest.approx(2.0 - 0.1)
    assert told(5.5) == pytest.approx(2.0 - 0.4)
    assert told(5.5, "law") == pytest.approx(2.0 - 0.2)
    assert told(99.0) == told(6.5)
    assert weights.log_odds(["a"], "law") == 1.0
    assert weights.log_odds(["a"], "law", {"b": 1.0}) == 1.0


def test_a_length_counts_as_a_logarithm() -> None:
    assert length_of(0) == 0.0
    assert length_of(999) == pytest.approx(6.907755)


def test_what_a_length_may_add_at_least_and_at_most() -> None:
    lengths = {
        "line": LengthWeight(5.0, 1.0, slope=1.0),
        "hill": LengthWeight(5.0, 1.0, slope=0.0, bend=-1.0),
        "flat": LengthWeight(5.0, 1.0),
    }
    typed = {"law": {"line": -2.0}}
    weights = JointWeights(lengths=lengths, lengths_by_type=typed)

    assert weights.worth_of_length("line", None) == (-3.0, 3.0)
    assert weights.worth_of_length("line", "law") == (-3.0, 3.0)
    assert weights.worth_of_length("hill", None) == (-8.0, 1.0)
    assert weights.worth_of_length("flat", None) == (0.0, 0.0)
    assert weights.worth_of_length("nobody", None) == (0.0, 0.0)
