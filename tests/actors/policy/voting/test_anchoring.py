from random import Random

import pytest

from actors.policy.voting import anchoring
from actors.policy.voting.anchoring import MARGIN, anchor
from actors.policy.voting.climbing import finish
from actors.policy.voting.fitting import Fitting, fit
from actors.policy.voting.likelihood import Round
from actors.policy.voting.weights import Anchor, JointWeights, joint_posterior


def rounds(accuracy: dict[str, float], count: int, seed: int = 1) -> list[Round]:
    random = Random(seed)
    made = []
    for _ in range(count):
        said: dict[str, list[str]] = {}
        for name, right in accuracy.items():
            answer = "R" if random.random() < right else random.choice("XYZ")
            said.setdefault(answer, []).append(name)
        place = list(said).index("R") if "R" in said else None
        made.append(Round(tuple(map(tuple, said.values())), place))
    return made


def test_a_member_far_above_the_others_is_held_to() -> None:
    made = rounds({"weak": 0.3, "strong": 0.9, "poor": 0.35}, 300)

    assert fit(made).anchor == Anchor("strong", MARGIN)


def test_where_consensus_is_worth_it_nobody_is() -> None:
    assert fit(rounds({"a": 0.7, "b": 0.7, "c": 0.7}, 300)).anchor is None


def test_what_is_held_to_gives_way_to_what_is_clearly_likelier() -> None:
    weights = JointWeights(
        members={"best": 1.0, "other": 1.2, "third": 0.9}, anchor=Anchor("best", 0.15)
    )
    close = joint_posterior([["other"], ["best"]], weights, None)
    clear = joint_posterior([["other", "third"], ["best"]], weights, None)
    without = joint_posterior([["third"], ["other"]], weights, None)

    assert close.groups[0] > close.groups[1]
    assert close.best == 1
    assert clear.best == 0
    assert without.best == 1


def test_where_only_the_wrong_is_known_the_best_is_who_likely_was_right() -> None:
    weights = JointWeights(members={"a": 2.0, "b": -2.0})
    made = [Round((("a",), ("b",)), None, wrong=(1,))] * 20

    assert finish(anchor(made, weights)) == Anchor("a", MARGIN)


def test_who_was_hardly_ever_asked_is_not_the_best() -> None:
    made = [Round((("a",), ("b",)), 0)] * 20 + [Round((("lucky",), ("b",)), 0)]
    weights = JointWeights(members={"a": 3.0, "b": -3.0})

    assert finish(anchor(made, weights)) == Anchor("a", MARGIN)


@pytest.mark.parametrize("made", [[], [Round((), None)] * 3])
def test_without_answers_there_is_nobody_to_hold_to(made: list[Round]) -> None:
    assert finish(anchor(made, JointWeights())) is None


def test_a_sample_is_looked_at_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    made = rounds({"a": 0.9, "b": 0.5}, 400)
    monkeypatch.setattr(anchoring, "SAMPLE", 150)

    assert len(list(anchor(made, JointWeights(members={"a": 1.0})))) == 3


def test_a_fit_can_do_without() -> None:
    made = rounds({"weak": 0.3, "strong": 0.9, "poor": 0.35}, 300)
    fitting = Fitting(made, anchored=False)
    while not fitting.done:
        fitting.step()

    assert fitting.weights().anchor is None
