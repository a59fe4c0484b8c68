from random import Random

import pytest

from actors.policy.voting.likelihood import Round
from actors.policy.voting.planning import (
    Answered,
    Plan,
    Ran,
    choose_plan,
    plan_with,
    run_plan,
    steps_of,
)
from actors.policy.voting.weights import JointWeights

USD = {"cheap": 1.0, "fair": 2.0, "best": 10.0}


def recorded(count: int, seed: int = 1) -> list[Answered]:
    random = Random(seed)
    accuracy = {"cheap": 0.7, "fair": 0.7, "best": 0.9}
    return [
        Answered(
            said={
                name: "R" if random.random() < right else random.choice("XY")
                for name, right in accuracy.items()
            },
            right="R",
            usd=USD,
        )
        for _ in range(count)
    ]


def test_a_round_knows_its_groups_and_who_was_right() -> None:
    each = Answered(said={"a": "R", "b": "X", "c": "R"}, right="R", task_type="law")

    assert each.groups(["a", "b", "c", "silent"]) == (["R", "X"], [["a", "c"], ["b"]])
    assert each.as_round(["b", "a"]) == Round((("b",), ("a",)), 1, "law")
    assert each.as_round(["b"]) == Round((("b",),), None, "law")


def test_steps_ask_some_together_and_then_one_at_a_time() -> None:
    assert steps_of("abcd") == (("a", "b"), ("c",), ("d",))
    assert steps_of("ab", together=1) == (("a",), ("b",))


SURE = JointWeights(members={"a": 3.0, "b": 3.0, "c": 3.0}, labels=9)


def test_a_plan_stops_when_two_agree_and_bills_only_who_was_asked() -> None:
    plan = Plan(steps=(("a", "b"), ("c",)), tau=0.9, weights=(SURE, SURE))
    usd = {"a": 1.0, "b": 2.0, "c": 10.0}
    agree = Answered(said={"a": "R", "b": "R", "c": "X"}, right="R", usd=usd)
    differ = Answered(said={"a": "R", "b": "X", "c": "R"}, right="R", usd=usd)

    assert run_plan(plan, agree).calls == 2
    assert run_plan(plan, agree).usd == 3.0
    ran = run_plan(plan, differ)
    assert (ran.answer, ran.calls, ran.usd) == ("R", 3, 13.0)


def test_where_nobody_says_anything_there_is_no_answer() -> None:
    plan = Plan(steps=(("a",),), tau=0.9, weights=(SURE,))

    assert run_plan(plan, Answered(said={}, right="R")) == Ran(None, 0.0, 1, 0.0)


def test_a_plan_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        run_plan(Plan(steps=(), tau=0.5, weights=()), Answered(said={}, right="R"))


def test_each_step_has_weights_of_its_own() -> None:
    plan = plan_with(recorded(200), steps_of(["cheap", "fair", "best"]), 0.8)

    assert [set(each.members) for each in plan.weights] == [
        {"cheap", "fair"},
        {"cheap", "fair", "best"},
    ]


def test_the_chosen_plan_keeps_within_its_means() -> None:
    rounds = recorded(400)
    steps = steps_of(["cheap", "fair", "best"])
    free = choose_plan(rounds, [steps], max_calls=9.0, max_usd=99.0)
    thrifty = choose_plan(rounds, [steps], max_calls=2.6, max_usd=99.0)

    assert free is not None
    assert thrifty is not None
    test = recorded(400, seed=2)
    calls = [run_plan(thrifty, each).calls for each in test]
    assert sum(calls) / len(calls) < 2.75
    right = [run_plan(free, each).answer == "R" for each in test]
    alone = [each.said["cheap"] == "R" for each in test]
    assert sum(right) > sum(alone)


def test_nothing_is_chosen_where_nothing_keeps_within() -> None:
    steps = steps_of(["cheap", "fair"])

    assert choose_plan(recorded(50), [steps], max_calls=1.0, max_usd=99.0) is None
