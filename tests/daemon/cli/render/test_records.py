"""History, explanations and usage as text."""

from decimal import Decimal

import msgspec
import pytest

from actors.messages.chat import Usage
from actors.messages.ledger import HistoryEntry, UsageRow
from actors.messages.reuse import Reused
from actors.messages.routing import (
    AttemptRecord,
    AttemptSummary,
    Exclusion,
    RankedCandidate,
    RequestRecord,
    ScoreTerm,
    Target,
)
from daemon.cli.render import records as rendered
from daemon.cli.render.table import no_colours
from ipc.explanation import Explanation
from ipc.results import HistoryResult, RouteReply, UsageResult
from tests.support.records import attempt, record

ENTRY = HistoryEntry(
    cursor="c",
    request_id="r1",
    decision_id="d1",
    at=0.0,
    door="json",
    strategy="hybrid",
    outcome="ok",
    requested_model=None,
    provider="openai",
    model="gpt-4o",
    task_type=None,
    user=None,
    stream=False,
    attempts=2,
    latency_s=1.5,
    overhead_s=0.001,
    time_to_first_token_s=None,
    prompt_tokens=12,
    completion_tokens=1034,
    cost_usd=Decimal("0.0123"),
    known_cost_usd=Decimal("0.0123"),
    cost_source="table",
    confidence=0.75,
    degraded=False,
    finish_reason="stop",
    error_message=None,
    simulated=False,
)
REPLY = RouteReply(
    content="hi",
    finish_reason="stop",
    provider="openai",
    model="gpt-4o",
    usage=Usage(prompt_tokens=3, completion_tokens=5),
    cost_usd=Decimal("0.0012"),
    cost_source="table",
    latency_s=0.25,
    time_to_first_token_s=None,
    overhead_s=0.001,
    decision_id="d1",
    request_id="r1",
    confidence=None,
    attempts=(AttemptSummary(provider="a", model="m", outcome="ok", latency_s=0.1),),
)


def explained(found: RequestRecord) -> str:
    return rendered.explain(Explanation.of(found), no_colours)


def changed(found: RequestRecord, **changes: object) -> RequestRecord:
    return msgspec.structs.replace(found, **changes)


def test_history_shows_a_line_per_request() -> None:
    lines = rendered.history(HistoryResult((ENTRY,)), no_colours).splitlines()

    for cell in ("1970-01-01 00:00:00Z", "d1", "openai/gpt-4o", "12+1,034", "$0.0123"):
        assert cell in lines[1]


def test_history_marks_what_was_degraded_simulated_or_failed() -> None:
    entry = msgspec.structs.replace(
        ENTRY, degraded=True, simulated=True, outcome="overloaded", provider=None
    )
    shown = rendered.history(HistoryResult((entry,)), no_colours)

    for word in ("hybrid degraded", "(simulated)", "overloaded"):
        assert word in shown
    assert rendered.history(HistoryResult(()), no_colours) == "no requests yet"


def test_history_marks_what_was_given_again() -> None:
    entry = msgspec.structs.replace(ENTRY, reused="joined")

    assert "hybrid joined" in rendered.history(HistoryResult((entry,)), no_colours)


def test_an_explanation_says_why_what_and_how_much() -> None:
    shown = explained(record(1))

    for words in (
        "request r1  decision d1",
        "over json, by ada, task type code_review, asked for auto",
        "ok: openai/gpt-4o (simulated) in 600 ms, 1 ms of it our own",
        "strategy hybrid (cost 0.40",
        "confidence 0.60",
        "0.700 x 0.40 (0.01 usd)",
        "$0.0100",
        "cost $0.000125 (table), tokens 10+20",
    ):
        assert words in shown


def test_an_explanation_of_a_stream_says_when_it_began() -> None:
    found = changed(record(1, user=None, task_type=None), stream=True,
                    time_to_first_token_s=0.2, requested_model=None)  # fmt: skip

    assert "asked for auto, streamed" in explained(found)
    assert "first token after 200 ms" in explained(found)


