from random import Random

import pytest

from actors.policy.voting import likelihood
from actors.policy.voting.fitting import Fitting, fit
from actors.policy.voting.likelihood import Round, Shrinkage, Terms
from actors.policy.voting.weights import joint_posterior, length_of

ANSWERS = "RXY"  # R is right


def measured(count: int, task_type: str = "") -> list[Round]:
    """Two that differ; whoever goes on for longer than usual is wrong."""
    random = Random(8)
    made = []
    for _ in range(count):
        lost = random.random() < 0.5
        lengths = {
            "a": length_of(random.randint(*((400, 900) if lost else (50, 200)))),
            "b": length_of(random.randint(*((50, 200) if lost else (400, 900)))),
        }
        right = 1 if lost else 0
        made.append(Round((("a",), ("b",)), right, task_type, lengths=lengths))
    return made


def rounds(
    accuracy: dict[str, float], count: int, seed: int = 1, task_type: str = ""
) -> list[Round]:
    """Members that err independently, each with its own accuracy."""
    random = Random(seed)
    made = []
    for _ in range(count):
        said: dict[str, list[str]] = {}
        for name, right in accuracy.items():
            answer = "R" if random.random() < right else random.choice("XY")
            said.setdefault(answer, []).append(name)
        place = list(said).index("R") if "R" in said else None
        made.append(Round(tuple(map(tuple, said.values())), place, task_type))
    return made


def test_better_members_get_more_weight() -> None:
    weights = fit(rounds({"good": 0.9, "fair": 0.7, "poor": 0.4}, 400)).members

    assert weights["good"] > weights["fair"] > weights["poor"]


def test_the_posterior_is_calibrated() -> None:
    accuracy = {"a": 0.8, "b": 0.7, "c": 0.6}
    weights = fit(rounds(accuracy, 1500, seed=2))
    claimed = right = 0.0
    test = rounds(accuracy, 1500, seed=3)
    for each in test:
        posterior = joint_posterior(each.groups, weights, None)
        best = posterior.best
        assert best is not None
        claimed += posterior.groups[best]
        right += best == each.right

    assert claimed / len(test) == pytest.approx(right / len(test), abs=0.03)


def test_members_that_only_repeat_each_other_are_not_counted_twice() -> None:
    random = Random(5)
    made = []
    for _ in range(600):
        copied = "R" if random.random() < 0.6 else "X"
        own = "R" if random.random() < 0.75 else "X"
        said: dict[str, list[str]] = {}
        for name, answer in (("one", copied), ("echo", copied), ("other", own)):
            said.setdefault(answer, []).append(name)
        place = list(said).index("R") if "R" in said else None
        made.append(Round(tuple(map(tuple, said.values())), place))
    weights = fit(made)

    assert joint_posterior([["one", "echo"], ["other"]], weights, None).best == 1


def test_a_task_type_has_its_own_experts() -> None:
    made = rounds({"a": 0.9, "b": 0.4}, 300, task_type="math")
    made += rounds({"a": 0.4, "b": 0.9}, 300, task_type="law")
    weights = fit(made)

    assert joint_posterior([["a"], ["b"]], weights, "math").best == 0
    assert joint_posterior([["a"], ["b"]], weights, "law").best == 1
    assert set(weights.none_by_type) == {"math", "law"}


def test_types_and_pairs_can_be_left_out() -> None:
    made = rounds({"a": 0.9, "b": 0.6}, 50, task_type="law")
    weights = fit(made, terms=Terms(pairs=False, by_type=False))

    assert weights.pairs == {}
    assert weights.by_type == {}
    assert weights.none_by_type == {}


def test_few_labels_move_little() -> None:
    made = rounds({"a": 1.0, "b": 0.0}, 4)
    shy = fit(made, shrinkage=Shrinkage(member=50.0, by_type=50.0, pair=50.0))

    assert abs(shy.members["a"]) < 0.1 < fit(made).members["a"]


def test_the_number_of_labels_is_told() -> None:
    assert fit(rounds({"a": 0.5}, 7)).labels == 7


def test_no_rounds_fit_nothing() -> None:
    weights = fit([])

    assert weights.members == {}
    assert weights.labels == 0


def test_a_step_after_the_end_changes_nothing() -> None:
    fitting = Fitting(rounds({"a": 0.9, "b": 0.7}, 50))
    while not fitting.done:
        fitting.step()
    before = fitting.weights()
    fitting.step()

    assert fitting.done
    assert fitting.weights() == before


def test_a_fit_can_be_cut_short() -> None:
    made = rounds({"a": 0.9, "b": 0.7, "c": 0.5}, 200)
    short, whole = fit(made, iterations=1), fit(made)

    assert short.members != whole.members


def test_the_order_of_rounds_does_not_matter() -> None:
    made = rounds({"a": 0.9, "b": 0.7}, 100)

    assert fit(made).members == pytest.approx(fit(made[::-1]).members, abs=1e-3)


def test_weights_that_are_told_at_the_start_are_none() -> None:
    assert Fitting(rounds({"a": 0.9}, 5)).weights().members == {}


def test_a_step_is_a_slice_of_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    made = measured(100, "law") + rounds({"a": 0.9, "b": 0.7}, 20)

    def steps() -> int:
        fitting = Fitting(made)
        count = 0
        while not fitting.done:
            fitting.step()
            count += 1
        return count

    whole = steps()
    monkeypatch.setattr(likelihood, "SLICE", 50)

    assert steps() > 5 * whole


def test_who_goes_on_for_longer_than_usual_is_often_lost() -> None:
    made = measured(200, "law")
    weights = fit(made)
    wordy = {"a": length_of(800), "b": length_of(100)}
    terse = {"a": length_of(100), "b": length_of(800)}

    assert joint_posterior([["a"], ["b"]], weights, "law", wordy).best == 1
    assert joint_posterior([["a"], ["b"]], weights, "law", terse).best == 0
    assert set(weights.lengths_by_type["law"]) == {"a", "b"}
    assert weights.lengths["a"].slope < 0.0


def test_lengths_can_be_left_out() -> None:
    assert fit(measured(60), terms=Terms(lengths=False)).lengths == {}


def test_lengths_that_never_differ_say_nothing() -> None:
    made = [Round((("a",), ("b",)), 0, lengths={"a": 5.0})] * 60

    assert fit(made).lengths == {}


def test_a_member_without_a_length_counts_without_it() -> None:
    made = [*measured(60), *[Round((("a",), ("b",)), 0)] * 10]

    assert set(fit(made).lengths) == {"a", "b"}


def test_a_fit_that_begins_where_another_ended_is_there() -> None:
    made = measured(200, "law") + rounds({"a": 0.9, "b": 0.7}, 100, task_type="math")
    before = fit(made)
    again = Fitting(made, start=before)
    while not again.weights().members:
        again.step()

    assert again.weights().by_type == before.by_type
    assert again.weights().lengths == before.lengths
    while not again.done:
        again.step()
    assert again.weights().members == pytest.approx(before.members, abs=0.02)


def test_a_round_of_which_only_the_wrong_is_known_counts_against_it() -> None:
    made = [Round((("liar",), ("other",)), None, "", (0,))] * 60
    weights = fit(made)
    posterior = joint_posterior([["liar"], ["other"]], weights, None)

    assert posterior.best == 1
    assert posterior.groups[0] < 0.1
