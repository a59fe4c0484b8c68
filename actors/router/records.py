"""What is written down about a request, and what its caller is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from actors.errors import GitBridgeError
from actors.messages.chat import Completion, Usage
from actors.messages.provider import COST_SOURCES, CostSource, Outcome, RateLimits
from actors.messages.routing import (
    AttemptKind,
    AttemptRecord,
    AttemptSummary,
    Decision,
    ErrorInfo,
    RequestRecord,
    RouteRequest,
    RouteResult,
    error_info,
)
from actors.policy.tokens import prompt_chars

MESSAGE_LIMIT = 500
"""Characters of a provider's error text that are kept."""


@dataclass(slots=True)
class Journal:
    """The attempts of one request, in order, and the time spent on them."""

    attempts: list[AttemptRecord] = field(default_factory=list)
    waited_s: float = 0.0
    queued_s: float = 0.0
    answered: Outcome | None = None
    first_token_s: float | None = None  # from the arrival, where a later call went on
    rate_limits: RateLimits | None = None  # what was said of them last
    simulated: bool = False

    def add(
        self,
        outcome: Outcome,
        started_at: float,
        kind: AttemptKind,
        held_usd: Decimal | None = None,
    ) -> None:
        if outcome.called:
            record = attempt_record(outcome, started_at, kind, held_usd)
            self.attempts.append(record)
            self.simulated |= outcome.simulated
        self.rate_limits = outcome.rate_limits or self.rate_limits
        if outcome.completion is not None:
            self.answered = outcome

    def queued_for(self, seconds: float) -> None:
        """It waited that long for a place: not our own work either."""
        self.queued_s += seconds
        self.waited_s += seconds

    def summaries(self) -> tuple[AttemptSummary, ...]:
        return tuple(
            AttemptSummary(
                provider=a.provider,
                model=a.model,
                outcome=a.outcome,
                latency_s=a.latency_s,
                cost_usd=a.cost_usd,
                kind=a.kind,
            )
            for a in self.attempts
        )


def attempt_record(
    outcome: Outcome,
    started_at: float,
    kind: AttemptKind,
    held_usd: Decimal | None = None,
) -> AttemptRecord:
    failure, completion = outcome.failure, outcome.completion
    return AttemptRecord(
        attempt_id=outcome.attempt_id,
        provider=outcome.provider,
        model=outcome.model,
        outcome="ok" if failure is None else failure.failure,
        started_at=started_at,
        latency_s=outcome.latency_s,
        kind=kind,
        time_to_first_token_s=outcome.time_to_first_token_s,
        answered_model=completion.model if completion else None,
        usage=outcome.usage,
        cost_usd=outcome.cost_usd,
        cost_source=outcome.cost_source,
        status=failure.status if failure else None,
        message=failure.message[:MESSAGE_LIMIT] if failure else None,
        retry_after_s=failure.retry_after_s if failure else None,
        dropped=outcome.dropped,
        provider_request_id=outcome.provider_request_id,
        held_usd=held_usd,
    )


def total_cost(
    attempts: Sequence[AttemptRecord],
) -> tuple[Decimal | None, Decimal, CostSource]:
    """The whole cost (``None`` if any part is unknown), its known part, its source.

    The source is that of the least certain attempt: a total is no better than that.
    """
    known = Decimal(0)
    complete = True
    doubt = 0
    for attempt in attempts:
        if attempt.cost_usd is None:
            complete = False
        else:
            known += attempt.cost_usd
        doubt = max(doubt, COST_SOURCES.index(attempt.cost_source))
    return (known if complete else None), known, COST_SOURCES[doubt]


