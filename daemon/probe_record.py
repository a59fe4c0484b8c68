"""A completion probe costs money, so it is written down like any other request."""

from decimal import Decimal

from actors.messages.provider import Outcome, ProbeResult
from actors.messages.routing import Decision, RequestRecord, Weights
from actors.router.records import attempt_record


def probe_record(result: ProbeResult, outcome: Outcome) -> RequestRecord:
    """The record of a probe: task type ``health_probe``, door ``internal``."""
    completion = outcome.completion
    return RequestRecord(
        request_id=outcome.attempt_id,
        at=result.at,
        door="internal",
        decision=Decision(
            decision_id=outcome.attempt_id,
            strategy="priority",
            weights=Weights(),
            candidates=(),
            reason="health probe",
        ),
        attempts=(attempt_record(outcome, result.at, "first"),),
        outcome="ok" if completion else "provider_error",
        requested_model=f"{outcome.provider}/{outcome.model}",
        provider=outcome.provider if completion else None,
        model=outcome.model if completion else None,
        task_type="health_probe",
        latency_s=outcome.latency_s,
        usage=outcome.usage,
        cost_usd=outcome.cost_usd,
        known_cost_usd=outcome.cost_usd or Decimal(0),
        cost_source=outcome.cost_source,
        finish_reason=completion.finish_reason if completion else None,
        simulated=outcome.simulated,
    )
