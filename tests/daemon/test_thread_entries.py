"""What requests and rounds of consensus leave in a thread."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.messages.chat import (
    ChatRequest,
    ImagePart,
    Message,
    TextPart,
    ToolCall,
)
from actors.messages.consensus import (
    Ballot,
    ConsensusAsk,
    ConsensusInfo,
    IndependentVotes,
)
from actors.messages.routing import AttemptSummary, ErrorInfo
from daemon.thread_entries import decision, ending, question
from tests.daemon.test_threads import answer
from tests.support.records import attempt, record
from tests.support.small_house import request


def chat(*messages: Message) -> ChatRequest:
    return ChatRequest(messages=messages)


CONVERSATION = chat(
    Message("system", "Be brief."),
    Message("user", "First."),
    Message("assistant", "Yes."),
    Message("user", (TextPart("Look:"), ImagePart("http://x/y.png"))),
    Message("tool", "42"),
)


def test_a_question_is_what_came_after_the_last_answer() -> None:
    asked = request(chat=CONVERSATION, user="ada", task_type="x", model="auto:cost")
    entry = question(asked, "t")

    assert entry.text == "Look:\n\n42"
    assert (entry.who, entry.to, entry.state) == ("ada", "auto:cost", "open")
    assert (entry.task_type, entry.request_id) == ("x", asked.request_id)


def test_who_asks_and_whom() -> None:
    assert question(request(), "t").who == "caller"
    assert question(request(), "t").to == "auto"
    assert question(request(provider="grok"), "t").to == "grok"
    empty = chat(Message("user", None), Message("assistant", "Yes."))
    assert question(request(chat=empty), "t").text == ""


def test_a_question_of_a_durable_task_says_which() -> None:
    metadata: dict[str, object] = {"task_id": "T1"}
    durable = request(durable=True, metadata=metadata)
    assert question(durable, "t").task_id == "T1"
    assert question(request(metadata=metadata), "t").task_id is None
    odd = request(durable=True, metadata={"task_id": 5})
    assert question(odd, "t").task_id is None


def test_a_decision_names_the_calls_it_came_to() -> None:
    calls = (attempt("a", outcome="timeout"), attempt("b", provider="grok", model="g"))
    entry = decision(record(1, attempts=calls), "t")

    assert entry.data["calls"] == (
        "openai/gpt-4o first timeout 0.500s; grok/g first ok 0.500s"
    )
    assert (entry.kind, entry.decision_id, entry.request_id) == ("decision", "d1", "r1")


def test_the_decision_of_a_request_that_nobody_answered() -> None:
    failed = replace(record(1, outcome="no_provider", attempts=()), provider=None)
    entry = decision(replace(failed, parent_id="round"), "t")

    assert (entry.to, entry.request_id) == ("auto", "round")
    assert (entry.data["outcome"], entry.data["calls"]) == ("no_provider", "")


def test_an_answer_that_is_a_call_is_told_as_one() -> None:
    called = answer(
        "r", content=None, tool_calls=({"id": "1", "name": "f", "arguments": "{}"},)
    )
    (entry,) = ending(request(user="ada"), "t", called)
    assert (entry.kind, entry.who, entry.to, entry.text) == (
        "answer",
        "one/m",
        "ada",
        "f({})",
    )
    (refused,) = ending(request(), "t", answer("r", content=None, refusal="No."))
    assert (refused.text, refused.state, refused.to) == ("No.", "done", "caller")
    assert isinstance(called.tool_calls[0], ToolCall)


def test_a_verdict_comes_after_its_ballots_and_says_how_it_was_decided() -> None:
    ballots = (
        Ballot(member="one/m", state="answered", group=0, content="Yes.", rule="text"),
        Ballot(member="two", state="failed", error="x" * 900, replaced_by="three"),
    )
    info = ConsensusInfo(
        method="majority",
        kind="short_text",
        rule="two of three",
        agreement=0.5,
        confidence=0.7,
        independent_votes=IndependentVotes(at_least=1.5, at_most=1.8),
        winner=0,
        groups=(("one/m",),),
        ballots=ballots,
    )
    asked = request(consensus=ConsensusAsk(members=("one/m", "two")), user="ada")
    result = answer("r", consensus=info, simulated=True)
    one, two, verdict = ending(asked, "t", result)

    assert one.simulated
    assert two.simulated
    assert verdict.simulated

    assert question(asked, "t").to == "consensus"
    assert question(asked, "t").data == {"members": "one/m, two"}
    assert (one.kind, one.who, one.to, one.text) == (
        "ballot",
        "one/m",
        "consensus",
        "Yes.",
    )
    assert (one.data["group"], one.data["rule"]) == (0, "text")
    assert (two.data["state"], two.data["replaced_by"]) == ("failed", "three")
    assert len(str(two.data["error"])) == 500
    assert (verdict.kind, verdict.who, verdict.to) == ("verdict", "consensus", "ada")
    said = {"method": "majority", "rule": "two of three", "words_of": "one/m"}
    assert said.items() <= verdict.data.items()
    assert {each.request_id for each in (one, two, verdict)} == {asked.request_id}


ERROR = ErrorInfo(
    kind="no_provider", message="nobody", owner="provider", retryable=True
)


def test_ballots_of_a_pretended_round_that_failed_are_pretended_too() -> None:
    ballots = (Ballot(member="one/m", state="failed"),)
    asked = request(consensus=ConsensusAsk(members=("one/m", "two")))
    pretended = ending(asked, "t", replace(ERROR, ballots=ballots, simulated=True))
    real = ending(asked, "t", replace(ERROR, ballots=ballots))

    assert [each.simulated for each in pretended] == [True, True]
    assert [each.simulated for each in real] == [False, False]


@pytest.mark.parametrize(
    ("costs", "total"),
    [((), Decimal(0)), (("0.5", "0.25"), Decimal("0.75")), (("0.5", None), None)],
)
def test_an_error_closes_the_question_with_what_is_known_of_its_cost(
    costs: tuple[str | None, ...], total: Decimal | None
) -> None:
    calls = tuple(
        AttemptSummary(
            provider="one",
            model="m",
            outcome="timeout",
            latency_s=1.0,
            cost_usd=None if each is None else Decimal(each),
        )
        for each in costs
    )
    (entry,) = ending(request(), "t", replace(ERROR, attempts=calls))

    assert (entry.kind, entry.who, entry.state) == ("answer", "router", "failed")
    assert (entry.cost_usd, entry.data["error"]) == (total, "no_provider")


def test_ballots_of_an_answer_that_is_given_again_are_not_cast_again() -> None:
    info = ConsensusInfo(
        method="majority",
        kind="number",
        rule="r",
        agreement=1.0,
        confidence=None,
        winner=0,
        groups=(("one",),),
        ballots=(Ballot(member="one", state="answered", group=0),),
    )
    asked = request(consensus=ConsensusAsk())
    (verdict,) = ending(asked, "t", answer("r", consensus=info, cached=True))

    assert (verdict.kind, verdict.data["cached"]) == ("verdict", True)


def test_a_round_without_a_quorum_keeps_its_ballots() -> None:
    ballots = (Ballot(member="one", state="answered", content="Yes."),)
    asked = request(consensus=ConsensusAsk())
    one, verdict = ending(asked, "t", replace(ERROR, ballots=ballots, provider="one"))

    assert (one.kind, one.text) == ("ballot", "Yes.")
    assert (verdict.kind, verdict.who, verdict.state) == (
        "verdict",
        "consensus",
        "failed",
    )
    (alone,) = ending(request(), "t", replace(ERROR, provider="one"))
    assert alone.who == "one"
