from typing import get_args

import pytest
from hypothesis import given, strategies as st

from actors.policy.voting.methods import (
    FREE_TEXT_CONFIDENCE,
    Evidence,
    VotingMethod,
    decide,
    posterior_of,
)
from actors.policy.voting.weights import JointWeights

PRIORS = Evidence(accuracy={"good": 0.95, "one": 0.55, "two": 0.55})
FITTED = Evidence(
    accuracy=PRIORS.accuracy,
    weights=JointWeights(members={"good": 0.1, "one": 1.0, "two": 1.0}, labels=50),
)
SPLIT = [["good"], ["one", "two"]]


def test_majority_takes_most_members_and_claims_no_confidence() -> None:
    decided = decide("majority", SPLIT, PRIORS, ballots=3)

    assert decided.group == 1
    assert decided.confidence is None
    assert decided.agreement == pytest.approx(2 / 3)
    assert decided.rule == "2 of 3"


def test_a_tie_is_broken_by_prior_accuracy() -> None:
    decided = decide("majority", [["one"], ["good"]], PRIORS, ballots=2)

    assert decided.group == 1
    assert "tie" in decided.rule


def test_weighted_may_take_one_good_member_over_two_poor_ones() -> None:
    decided = decide("weighted", SPLIT, PRIORS, ballots=3)

    assert decided.group == 0
    assert decided.confidence is not None
    assert decided.rule == "prior accuracies"


def test_calibrated_goes_by_fitted_weights() -> None:
    decided = decide("calibrated", SPLIT, FITTED, ballots=3)

    assert decided.group == 1
    assert decided.rule == "weights fitted to 50 labels"
    assert decided.posterior is not None


@pytest.mark.parametrize(
    "evidence",
    [
        PRIORS,
        Evidence(weights=JointWeights(members={"good": 1.0}, labels=500)),
        Evidence(
            weights=JointWeights(
                members={"good": 1.0, "one": 1.0, "two": 1.0}, labels=49
            )
        ),
    ],
)
def test_calibrated_falls_back_to_priors_and_says_so(evidence: Evidence) -> None:
    _, rule = posterior_of("calibrated", SPLIT, evidence)

    assert rule.startswith("prior accuracies: no weights for these yet")


def test_best_of_takes_the_best_prior_whoever_agrees() -> None:
    decided = decide("best_of", SPLIT, PRIORS, ballots=3)

    assert decided.group == 0
    assert decided.confidence == FREE_TEXT_CONFIDENCE
    assert decided.rule == "best prior: good"


def test_a_best_prior_that_is_not_known_has_no_confidence() -> None:
    decided = decide("best_of", [["x"], ["y"]], Evidence(), ballots=2)

    assert decided.group == 0
    assert decided.confidence is None


@pytest.mark.parametrize("method", get_args(VotingMethod))
def test_without_a_ballot_nobody_wins(method: VotingMethod) -> None:
    decided = decide(method, [], PRIORS, ballots=2)

    assert decided.group is None
    assert decided.agreement == 0.0


@given(
    st.sampled_from(get_args(VotingMethod)),
    st.lists(st.sampled_from("abcdef"), min_size=1, unique=True).flatmap(
        lambda names: st.lists(
            st.integers(0, 2), min_size=len(names), max_size=len(names)
        ).map(lambda places: _groups(names, places))
    ),
)
def test_a_verdict_is_a_group_that_exists_with_honest_shares(
    method: VotingMethod, groups: list[list[str]]
) -> None:
    ballots = sum(map(len, groups)) + 1
    decided = decide(method, groups, Evidence(accuracy={"a": 0.9}), ballots=ballots)

    assert decided.group is not None
    assert decided.agreement == len(groups[decided.group]) / ballots
    assert decided.confidence is None or 0.0 <= decided.confidence <= 1.0


@given(st.permutations(["a", "b", "c", "d"]))
def test_everybody_of_one_opinion_wins_by_every_method(names: list[str]) -> None:
    for method in get_args(VotingMethod):
        decided = decide(method, [names], Evidence(), ballots=4)

        assert decided.group == 0
        assert decided.agreement == 1.0


def _groups(names: list[str], places: list[int]) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for name, place in zip(names, places, strict=True):
        groups.setdefault(place, []).append(name)
    return list(groups.values())
