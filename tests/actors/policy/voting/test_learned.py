from collections.abc import Sequence
from random import Random

import pytest
from msgspec.structs import replace

from actors.messages.consensus import Ballot, ConsensusInfo, IndependentVotes
from actors.policy.voting import learned as module
from actors.policy.voting.fitting import MIN_LABELS, Fitting
from actors.policy.voting.learned import MIN_RATED, REFIT_SHARE, Learned
from actors.policy.voting.likelihood import Round
from actors.policy.voting.weights import JointWeights, length_of


def info(*groups: tuple[str, ...], winner: int | None = 0) -> ConsensusInfo:
    return ConsensusInfo(
        method="weighted",
        kind="number",
        rule="x",
        agreement=0.5,
        confidence=None,
        winner=winner,
        groups=groups,
        ballots=(),
    )


def refit(learned: Learned) -> int:
    """To the end; how many slices it took."""
    return len(list(learned.refit(lambda _: {})))


def taught(count: int, good: str = "good") -> Learned:
    """Two members that mostly differ; ``good`` is right."""
    learned = Learned()
    random = Random(3)
    for number in range(count):
        right = random.random() < 0.9
        found = info(("good",), ("poor",), winner=0 if good == "good" else 1)
        learned.learn(f"d{number}", found, "law", 1.0 if right else 0.0)
    return learned


def test_a_good_score_says_who_was_right_and_a_bad_one_who_was_not() -> None:
    learned = Learned()
    learned.learn("d1", info(("a",), ("b",)), "law", 0.5)
    learned.learn("d2", info(("a",), ("b",)), None, 0.49)

    assert list(learned._pages.rounds()) == [
        Round((("a",), ("b",)), 0, "law"),
        Round((("a",), ("b",)), None, "", (0,)),
    ]
    assert learned.stale


def test_the_lengths_of_answers_are_kept_with_the_round() -> None:
    ballots = tuple(
        Ballot(member=name, state="answered", chars=chars)
        for name, chars in (("a", 99), ("b", None))
    )
    learned = Learned()
    told = replace(info(("a",), ("b",)), ballots=ballots)
    learned.learn("d1", told, "law", 1.0)

    assert [each.lengths for each in learned._pages.rounds()] == [{"a": length_of(99)}]


def test_another_fit_is_due_when_a_fiftieth_is_new() -> None:
    learned = taught(REFIT_SHARE * 2)
    refit(learned)
    due = []
    for number in range(3):
        learned.learn(f"new{number}", info(("good",), ("poor",)), "law", 1.0)
        due.append(learned.stale)

    assert due == [False, False, True]


def test_a_fit_begins_with_the_weights_before(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = taught(MIN_LABELS)
    learned.weights = JointWeights(members={"good": 7.0, "poor": -7.0})
    begun = []

    class Told(Fitting):
        def __init__(self, rounds: Sequence[Round], *, start: JointWeights) -> None:
            begun.append(start.members)
            super().__init__(rounds, start=start)

    monkeypatch.setattr(module, "Fitting", Told)
    refit(learned)

    assert begun == [{"good": 7.0, "poor": -7.0}]
    assert learned.weights.members != begun[0]


def test_a_later_score_of_a_round_replaces_the_earlier() -> None:
    learned = Learned()
    for score in (1.0, 0.0):
        learned.learn("d1", info(("a",), ("b",)), None, score)

    assert [each.wrong for each in learned._pages.rounds()] == [(0,)]


def test_an_answer_that_is_no_members_own_teaches_nothing() -> None:
    learned = Learned()
    learned.learn("d1", info(("a",), ("b",), winner=None), None, 1.0)

    assert not learned.stale


def test_too_few_labels_have_no_weights() -> None:
    learned = taught(MIN_LABELS - 1)

    refit(learned)

    assert learned.weights is None
    assert not learned.stale


def test_who_is_right_more_often_gets_more_weight() -> None:
    learned = taught(MIN_LABELS * 2)
    assert refit(learned) > 3
    assert learned.weights is not None
    members = learned.weights.members

    assert members["good"] > members["poor"]


def test_what_is_kept_can_be_read_back() -> None:
    learned = taught(5)
    again = Learned(learned.changes().values())

    assert again._pages.rounds() == learned._pages.rounds()
    assert again.stale


def test_what_was_never_kept_is_nothing() -> None:
    assert not Learned([None]).stale


def worth(*told: tuple[ConsensusInfo, float]) -> IndependentVotes:
    """Of two ballots, after these labels."""
    learned = Learned()
    for number, (found, score) in enumerate(told):
        learned.learn(f"d{number}", found, None, score)
    refit(learned)
    return learned.worth(2)


TOGETHER = info(("a", "b"))
APART = info(("a",), ("b",))


def test_votes_of_members_that_err_together_are_worth_one() -> None:
    labels = [(TOGETHER, score) for score in (1.0, 0.0)] * (MIN_RATED // 2)

    assert worth(*labels) == IndependentVotes(at_least=1.0, at_most=1.0)


def test_rounds_whose_answer_was_wrong_count_among_them() -> None:
    """Where the two differ one errs; where they agree both are wrong as often as not."""
    differ = [(APART, 1.0), (info(("a",), ("b",), winner=1), 1.0)] * 5
    found = worth(*differ, *[(TOGETHER, 1.0), (TOGETHER, 0.0)] * 10)

    assert found.at_least == found.at_most == pytest.approx(2 / (1 + 1 / 3), abs=0.01)


def test_what_a_wrong_answer_leaves_open_has_a_least_and_a_most() -> None:
    """``b`` may have been right or wrong in each of the rounds ``a`` lost."""
    known = [(TOGETHER, 1.0)] * 15 + [(TOGETHER, 0.0)] * 5
    found = worth(*known, *[(APART, 0.0)] * 3)

    assert found.at_least == pytest.approx(1.0)
    assert found.at_most is not None
    assert 1.1 < found.at_most < 1.3
    assert found.unknown is None


def test_a_third_who_dissents_alone_is_taken_for_wrong_only_where_that_is_known() -> (
    None
):
    open_ = info(("a",), ("b",), ("c",))
    learned = Learned()
    learned.learn("d", open_, None, 0.0)
    learned.learn("e", open_, None, 1.0)

    assert [module._truths(each) for each in learned._pages.rounds()] == [
        {"a": 0, "b": -2, "c": -3},
        {"a": 1, "b": 0, "c": 0},
    ]


def test_why_nothing_is_known_of_independence_is_said() -> None:
    few = worth(*[(TOGETHER, 0.0)] * (MIN_RATED - 1))
    never = worth(*[(TOGETHER, 1.0)] * MIN_RATED)
    learned = Learned()
    for number in range(MIN_RATED):
        learned.learn(f"d{number}", TOGETHER, None, 1.0)

    assert few.unknown == f"{MIN_RATED - 1} labelled rounds, {MIN_RATED} are needed"
    assert never.unknown == "no two members are both known to have been right and wrong"
    assert learned.worth(2).unknown == "the labelled rounds are still being counted"
    for each in (few, never):
        assert (each.at_least, each.at_most) == (None, None)
