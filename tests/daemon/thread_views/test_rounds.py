"""The steps of a thread."""

from daemon.thread_views.rounds import (
    Call,
    Round,
    calls_of,
    letter,
    rounds_of,
    steps,
)
from tests.support.thread_story import EVENT, a_request, a_round, entry


def test_what_belongs_to_one_question_is_one_step() -> None:
    one, two = a_round((0, 1)), a_round((0,), request_id="r2")
    mixed = [one[0], two[0], *one[1:], *two[1:]]
    first, second = steps(mixed)

    assert isinstance(first, Round)
    assert isinstance(second, Round)
    assert first.question == one[0]
    assert [b.who for b in first.ballots] == ["provider0/model-0", "provider1/model-1"]
    assert (first.end, first.winner, first.several) == (one[-1], 0, True)
    assert len(second.ballots) == 1


def test_events_and_actions_are_steps_and_changes_that_say_nothing_are_not() -> None:
    kinds = [
        "round" if isinstance(each, Round) else each.kind
        for each in steps(
            [
                *EVENT,
                entry("task_state", "task_queue", data={"state": "dead"}),
                entry("question", "eve", text="of no request"),
            ]
        )
    ]
    assert kinds == ["event", "decision", "round", "action", "task_state", "question"]


def test_a_plain_request_is_a_round_of_one() -> None:
    (step,) = steps(a_request("a/m first timeout 1.0s", "b/m failover ok 0.2s"))

    assert isinstance(step, Round)
    assert (step.several, step.ballots, rounds_of(a_request())) == (False, [], [])
    assert calls_of(step.decisions) == [
        Call("a/m", "first", "timeout", "1.0s"),
        Call("b/m", "failover", "ok", "0.2s"),
    ]
    assert calls_of([entry("decision", "router", data={"calls": "odd"})]) == []
    assert calls_of([entry("decision", "router")]) == []


def test_a_question_to_several_is_one_before_anybody_answered() -> None:
    asked, *_, end = a_round((0,))
    (waiting,) = steps([asked])
    (ended,) = steps([end])

    assert isinstance(waiting, Round)
    assert isinstance(ended, Round)
    assert (waiting.several, waiting.winner, waiting.groups()) == (True, None, [])
    assert (ended.several, ended.question) == (True, None)


def test_groups_are_in_order_and_only_of_those_who_answered() -> None:
    (told,) = rounds_of(a_round((1, None, 0, 1)))

    assert [(number, len(of_it)) for number, of_it in told.groups()] == [(0, 1), (1, 2)]


def test_groups_are_called_by_letters() -> None:
    assert [letter(n) for n in (0, 25, 26, 53)] == ["A", "Z", "A1", "B2"]