def test_an_explanation_of_a_failure_shows_every_call() -> None:
    failed = msgspec.structs.replace(
        attempt("a1", outcome="rate_limit", cost=None),
        status=429,
        message="slow down",
        retry_after_s=2.0,
        dropped=("temperature",),
    )
    found = changed(
        record(1, attempts=(failed,), outcome="rate_limited"), error_message="no luck"
    )
    shown = explained(found)

    assert "HTTP 429; slow down; retry after 2.00 s; left out: temperature" in shown
    assert "no luck" in shown
    assert "cost unknown, tokens" in shown


def test_an_explanation_says_what_of_the_cost_is_known() -> None:
    found = changed(record(1), cost_usd=None, known_cost_usd=Decimal("0.5"))

    assert "cost unknown, $0.5000 of it known" in explained(found)


@pytest.mark.parametrize(
    ("raw", "unit", "shown"),
    [
        (9.136e-05, "USD", "($0.0000914)"),
        (0.006468, "s", "(6 ms)"),
        (1.0, "success rate", "(100.0% succeeded)"),
        (1.0, "places behind the first", "(1 place behind the first)"),
        (2.0, "places behind the first", "(2 places behind the first)"),
    ],
)
def test_what_a_term_came_from_is_told_in_its_own_unit(
    raw: float, unit: str, shown: str
) -> None:
    term = ScoreTerm("cost", 1.0, 0.4, raw, unit)
    ranked = RankedCandidate(Target("a", "m"), 0.5, (term,))
    found = record(1)
    decision = msgspec.structs.replace(found.decision, candidates=(ranked,))

    assert f"1.000 x 0.40 {shown}" in explained(changed(found, decision=decision))


def test_an_explanation_lists_exclusions_and_reasons() -> None:
    found = record(1)
    decision = msgspec.structs.replace(
        found.decision,
        excluded=(Exclusion(Target("grok", "g"), "breaker_open", "for 3 s"),),
        degraded=True,
        reason="the caller said so",
        candidates=(
            RankedCandidate(
                Target("a", "m"), 0.5, (ScoreTerm("rank", 1.0, 1.0, None, "", "first"),)
            ),
            RankedCandidate(
                Target("b", "m"), 0.4, (ScoreTerm("cost", 1.0, 1.0, None, ""),)
            ),
        ),
    )
    shown = explained(changed(found, decision=decision))

    assert "grok/g    breaker_open  for 3 s" in shown
    assert "degraded: every breaker was open" in shown
    assert "the caller said so" in shown
    assert "1.000 x 1.00 [1]" in shown
    assert "\n[1] first\n" in shown


def test_an_explanation_says_how_to_see_the_rest() -> None:
    many = msgspec.structs.replace(record(1).decision, candidate_count=100)
    found = changed(record(1), decision=many)
    others = 100 - len(many.candidates) - len(many.excluded)

    assert f"and {others} more: gitbridge explain d1 --all" in explained(found)
    assert "--all" not in explained(record(1))


def test_an_explanation_says_whether_it_was_ranked_again() -> None:
    again = Explanation.of(record(1), record(1).decision)
    forgotten = Explanation.of(record(1), not_recomputed="it is too long ago")

    assert "the same, and everybody" in rendered.explain(again, no_colours)
    words = "not ranked again: it is too long ago"
    assert words in rendered.explain(forgotten, no_colours)


def test_an_explanation_without_candidates_says_so_once() -> None:
    found = record(1, attempts=(), outcome="no_provider")
    decision = msgspec.structs.replace(
        found.decision, candidates=(), confidence=None, reason="nobody is there"
    )
    shown = explained(
        changed(found, decision=decision, error_message="nobody is there")
    )

    assert "nobody could be ranked" in shown
    assert "nobody was asked" in shown
    assert shown.count("nobody is there") == 1
    assert "no_provider: - (simulated) in" in shown


