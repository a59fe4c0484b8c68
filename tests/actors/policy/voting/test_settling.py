from itertools import product

import pytest
from hypothesis import given, strategies as st

from actors.policy.voting.methods import Evidence, posterior_of
from actors.policy.voting.settling import settled
from actors.policy.voting.weights import Anchor, JointWeights, LengthWeight, pair_key

NAMES = "abcde"


def fitted(**more: object) -> JointWeights:
    return JointWeights(
        members={"a": 1.5, "b": 0.5, "c": 0.5, "d": 0.4, "e": -0.2},
        labels=99,
        **more,  # type: ignore[arg-type]  # a test's own words
    )


@pytest.mark.parametrize(
    ("groups", "waiting", "certain"),
    [
        ([], "", True),
        ([], "a", False),
        (["a"], "", True),
        (["ab"], "c", True),
        (["ab"], "cd", False),
        (["ab", "c"], "d", False),
        (["abc", "d"], "e", True),
        (["a", "b"], "", False),
    ],
)
def test_members_of_whom_nothing_is_known_count_alike(
    groups: list[str], waiting: str, certain: bool
) -> None:
    assert settled(groups, waiting, Evidence()) is certain


def test_two_weak_ones_that_agree_may_still_be_overruled() -> None:
    strong = Evidence(accuracy={"a": 0.9, "b": 0.55, "c": 0.55})

    assert not settled(["bc"], "a", strong)
    assert settled(["a"], "bc", strong)


def test_fitted_weights_are_gone_by() -> None:
    evidence = Evidence(weights=fitted())

    assert not settled(["bc"], "a", evidence)
    assert settled(["ab"], "cd", evidence)
    assert not settled(["ab"], "cz", evidence)  # who was not fitted: by priors, all


def test_a_length_or_a_pair_may_change_it() -> None:
    long = LengthWeight(mean=5.0, spread=1.0, slope=1.0)
    pair = {pair_key("a", "b"): -1.6}

    assert not settled(["ab"], "cd", Evidence(weights=fitted(lengths={"c": long})))
    assert not settled(["a", "c"], "b", Evidence(weights=fitted(pairs=pair)))
    assert settled(["a", "c"], "b", Evidence(weights=fitted()))


def test_who_is_held_to_is_heard() -> None:
    evidence = Evidence(weights=fitted(anchor=Anchor("a", 0.15)))

    assert not settled(["abc"], "e", evidence)
    assert settled(["abc"], "", evidence)


def test_what_is_less_likely_than_no_answer_is_not_settled() -> None:
    assert not settled(["e"], "d", Evidence(weights=fitted()))


@given(
    accuracy=st.dictionaries(st.sampled_from(NAMES), st.floats(0.05, 0.95)),
    said=st.lists(st.integers(0, 2), min_size=1, max_size=4),
)
def test_nothing_that_comes_after_it_is_settled_changes_who_wins(
    accuracy: dict[str, float], said: list[int]
) -> None:
    evidence = Evidence(accuracy=accuracy)
    heard: dict[int, list[str]] = {}
    for name, answer in zip(NAMES, said, strict=False):
        heard.setdefault(answer, []).append(name)
    waiting = NAMES[len(said) :]
    if not settled(list(heard.values()), waiting, evidence):
        return
    before, _ = posterior_of("calibrated", list(heard.values()), evidence)
    assert before.best is not None
    winner = list(heard)[before.best]
    for later in product(range(4), repeat=len(waiting)):
        groups = {answer: list(group) for answer, group in heard.items()}
        for name, answer in zip(waiting, later, strict=True):
            groups.setdefault(answer, []).append(name)
        after, _ = posterior_of("calibrated", list(groups.values()), evidence)
        assert after.best is not None
        assert list(groups)[after.best] == winner
