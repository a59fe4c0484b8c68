"""What the methods answer, as the outside contract names it.

Tool calls have OpenAI's shape here, so that they can be sent back in ``messages`` as
they came. Money is US dollars, ``null`` when unknown; times named ``at`` or ``since`` are
UTC epoch seconds, ``_s`` are seconds.
"""

from decimal import Decimal
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from actors.errors import ErrorKind, Mistake
from actors.messages.budgets import BudgetRow
from actors.messages.chat import (
    Delta,
    FinishReason,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from actors.messages.consensus import Ballot, ConsensusInfo
from actors.messages.ledger import HistoryEntry, UsageGrouping, UsageRow
from actors.messages.lifecycle import Condition
from actors.messages.peers import PeerRow
from actors.messages.provider import (
    BreakerPhase,
    CostSource,
    ProbeResult,
    ProviderSnapshot,
)
from actors.messages.routing import (
    AttemptSummary,
    ErrorInfo,
    Priority,
    RouteResult,
    Strategy,
    Weights,
)
from ipc.feedback import QualityRow

PROTOCOL = 1
"""Version of the native protocol: grows when something old stops working."""


class FunctionReply(Struct, frozen=True):
    """The function of a tool call. ``arguments`` is JSON text."""

    name: str
    arguments: str


class ToolCallReply(Struct, frozen=True):
    """A tool call in OpenAI's shape."""

    id: str
    function: FunctionReply
    type: Literal["function"] = "function"


class RouteReply(Struct, frozen=True, kw_only=True):
    """The answer to ``route``; fields as in ``RouteResult``."""

    content: str | None
    finish_reason: FinishReason
    provider: str
    model: str
    usage: Usage
    cost_usd: Decimal | None
    cost_source: CostSource
    latency_s: float
    time_to_first_token_s: float | None
    overhead_s: float
    decision_id: str
    request_id: str
    confidence: float | None
    attempts: tuple[AttemptSummary, ...]
    tool_calls: tuple[ToolCallReply, ...] = ()
    reasoning: str | None = None
    refusal: str | None = None
    response_id: str | None = None
    cached: bool = False
    simulated: bool = False
    dropped: tuple[str, ...] = ()
    consensus: ConsensusInfo | UnsetType = UNSET
    thread: str | UnsetType = UNSET


class FunctionPiece(Struct, frozen=True, omit_defaults=True):
    """A piece of a function: ``arguments`` are appended to what came before."""

    name: str | None = None
    arguments: str | None = None


class ToolCallPiece(Struct, frozen=True):
    """A piece of a tool call; ``id`` and ``type`` come once, with the first."""

    index: int
    function: FunctionPiece
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class DeltaParams(Struct, frozen=True, kw_only=True):
    """The params of a ``delta`` notification: a piece of the answer to call ``id``."""

    id: int | str | None
    index: int
    content: str | None
    reasoning: str | None
    tool_calls: tuple[ToolCallPiece, ...] = ()
    refusal: str | UnsetType = UNSET


class ErrorData(Struct, frozen=True, kw_only=True):
    """The ``data`` of an error; what was wrong with a field only where one was.

    ``mistakes`` are those of a configuration that was refused by ``reload``; ``ballots``
    what the members of a consensus said that did not reach its quorum.
    """

    kind: ErrorKind
    retryable: bool = False
    retry_after_s: float | None = None
    provider: str | None = None
    attempts: tuple[AttemptSummary, ...] = ()
    decision_id: str | None = None
    field: str | UnsetType = UNSET
    got: str | UnsetType = UNSET
    wanted: str | UnsetType = UNSET
    mistakes: tuple[Mistake, ...] | UnsetType = UNSET
    ballots: tuple[Ballot, ...] | UnsetType = UNSET


class HelloResult(Struct, frozen=True, kw_only=True):
    """Who answers, and what the caller may do."""

    server: str
    version: str
    protocol: int
    methods: tuple[str, ...]
    user: str | None
    tier: Literal["user", "admin"]


class CancelResult(Struct, frozen=True):
    """``cancelled`` is false when nothing with that id was in flight any more."""

    id: int | str | None
    cancelled: bool


class ProviderStatus(Struct, frozen=True, kw_only=True):
    """One provider at a glance; ``breaker`` is that of its default ``model``.

    ``model`` is null while none is known of a provider that is to be discovered;
    ``concurrency_limit`` while there is none, configured or learned.
    """

    provider: str
    kind: str
    model: str | None
    healthy: bool | None
    breaker: BreakerPhase
    success_rate: float | None
    latency_avg_s: float | None
    consecutive_failures: int
    in_flight: int
    requests: int
    failures: int
    cost_usd: Decimal | None
    last_request_at: float | None
    simulated: bool = False
    concurrency_limit: int | None = None


class StatusResult(Struct, frozen=True, kw_only=True):
    """The daemon at a glance. Of those ``in_flight`` so many are ``waiting`` for a place.

    ``tasks`` are the durable ones by where they are; empty where nobody has used any.
    ``peers`` are the other daemons on the same Redis, where there is one.
    """

    version: str
    pid: int
    started_at: float
    uptime_s: float
    ready: bool
    strategy: Strategy
    weights: Weights
    in_flight: int
    providers: tuple[ProviderStatus, ...]
    conditions: tuple[Condition, ...] = ()
    simulated: bool = False
    draining: bool = False
    waiting: dict[Priority, int] = {}
    tasks: dict[str, int] = {}
    budgets: tuple[BudgetRow, ...] = ()
    peers: tuple[PeerRow, ...] = ()


class ProvidersResult(Struct, frozen=True):
    """Every provider as the router sees it; ``quality`` is what feedback has taught."""

    providers: tuple[ProviderSnapshot, ...]
    quality: tuple[QualityRow, ...] = ()


class MetricsResult(Struct, frozen=True, kw_only=True):
    """Totals over all providers, and each provider's rolling window and totals."""

    requests: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal | None
    unpriced_calls: int
    providers: tuple[ProviderSnapshot, ...]
    quality: tuple[QualityRow, ...] = ()


class HistoryResult(Struct, frozen=True):
    """Newest first. ``cursor`` asks for the page after this one, if there is one."""

    entries: tuple[HistoryEntry, ...]
    cursor: str | None = None


class UsageResult(Struct, frozen=True):
    """Usage since ``since``, grouped; and the daily budgets, where there are any."""

    by: UsageGrouping
    since: float | None
    rows: tuple[UsageRow, ...]
    budgets: tuple[BudgetRow, ...] = ()


class StrategyResult(Struct, frozen=True):
    """The strategy in force; ``overridden`` at run time, that is, by nobody's file."""

    strategy: Strategy
    weights: Weights
    overridden: bool = False
    strategy_overridden: bool = False
    weights_overridden: bool = False


class HealthResult(Struct, frozen=True):
    """``healthy`` is true when every provider that was asked is.

    ``max_latency_s`` is the threshold that held: the caller's, else the configured one.
    """

    healthy: bool
    providers: tuple[ProbeResult, ...]
    max_latency_s: float | None = None


def route_reply(result: RouteResult) -> RouteReply:
    """The router's answer in the shape callers get."""
    return RouteReply(
        content=result.content,
        finish_reason=result.finish_reason,
        provider=result.provider,
        model=result.model,
        usage=result.usage,
        cost_usd=result.cost_usd,
        cost_source=result.cost_source,
        latency_s=result.latency_s,
        time_to_first_token_s=result.time_to_first_token_s,
        overhead_s=result.overhead_s,
        decision_id=result.decision_id,
        thread=UNSET if result.thread is None else result.thread,
        request_id=result.request_id,
        confidence=result.confidence,
        attempts=result.attempts,
        tool_calls=tuple(map(_call, result.tool_calls)) if result.tool_calls else (),
        reasoning=result.reasoning,
        refusal=result.refusal,
        response_id=result.response_id,
        cached=result.cached,
        simulated=result.simulated,
        dropped=result.dropped,
        consensus=UNSET if result.consensus is None else result.consensus,
    )


def _call(call: ToolCall) -> ToolCallReply:
    return ToolCallReply(call.id, FunctionReply(call.name, call.arguments))


def delta_params(call_id: int | str | None, delta: Delta) -> DeltaParams:
    """A piece of an answer in the shape callers get."""
    return DeltaParams(
        id=call_id,
        index=0,
        content=delta.content,
        reasoning=delta.reasoning,
        tool_calls=tuple(map(_piece, delta.tool_calls)) if delta.tool_calls else (),
        refusal=UNSET if delta.refusal is None else delta.refusal,
    )


def _piece(piece: ToolCallDelta) -> ToolCallPiece:
    first = piece.id is not None
    return ToolCallPiece(
        index=piece.index,
        function=FunctionPiece(piece.name, piece.arguments or None),
        id=piece.id if piece.id is not None else UNSET,
        type="function" if first else UNSET,
    )


def error_data(error: ErrorInfo) -> ErrorData:
    """What callers get beside the message of an error."""
    return ErrorData(
        kind=error.kind,
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
        provider=error.provider,
        attempts=error.attempts,
        decision_id=error.decision_id,
        field=UNSET if error.field is None else error.field,
        got=UNSET if error.got is None else error.got,
        wanted=UNSET if error.wanted is None else error.wanted,
        mistakes=error.mistakes or UNSET,
        ballots=error.ballots or UNSET,
    )