@dataclass(slots=True)
class Ending:
    """Everything known about a request at its end, and how it is told."""

    request: RouteRequest
    decision: Decision
    journal: Journal
    at: float
    latency_s: float
    error: GitBridgeError | None = None
    simulated: bool = False
    cost: tuple[Decimal | None, Decimal, CostSource] = field(init=False)

    def __post_init__(self) -> None:
        self.cost = total_cost(self.journal.attempts)

    def record(self) -> RequestRecord:
        journal, request = self.journal, self.request
        cost, known, source = self.cost
        answered = None if self.error is not None else journal.answered
        completion = answered.completion if answered else None
        return RequestRecord(
            request_id=request.request_id,
            at=self.at,
            door=request.door,
            decision=self.decision,
            attempts=tuple(journal.attempts),
            outcome="ok" if self.error is None else self.error.kind,
            requested_model=request.model,
            provider=answered.provider if answered else None,
            model=_answered_model(answered),
            task_type=request.task_type,
            user=request.user,
            stream=request.stream,
            latency_s=self.latency_s,
            overhead_s=self._overhead_s(),
            queued_s=journal.queued_s,
            time_to_first_token_s=self._time_to_first_token(answered),
            usage=answered.usage if answered else Usage(),
            cost_usd=cost,
            known_cost_usd=known,
            cost_source=source,
            prompt_chars=prompt_chars(request.chat),
            finish_reason=completion.finish_reason if completion else None,
            error_message=self.error.message[:MESSAGE_LIMIT] if self.error else None,
            simulated=self.simulated,
            metadata=request.metadata,
            parent_id=request.parent_id,
            thread=request.thread,
        )

    def reply(self) -> RouteResult | ErrorInfo:
        answered = self.journal.answered
        if self.error is not None:
            return self._error(self.error)
        assert answered is not None
        assert answered.completion is not None
        return self._result(answered, answered.completion)

    def _result(self, answered: Outcome, completion: Completion) -> RouteResult:
        cost, _, source = self.cost
        return RouteResult(
            request_id=self.request.request_id,
            content=completion.content,
            finish_reason=completion.finish_reason,
            provider=answered.provider,
            model=_answered_model(answered) or answered.model,
            # What it said itself: an estimate is good for the bill, and no more.
            usage=completion.usage,
            cost_usd=cost,
            cost_source=source,
            latency_s=self.latency_s,
            overhead_s=self._overhead_s(),
            decision_id=self.decision.decision_id,
            attempts=self.journal.summaries(),
            tool_calls=completion.tool_calls,
            reasoning=completion.reasoning,
            refusal=completion.refusal,
            time_to_first_token_s=self._time_to_first_token(answered),
            confidence=self.decision.confidence,
            response_id=completion.response_id,
            simulated=self.simulated,
            dropped=answered.dropped,
            rate_limits=answered.rate_limits,
            vectors=completion.vectors,
        )

    def _error(self, error: GitBridgeError) -> ErrorInfo:
        info = error_info(error)
        return ErrorInfo(
            kind=info.kind,
            message=info.message,
            owner=info.owner,
            retryable=info.retryable,
            retry_after_s=info.retry_after_s,
            provider=info.provider,
            field=info.field,
            got=info.got,
            wanted=info.wanted,
            decision_id=self.decision.decision_id,
            attempts=self.journal.summaries(),
            cost_source=self.cost[2],
            rate_limits=self.journal.rate_limits,
            simulated=self.simulated,
        )

    def _overhead_s(self) -> float:
        """The part of the latency not spent waiting: providers, back-offs, places."""
        return max(0.0, self.latency_s - self.journal.waited_s)

    def _time_to_first_token(self, answered: Outcome | None) -> float | None:
        """From the request's arrival, so earlier attempts and waits count too."""
        if answered is not None and self.journal.first_token_s is not None:
            return self.journal.first_token_s
        if answered is None or answered.time_to_first_token_s is None:
            return None
        before = self.latency_s - answered.latency_s
        return max(0.0, before) + answered.time_to_first_token_s


def _answered_model(answered: Outcome | None) -> str | None:
    if answered is None or answered.completion is None:
        return None
    return answered.completion.model or answered.model