def test_an_attempt_without_trouble_needs_no_note() -> None:
    call: AttemptRecord = attempt("a1")
    found = changed(record(1, attempts=(call,)), usage=Usage())

    assert "tokens -" in explained(found)


def usage_row(key: str | None) -> UsageRow:
    return UsageRow(
        key=key,
        requests=3,
        attempts=4,
        failures=1,
        prompt_tokens=10,
        completion_tokens=20,
        cached_tokens=5,
        reasoning_tokens=0,
        cost_usd=None,
        unpriced_attempts=4,
    )


def test_usage_is_grouped_and_says_since_when() -> None:
    rows = (usage_row("openai"), usage_row(None))
    shown = rendered.usage(UsageResult("task_type", 0.0, rows), no_colours)

    assert shown.startswith("usage since 1970-01-01 00:00:00Z\n\ntask type  requests")
    assert " ".join(shown.splitlines()[3].split()) == "openai 3 4 1 10 20 5 - 4"
    assert shown.splitlines()[4].startswith("-")
    assert (
        rendered.usage(UsageResult("user", None, ()), no_colours) == "no usage so far"
    )


def test_usage_says_what_was_saved_where_something_was() -> None:
    saved = msgspec.structs.replace(
        usage_row("ann"), reused=2, saved_usd=Decimal("0.25")
    )
    rows = (saved, usage_row("bob"))
    shown = rendered.usage(UsageResult("user", None, rows), no_colours)

    assert "given again" in " ".join(shown.splitlines()[2].split("   "))
    assert " ".join(shown.splitlines()[3].split()).endswith("4 2 $0.2500")
    assert " ".join(shown.splitlines()[4].split()).endswith("4 0 $0")


def test_the_line_under_an_answer_is_short_when_all_went_well() -> None:
    assert rendered.answer_summary(REPLY, no_colours) == (
        "openai/gpt-4o · 3+5 tokens · $0.00120 · 250 ms · decision d1"
    )


def test_the_line_under_an_answer_says_what_did_not() -> None:
    failed = AttemptSummary(
        provider="grok", model="g", outcome="timeout", latency_s=1.0
    )
    reply = msgspec.structs.replace(
        REPLY,
        attempts=(failed, *REPLY.attempts),
        cost_usd=None,
        finish_reason="length",
        dropped=("seed",),
        simulated=True,
    )

    assert rendered.answer_summary(reply, no_colours) == (
        "openai/gpt-4o · 3+5 tokens · cost unknown · 250 ms · 2 calls (grok timeout) · "
        "finish reason length · left out seed · simulated · decision d1"
    )


def test_an_explanation_tells_hedges_and_when_they_begin() -> None:
    decided = record(1).decision
    slow = attempt("a1", outcome="cancelled", cost=None)
    won = msgspec.structs.replace(attempt("a2"), kind="hedge")
    found = changed(
        record(1, attempts=(slow, won)),
        decision=msgspec.structs.replace(decided, hedge_after_s=1.5),
    )
    shown = explained(found)

    assert "a hedge after 1.50 s without answer" in shown
    assert "hedge" in shown.splitlines()[-3]


@pytest.mark.parametrize(
    ("saved", "cost"),
    [
        (Decimal("0.25"), "cost $0 in place of $0.25"),
        (None, "cost $0 in place of what is not known"),
    ],
)
def test_an_explanation_of_an_answer_that_was_given_again_lists_nobody(
    saved: Decimal | None, cost: str
) -> None:
    reused = Reused(kind="cached", request_id="r0", age_s=3.0, saved_usd=saved)
    reason = "from the cache: the answer of request r0, 3 s ago"
    decision = msgspec.structs.replace(record(1).decision, candidates=(), reason=reason)
    text = explained(changed(record(1, attempts=()), reused=reused, decision=decision))

    assert reason in text
    assert cost in text
    assert "nobody" not in text


def test_the_line_under_a_kept_answer_says_so() -> None:
    reply = msgspec.structs.replace(REPLY, cached=True)

    assert "cached" in rendered.answer_summary(reply, no_colours)
