"""A completion probe is written down like any other request that costs money."""

from decimal import Decimal

from actors.messages.chat import Completion, Usage
from actors.messages.provider import Failure, Outcome, ProbeResult
from daemon.probe_record import probe_record


def outcome(*, ok: bool) -> Outcome:
    failure = Failure(failure="timeout", message="no answer", owner="provider")
    return Outcome(
        attempt_id="a1",
        provider="grok",
        model="grok-3-mini",
        latency_s=0.4,
        completion=Completion(content="pong", finish_reason="stop") if ok else None,
        failure=None if ok else failure,
        usage=Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
        cost_usd=Decimal("0.000001") if ok else None,
        cost_source="provider" if ok else "unknown",
    )


def result(*, ok: bool) -> ProbeResult:
    return ProbeResult(
        provider="grok", healthy=ok, at=5.0, latency_s=0.4, probe="completion"
    )


def test_a_probe_that_answered_is_on_the_bill() -> None:
    record = probe_record(result(ok=True), outcome(ok=True))

    assert record.task_type == "health_probe"
    assert record.outcome == "ok"
    assert record.cost_usd == record.known_cost_usd == Decimal("0.000001")
    assert [a.attempt_id for a in record.attempts] == ["a1"]


def test_a_probe_that_failed_is_written_down_with_its_unknown_cost() -> None:
    record = probe_record(result(ok=False), outcome(ok=False))

    assert record.outcome == "provider_error"
    assert record.cost_usd is None
    assert record.provider is None
    assert record.attempts[0].outcome == "timeout"
