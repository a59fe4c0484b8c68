"""What a round comes to: the caller's answer and the record."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import structlog
from msgspec.structs import replace

from actors.consensus.desk import Desk
from actors.consensus.members import Asked, total_cost
from actors.consensus.verdict import Count
from actors.errors import GitBridgeError
from actors.messages.chat import Usage
from actors.messages.consensus import (
    Ballot,
    CascadePlan,
    ConsensusAsk,
    ConsensusInfo,
    ConsensusMethod,
)
from actors.messages.provider import CostSource, all_simulated
from actors.messages.routing import (
    AttemptSummary,
    Decision,
    ErrorInfo,
    RequestRecord,
    RouteRequest,
    RouteResult,
    error_info,
)

log = structlog.get_logger(actor="consensus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How it was decided. ``result`` is the answer that won, or was written."""

    method: ConsensusMethod
    count: Count
    result: RouteResult
    rule: str
    winner: int | None
    agreement: float
    confidence: float | None
    early: bool = False
    scores: dict[int, float] = field(default_factory=dict)
    contributed: dict[int, str] = field(default_factory=dict)
    judge: str | None = None
    plan: CascadePlan | None = None

    def with_json(self, merged: object, agreement: float) -> "Verdict":
        """The same with an object voted path by path in place of any whole answer."""
        content = msgspec.json.encode(merged).decode()
        return dataclasses.replace(
            self,
            result=replace(self.result, content=content),
            rule="json, path by path: no whole answer has half of the ballots",
            winner=None,
            agreement=agreement,
            confidence=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnd:
    """Everything known at the end of a round; ``at`` is when it began (UTC)."""

    desk: Desk
    request: RouteRequest
    decision_id: str
    at: float
    latency_s: float
    verdict: Verdict | GitBridgeError
    asked: Sequence[Asked]
    ballots: tuple[Ballot, ...]
    written: Sequence[RouteResult | ErrorInfo | None] = ()

    def write(self) -> None:
        """Into the spool, before the answer leaves. Texts stay out of it."""
        tools = self.desk.tools
        record = self._record()
        try:
            tools.spool.append(record)
        except OSError as error:
            # The answer leaves all the same; the spool raises the condition itself.
            log.error(  # noqa: TRY400 - the system's words say it all
                "record_not_written", request_id=record.request_id, error=str(error)
            )
        tools.on_record(record)

    def reply(self) -> RouteResult | ErrorInfo:
        verdict = self.verdict
        if isinstance(verdict, GitBridgeError):
            return replace(
                error_info(verdict),
                decision_id=self.decision_id,
                attempts=self._attempts(),
                ballots=self.ballots,
                simulated=self._simulated(),
            )
        won = verdict.result
        cost, source = self._cost()
        return RouteResult(
            request_id=self.request.request_id,
            content=won.content,
            finish_reason=won.finish_reason,
            provider=won.provider,
            model=won.model,
            usage=self._usage(),
            cost_usd=cost,
            cost_source=source,
            latency_s=self.latency_s,
            overhead_s=max(0.0, self.latency_s - self._longest()),
            decision_id=self.decision_id,
            attempts=self._attempts(),
            tool_calls=won.tool_calls,
            refusal=won.refusal,
            confidence=verdict.confidence,
            simulated=self._simulated(),
            consensus=self._info(self.ballots),
        )

    def _record(self) -> RequestRecord:
        verdict, request = self.verdict, self.request
        cost, source = self._cost()
        won = verdict.result if isinstance(verdict, Verdict) else None
        silent = tuple(replace(each, content=None) for each in self.ballots)
        return RequestRecord(
            request_id=request.request_id,
            at=self.at,
            door=request.door,
            decision=self._decision(),
            attempts=(),  # each is in the record of the member's own request
            outcome=verdict.kind if isinstance(verdict, GitBridgeError) else "ok",
            requested_model=request.model or "consensus",
            provider=won.provider if won else None,
            model=won.model if won else None,
            task_type=request.task_type,
            user=request.user,
            stream=request.stream,
            latency_s=self.latency_s,
            overhead_s=max(0.0, self.latency_s - self._longest()),
            usage=self._usage(),
            cost_usd=cost,
            known_cost_usd=self._known_cost(),
            cost_source=source,
            finish_reason=won.finish_reason if won else None,
            error_message=verdict.message[:500]
            if isinstance(verdict, GitBridgeError)
            else None,
            simulated=self._simulated(),
            metadata=request.metadata,
            consensus=self._info(silent),
            thread=request.thread,
        )

    def _decision(self) -> Decision:
        strategy, weights = self.desk.tools.router.strategy()
        verdict = self.verdict
        said = verdict.message if isinstance(verdict, GitBridgeError) else verdict.rule
        return Decision(
            decision_id=self.decision_id,
            strategy=strategy,
            weights=weights,
            candidates=(),
            confidence=verdict.confidence if isinstance(verdict, Verdict) else None,
            reason=f"consensus: {said}",
        )

    def _info(self, ballots: tuple[Ballot, ...]) -> ConsensusInfo:
        verdict = self.verdict
        if isinstance(verdict, GitBridgeError):
            return ConsensusInfo(
                method=self.desk.method(self.request.consensus or ConsensusAsk()),
                kind="none",
                rule=verdict.message,
                agreement=0.0,
                confidence=None,
                winner=None,
                groups=(),
                ballots=ballots,
                calls=len(self._attempts()),
            )
        return ConsensusInfo(
            method=verdict.method,
            kind=verdict.count.grouping.kind,
            rule=verdict.rule,
            agreement=verdict.agreement,
            confidence=verdict.confidence,
            calls=len(self._attempts()),
            winner=verdict.winner,
            groups=verdict.count.groups,
            ballots=ballots,
            stopped_early=verdict.early,
            judge=verdict.judge,
            plan=verdict.plan,
            independent_votes=self.desk.learned(simulated=self._simulated()).worth(
                sum(each.state == "answered" for each in ballots)
            ),
        )

    # ---- sums over everybody who was asked, judge and chair included

    def _replies(self) -> list[RouteResult | ErrorInfo | None]:
        return [*(asked.reply for asked in self.asked), *self.written]

    def _results(self) -> list[RouteResult]:
        return [each for each in self._replies() if isinstance(each, RouteResult)]

    def _simulated(self) -> bool:
        replies = [each for each in self._replies() if each is not None]
        if replies:
            return any(each.simulated for each in replies)
        return all_simulated(self.desk.tools.providers.values())

    def _attempts(self) -> tuple[AttemptSummary, ...]:
        return tuple(
            attempt
            for reply in self._replies()
            if reply is not None
            for attempt in reply.attempts
        )

    def _cost(self) -> tuple[Decimal | None, CostSource]:
        return total_cost(self._replies())

    def _known_cost(self) -> Decimal:
        return sum(
            (
                attempt.cost_usd
                for attempt in self._attempts()
                if attempt.cost_usd is not None
            ),
            Decimal(0),
        )

    def _usage(self) -> Usage:
        """What all answers used together; unknown where one does not say."""
        usages = [each.usage for each in self._results()]
        return Usage(
            prompt_tokens=_sum([each.prompt_tokens for each in usages]),
            completion_tokens=_sum([each.completion_tokens for each in usages]),
            cached_tokens=_sum([each.cached_tokens for each in usages]),
            reasoning_tokens=_sum([each.reasoning_tokens for each in usages]),
            total_tokens=_sum([each.total_tokens for each in usages]),
        )

    def _longest(self) -> float:
        return max((each.latency_s for each in self._results()), default=0.0)


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [each for each in counts if each is not None]
    return sum(known) if known and len(known) == len(counts) else None
