"""Request records for tests of the ledger."""

from decimal import Decimal
from typing import Literal

from actors.errors import ErrorKind, FailureClass
from actors.messages.chat import Usage
from actors.messages.routing import (
    AttemptRecord,
    Decision,
    RankedCandidate,
    RequestRecord,
    ScoreTerm,
    Target,
    Weights,
)

START = 1_760_000_000.0


def decision(decision_id: str) -> Decision:
    return Decision(
        decision_id=decision_id,
        strategy="hybrid",
        weights=Weights(),
        candidates=(
            RankedCandidate(
                Target("openai", "gpt-4o"),
                0.8,
                (ScoreTerm("cost", 0.7, 0.4, 0.01, "usd"),),
                Decimal("0.01"),
                1.25,
            ),
        ),
        candidate_count=1,
        confidence=0.6,
    )


def attempt(
    attempt_id: str,
    *,
    provider: str = "openai",
    model: str = "gpt-4o",
    outcome: Literal["ok"] | FailureClass = "ok",
    at: float = START,
    usage: Usage | None = None,
    cost: str | None = "0.000125",
) -> AttemptRecord:
    return AttemptRecord(
        attempt_id=attempt_id,
        provider=provider,
        model=model,
        outcome=outcome,
        started_at=at,
        latency_s=0.5,
        usage=Usage(10, 20, 4, reasoning_tokens=3) if usage is None else usage,
        cost_usd=None if cost is None else Decimal(cost),
        cost_source="unknown" if cost is None else "table",
    )


def record(
    number: int,
    *,
    at: float | None = None,
    attempts: tuple[AttemptRecord, ...] | None = None,
    outcome: Literal["ok"] | ErrorKind = "ok",
    user: str | None = "ada",
    task_type: str | None = "code_review",
    metadata: dict[str, object] | None = None,
) -> RequestRecord:
    """The record of request ``r<number>``, decision ``d<number>``."""
    when = START + number if at is None else at
    calls = (attempt(f"a{number}", at=when),) if attempts is None else attempts
    known = [call.cost_usd for call in calls if call.cost_usd is not None]
    return RequestRecord(
        request_id=f"r{number}",
        at=when,
        door="json",
        decision=decision(f"d{number}"),
        attempts=calls,
        outcome=outcome,
        requested_model="auto",
        provider="openai" if outcome == "ok" else None,
        model="gpt-4o" if outcome == "ok" else None,
        task_type=task_type,
        user=user,
        latency_s=0.6,
        overhead_s=0.001,
        usage=Usage(10, 20, 4, reasoning_tokens=3),
        cost_usd=sum(known, Decimal(0)) if len(known) == len(calls) else None,
        known_cost_usd=sum(known, Decimal(0)),
        cost_source="table",
        prompt_chars=44,
        finish_reason="stop" if outcome == "ok" else None,
        simulated=True,
        metadata=metadata or {},
    )
