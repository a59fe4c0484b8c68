from random import Random

import pytest

from actors.policy.voting.fitting import Fitting, Round, Shrinkage, fit
from actors.policy.voting.weights import joint_posterior

ANSWERS = "RXY"  # R is right


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
    weights = fit(made, pairs=False, by_type=False)

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


def test_the_slope_is_that_of_the_loss() -> None:
    made = rounds({"a": 0.8, "b": 0.6, "c": 0.5}, 30, task_type="law")
    fitting = Fitting(made)
    size = len(fitting._weights)
    point = [0.1 * (n % 5) - 0.2 for n in range(size)]
    _, slope = fitting._evaluate(point)
    for place in range(size):
        up, down = list(point), list(point)
        up[place] += 1e-5
        down[place] -= 1e-5
        numeric = (fitting._evaluate(up)[0] - fitting._evaluate(down)[0]) / 2e-5

        assert slope[place] == pytest.approx(numeric, abs=1e-4)


def test_every_step_goes_down_and_it_ends() -> None:
    fitting = Fitting(rounds({"a": 0.9, "b": 0.7, "c": 0.5}, 200))
    losses = []
    while not fitting.done:
        losses.append(fitting._loss)
        fitting.step()

    assert losses == sorted(losses, reverse=True)
    assert len(losses) < 40
    assert max(abs(each) for each in fitting._slope) < 0.5


def test_a_step_at_the_top_changes_nothing() -> None:
    fitting = Fitting(rounds({"a": 0.9, "b": 0.7}, 50))
    for _ in range(200):
        fitting.step()
    before = fitting.weights()
    fitting.step()

    assert fitting.done
    assert fitting.weights().members == pytest.approx(before.members, abs=1e-6)


def test_the_order_of_rounds_does_not_matter() -> None:
    made = rounds({"a": 0.9, "b": 0.7}, 100)

    assert fit(made).members == pytest.approx(fit(made[::-1]).members, abs=1e-3)


def test_weights_that_are_told_at_the_start_are_none() -> None:
    assert set(Fitting(rounds({"a": 0.9}, 5)).weights().members.values()) == {0.0}


def test_a_round_of_which_only_the_wrong_is_known_counts_against_it() -> None:
    made = [Round((("liar",), ("other",)), None, "", (0,))] * 60
    weights = fit(made)
    posterior = joint_posterior([["liar"], ["other"]], weights, None)

    assert posterior.best == 1
    assert posterior.groups[0] < 0.1


def test_what_is_possible_of_a_round() -> None:
    groups = (("a",), ("b",))

    assert Round(groups, 1).possible() == (1,)
    assert Round(groups, None).possible() == (2,)
    assert Round(groups, None, wrong=(0,)).possible() == (1, 2)
