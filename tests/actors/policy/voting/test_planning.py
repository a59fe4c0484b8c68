import pytest

from actors.policy.voting.likelihood import Round
from actors.policy.voting.planning import (
    Answered,
    Plan,
    Ran,
    rounds_of,
    run_plan,
    steps_of,
)
from actors.policy.voting.weights import JointWeights


def test_a_round_knows_its_groups_and_who_was_right() -> None:
    each = Answered(said={"a": "R", "b": "X", "c": "R"}, right="R", task_type="law")

    assert each.groups(["a", "b", "c", "silent"]) == (["R", "X"], [["a", "c"], ["b"]])
    assert each.as_round(["b", "a"]) == Round((("b",), ("a",)), 1, "law")
    assert each.as_round(["b"]) == Round((("b",),), None, "law")


def test_a_round_of_which_only_the_wrong_is_known_is_kept_where_it_says_something() -> (
    None
):
    each = Answered.of(
        Round((("a", "b"), ("c",)), None, "law", (0,), {"a": 2.0}), {"a": 1.0}
    )

    assert each.said == {"a": "0", "b": "0", "c": "1"}
    assert each.as_round(["a", "c"]) == Round(
        (("a",), ("c",)), None, "law", (0,), {"a": 2.0}
    )
    assert each.as_round(["c"]) is None
    assert rounds_of([each, each], ["c"]) == []
    assert rounds_of([each], ["b"], lengths=False) == [
        Round((("b",),), None, "law", (0,))
    ]


def test_a_labelled_round_and_its_answers_are_the_same() -> None:
    for right in (0, 1, None):
        made = Round((("a",), ("b", "c")), right, "law")

        assert Answered.of(made, {}).as_round(["a", "b", "c"]) == made


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
