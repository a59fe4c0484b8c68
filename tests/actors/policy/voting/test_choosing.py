from random import Random

import pytest

from actors.policy.voting import choosing
from actors.policy.voting.choosing import MAX_CALLS, candidates, plan_for, plan_with
from actors.policy.voting.climbing import finish
from actors.policy.voting.likelihood import Round
from actors.policy.voting.planning import Answered, run_plan, steps_of
from actors.policy.voting.weights import length_of

USD = {"cheap": 1.0, "fair": 2.0, "best": 10.0}
MEMBERS = list(USD)


def recorded(
    count: int, seed: int = 1, accuracy: dict[str, float] | None = None
) -> list[Answered]:
    random = Random(seed)
    accuracy = accuracy or {"cheap": 0.7, "fair": 0.7, "best": 0.9}
    return [
        Answered(
            said={
                name: "R" if random.random() < right else random.choice("XY")
                for name, right in accuracy.items()
            },
            right="R",
            usd={**USD, "poor": 20.0},
            lengths={"best": length_of(random.randint(50, 500))},
        )
        for _ in range(count)
    ]


def test_each_step_has_weights_of_its_own() -> None:
    plan = finish(plan_with(recorded(200), steps_of(MEMBERS), 0.8))

    assert [set(each.members) for each in plan.weights] == [
        {"cheap", "fair"},
        {"cheap", "fair", "best"},
    ]
    assert [set(each.lengths) for each in plan.weights] == [set(), {"best"}]


def test_any_two_of_the_first_may_be_asked_first() -> None:
    found = candidates("abc")

    assert found == [
        (("a", "b"), ("c",)),
        (("a", "c"), ("b",)),
        (("b", "c"), ("a",)),
    ]
    assert candidates("ab") == [(("a", "b"),)]
    assert len(candidates("abcdefgh")) == 6


def test_the_plan_keeps_within_its_means_and_is_better_than_the_cheap_ones() -> None:
    plan = finish(plan_for(recorded(500), MEMBERS, USD))
    test = recorded(500, seed=2)
    ran = [run_plan(plan, each) for each in test]

    assert sum(each.calls for each in ran) / len(ran) < MAX_CALLS + 0.1
    assert sum(each.usd for each in ran) / len(ran) < 0.8 * USD["best"]
    right = sum(each.answer == "R" for each in ran)
    assert right > sum(each.said["cheap"] == "R" for each in test) + 50
    assert plan.steps == (("cheap", "fair"), ("best",))


def test_without_prices_money_is_no_matter() -> None:
    plan = finish(plan_for(recorded(400), MEMBERS, {}))

    assert "best" in plan.steps[0]


def test_who_is_better_at_this_is_asked_first() -> None:
    accuracy = {"cheap": 0.3, "fair": 0.85, "best": 0.9, "other": 0.85}
    rounds = recorded(400, accuracy=accuracy)
    usd = dict.fromkeys(accuracy, 1.0)
    plan = finish(plan_for(rounds, list(accuracy), usd))

    assert "cheap" not in plan.steps[0]


def test_where_nothing_keeps_within_its_means_the_most_accurate_is_taken() -> None:
    usd = {"cheap": 10.0, "best": 10.0}
    rounds = [Answered(said=each.said, right="R", usd=usd) for each in recorded(100)]
    plan = finish(plan_for(rounds, ["cheap", "best"], usd))

    assert plan.steps == (("cheap", "best"),)


def test_where_only_the_wrong_is_known_what_is_likely_counts() -> None:
    random = Random(4)
    rounds = []
    for _ in range(200):
        sure = random.random() < 0.8
        groups = (("cheap", "fair"), ("best",))
        told = Round(groups, None, "", (0,)) if sure else Round(groups, 1)
        rounds.append(Answered.of(told, USD))
    plan = finish(plan_for(rounds, MEMBERS, {}))

    assert all(run_plan(plan, each).answer == "1" for each in rounds)


def test_it_is_done_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = recorded(100)
    whole = len(list(plan_for(rounds, MEMBERS, USD)))
    monkeypatch.setattr(choosing, "AT_ONCE", 5)

    assert len(list(plan_for(rounds, MEMBERS, USD))) > whole + 50


def test_who_is_not_worth_a_call_is_never_asked() -> None:
    accuracy = {"cheap": 0.7, "fair": 0.7, "best": 0.9, "poor": 0.1}
    rounds = recorded(300, accuracy=accuracy)
    plan = finish(plan_for(rounds, list(accuracy), {**USD, "poor": 20.0}))

    assert [set(step) for step in plan.steps] == [{"cheap", "fair"}, {"best"}]
