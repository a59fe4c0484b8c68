"""What the router is asked, what it decides, and what is written down about it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Literal, Protocol, get_args

from msgspec import Struct

from actors.errors import (
    ConfigurationRefused,
    ErrorKind,
    FailureClass,
    GitBridgeError,
    InvalidRequest,
    Mistake,
    Owner,
)
from actors.messages.chat import ChatRequest, FinishReason, ToolCall, Usage
from actors.messages.consensus import Ballot, ConsensusAsk, ConsensusInfo
from actors.messages.provider import CostSource, DeltaSink, RateLimits, TimeoutLimits
from actors.messages.reuse import CacheUse, Reused
from actors.messages.sighting import RankedOn, Sighting

Strategy = Literal[
    "cost", "performance", "availability", "hybrid", "round_robin", "priority"
]
StreamMode = Literal["passthrough", "buffered", "resume"]
AttemptKind = Literal["first", "retry", "failover", "hedge", "resume"]
"""Why a call was made: the first of its request, again at the same model, at another
one after a failure, beside one that was slow, or to go on with a stream that broke."""

Door = Literal["http", "json", "msgpack", "internal"]
Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""The highest first."""


class Weights(Struct, frozen=True, gc=False):
    """Weights of the hybrid strategy; normalised to a sum of 1 where they are used."""

    cost: float = 0.4
    performance: float = 0.3
    availability: float = 0.3


class RouteRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Command to the router: get this answered.

    ``model`` is ``auto``, ``auto:<strategy>``, ``<provider>/<model>``, an alias or a
    served name; ``None`` means ``auto``. ``deadline_s`` counts from arrival.
    ``simulated`` and ``user`` come from the door, ``metadata`` is the caller's own.
    ``priority`` counts where requests wait for a place; ``durable`` is work that
    outlives its caller (a task): it waits in order and is never shed.
    ``consensus`` has several models asked; ``parent_id`` is the request that this one is
    a part of, ``thread`` the one that keeps a record of it (``messages.threads``).
    ``cache`` is ``None`` where the caller says nothing of it; ``idempotency_key`` is the
    caller's own name for this request and its repeats.
    """

    request_id: str
    chat: ChatRequest
    model: str | None = None
    provider: str | None = None
    strategy: Strategy | None = None
    task_type: str | None = None
    stream: bool = False
    stream_mode: StreamMode | None = None
    deadline_s: float | None = None
    budget_usd: Decimal | None = None
    priority: Priority = "normal"
    durable: bool = False
    metadata: dict[str, object] = {}
    user: str | None = None
    door: Door = "internal"
    consensus: ConsensusAsk | None = None
    parent_id: str | None = None
    cache: CacheUse | None = None
    idempotency_key: str | None = None
    thread: str | None = None


class Target(Struct, frozen=True, gc=False, cache_hash=True):
    """A provider and the model to ask it for."""

    provider: str
    model: str


class ScoreTerm(Struct, frozen=True, gc=False):
    """One factor of a score. ``value`` is in [0, 1]; ``raw`` is what it came from."""

    name: Literal["cost", "performance", "availability", "rank"]
    value: float
    weight: float
    raw: float | None
    unit: str
    note: str | None = None


class RankedCandidate(Struct, frozen=True, gc=False):
    """A candidate with its score in [0, 1], best first."""

    target: Target
    score: float
    terms: tuple[ScoreTerm, ...]
    expected_cost_usd: Decimal | None = None
    expected_latency_s: float | None = None


class Exclusion(Struct, frozen=True, gc=False):
    """A candidate that could not be chosen, and why.

    ``code`` is one of ``breaker_open``, ``rate_limited``, ``at_capacity``, ``context``,
    ``budget``, ``not_listed`` (task rule), ``no_model`` (none known yet; the target's
    model is empty), ``slow`` (its breaker opened for slowness), ``unavailable``
    (availability gate), ``unhealthy`` and ``auth``.
    """

    target: Target
    code: str
    detail: str


class Decision(Struct, frozen=True, gc=False, kw_only=True):
    """Why this provider: every candidate, every score term, every exclusion.

    ``candidates`` keeps the best eight; ``ranked_on`` names the figures that were ranked
    and says what else the ranking was given, so that the rest can be computed again;
    ``draw`` in [0, 1) is its random number. ``confidence`` in [0, 1]; ``None`` with fewer than two candidates to compare.
    ``degraded`` says that every breaker was open and the least bad was taken.
    ``hedge_after_s``: when a second candidate is asked beside a first that has not
    answered; ``None`` is never.
    """

    decision_id: str
    strategy: Strategy
    weights: Weights
    candidates: tuple[RankedCandidate, ...]
    excluded: tuple[Exclusion, ...] = ()
    candidate_count: int = 0
    confidence: float | None = None
    degraded: bool = False
    draw: float | None = None
    reason: str = ""
    ranked_on: RankedOn | None = None
    hedge_after_s: float | None = None


class AttemptRecord(Struct, frozen=True, gc=False, kw_only=True):
    """One upstream call as the ledger keeps it. ``outcome`` is ``ok`` or a failure.

    Calls are in the order in which they began. Of a hedge and the call it stood beside,
    the one that answered later is ``cancelled``; ``kind`` tells which was the hedge.
    ``held_usd``: of unknown cost, what daily budgets count for it all the same.
    """

    attempt_id: str
    provider: str
    model: str
    outcome: Literal["ok"] | FailureClass
    started_at: float
    latency_s: float
    kind: AttemptKind = "first"
    time_to_first_token_s: float | None = None
    answered_model: str | None = None
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    cost_source: CostSource = "unknown"
    status: int | None = None
    message: str | None = None
    retry_after_s: float | None = None
    dropped: tuple[str, ...] = ()
    provider_request_id: str | None = None
    held_usd: Decimal | None = None


class AttemptSummary(Struct, frozen=True, gc=False, kw_only=True):
    """One upstream call as the caller sees it."""

    provider: str
    model: str
    outcome: Literal["ok"] | FailureClass
    latency_s: float
    cost_usd: Decimal | None = None
    kind: AttemptKind = "first"


class ErrorInfo(Struct, frozen=True, gc=False, kw_only=True):
    """An error as data: what the doors turn into their protocol's shape.

    ``cost_source`` is that of the least certain attempt; without any nothing was spent.
    ``simulated``: a pretend provider was called, or nobody was where all are pretended.
    """

    kind: ErrorKind
    message: str
    owner: Owner
    retryable: bool
    retry_after_s: float | None = None
    provider: str | None = None
    field: str | None = None
    got: str | None = None
    wanted: str | None = None
    decision_id: str | None = None
    attempts: tuple[AttemptSummary, ...] = ()
    cost_source: CostSource = "free"
    rate_limits: RateLimits | None = None
    mistakes: tuple[Mistake, ...] = ()
    ballots: tuple[Ballot, ...] = ()
    simulated: bool = False


class RouteResult(Struct, frozen=True, gc=False, kw_only=True):
    """The answer, who gave it, what it cost and why it was chosen.

    ``latency_s`` is the whole request, ``overhead_s`` what of it was not spent
    waiting for providers or for a back-off. ``cost_usd`` is the sum over all
    attempts, ``None`` as soon as one of them is unknown.
    """

    request_id: str
    content: str | None
    finish_reason: FinishReason
    provider: str
    model: str
    usage: Usage
    cost_usd: Decimal | None
    cost_source: CostSource
    latency_s: float
    overhead_s: float
    decision_id: str
    attempts: tuple[AttemptSummary, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    refusal: str | None = None
    time_to_first_token_s: float | None = None
    confidence: float | None = None
    response_id: str | None = None
    cached: bool = False
    simulated: bool = False
    dropped: tuple[str, ...] = ()
    rate_limits: RateLimits | None = None
    consensus: ConsensusInfo | None = None
    thread: str | None = None
    vectors: tuple[bytes, ...] = ()


class RequestRecord(Struct, frozen=True, gc=False, kw_only=True):
    """Everything that is written down about one request: one spool entry.

    ``outcome`` is ``ok`` or the kind of the error the caller got. ``prompt_chars`` is
    the length of all message text, the text itself is never kept. ``cost_usd`` as in
    ``RouteResult``; ``known_cost_usd`` is the sum of the attempts that are known.
    ``queued_s`` is the time spent waiting for a place, at a provider or in the daemon.
    ``sightings`` are figures that this or a later decision was ranked with and that are
    in no earlier record (see ``policy.recall``). ``reused``: nobody was called, another
    request's answer was given again; ``usage`` is then of nothing.
    """

    request_id: str
    at: float
    door: Door
    decision: Decision
    attempts: tuple[AttemptRecord, ...]
    outcome: Literal["ok"] | ErrorKind
    requested_model: str | None = None
    provider: str | None = None
    model: str | None = None
    task_type: str | None = None
    user: str | None = None
    stream: bool = False
    latency_s: float = 0.0
    overhead_s: float = 0.0
    queued_s: float = 0.0
    time_to_first_token_s: float | None = None
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    known_cost_usd: Decimal = Decimal(0)
    cost_source: CostSource = "unknown"
    prompt_chars: int = 0
    finish_reason: FinishReason | None = None
    error_message: str | None = None
    simulated: bool = False
    metadata: dict[str, object] = {}
    consensus: ConsensusInfo | None = None
    parent_id: str | None = None
    thread: str | None = None
    sightings: tuple[Sighting, ...] = ()
    reused: Reused | None = None


class TaskRule(Struct, frozen=True, kw_only=True):
    """Who is eligible for a task type; the strategy ranks them."""

    providers: tuple[str, ...] = ()
    strategy: Strategy | None = None
    model: str | None = None
    max_tokens: int | None = None


class Alias(Struct, frozen=True, kw_only=True):
    """A configured model name: these candidates, in this order where it matters."""

    candidates: tuple[str, ...]
    strategy: Strategy | None = None
    stream_mode: StreamMode | None = None
    timeouts: TimeoutLimits | None = None
    max_tokens: int | None = None


class Started(Struct, frozen=True, kw_only=True):
    """Event: the first content of a streamed answer is about to go to the caller.

    ``attempts`` counts the upstream calls so far, this one included; ``cached``: none
    was made for this caller.
    """

    provider: str
    model: str
    decision_id: str
    attempts: int
    simulated: bool
    cached: bool = False


StartSink = Callable[[Started], None]
"""Told once, before the first delta of a streamed answer; must not block or raise."""


EndSink = Callable[[RouteResult | ErrorInfo], None]
"""Told once how a request ended: its record is in the spool. Must not block or raise."""


class RouteHandle(Protocol):
    """One request that can be put into the router's hands."""

    def begin(self, on_end: EndSink) -> None:
        """Send it; ``on_end`` is told how it ended, later or at once. Never raises."""

    def cancel(self, *, interrupted: bool = False) -> None:
        """Stop the upstream call now and record what it cost.

        The caller left, or the daemon stops (``interrupted``): whose doing it was goes
        into the record.
        """


class RouteRef(Protocol):
    """Whoever takes requests in: the router, or consensus."""

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None = None,
        on_start: StartSink | None = None,
    ) -> RouteHandle: ...


def error_info(error: GitBridgeError) -> ErrorInfo:
    """The error as data, without the request's own decision and attempts."""
    invalid = error if isinstance(error, InvalidRequest) else None
    refused = error if isinstance(error, ConfigurationRefused) else None
    return ErrorInfo(
        kind=error.kind,
        message=error.message,
        owner=error.owner,
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
        provider=error.provider,
        field=invalid.field if invalid else None,
        got=invalid.got if invalid else None,
        wanted=invalid.wanted if invalid else None,
        mistakes=refused.mistakes if refused else (),
    )
