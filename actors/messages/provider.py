"""What is said to and by a provider actor."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

from actors.errors import FailureClass, Owner
from actors.messages.chat import (
    ChatRequest,
    Completion,
    ContinuesAs,
    Delta,
    ModelInfo,
    Usage,
)

BreakerPhase = Literal["closed", "open", "half_open"]
BreakerCause = Literal["failures", "slow", "limited"]
"""What a breaker opened for. One that opened for slowness turns nobody away: the router
prefers others, and a request that has nobody else is answered slowly."""

CostSource = Literal["provider", "config", "table", "estimated", "free", "unknown"]
"""Where a cost comes from: the provider's own figure, a configured price, the price
table, estimated tokens at one of those prices (a stream that was cut before its usage),
nothing billed (never reached, or refused with an error status), or not known."""

COST_SOURCES: tuple[CostSource, ...] = (
    "free",
    "provider",
    "config",
    "table",
    "estimated",
    "unknown",
)
"""Where a cost comes from, the more certain first."""

DeltaSink = Callable[[Delta], None]
"""Receives deltas in order, in the provider's task; must not block or raise."""


Resume = Literal["auto", "prefix", "restart", "off"]
"""What a provider is asked for when a stream broke: to go on from what was said, where
that is known to work; to go on in any case; to answer anew; nothing."""

NO_FIRST_TOKEN = "no_first_token"  # noqa: S105 - no password
"""The ``code`` of a failure that ended a stream which had said nothing yet."""

AT_CAPACITY = "at_capacity"
"""The ``code`` of a refusal by our own limiter that the next call to end there cures."""


class TimeoutLimits(Struct, frozen=True, kw_only=True):
    """Seconds, in place of a provider's own timeouts where they are said."""

    connect_s: float | None = None
    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None


class Allowance(Struct, frozen=True, gc=False, kw_only=True):
    """What may still be asked; ``None`` where the provider does not say.

    ``reset_s`` are the seconds until ``remaining`` is ``limit`` again.
    """

    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None


class RateLimits(Struct, frozen=True, gc=False, kw_only=True):
    """What one answer's headers say about our limits with the model that was asked."""

    requests: Allowance = Allowance()
    tokens: Allowance = Allowance()


class Attempt(Struct, frozen=True, kw_only=True):
    """Command: make exactly one upstream call. Answered with an ``Outcome``.

    ``deadline`` is on the event loop's clock. With ``sink`` the call is streamed and
    every delta goes there as it arrives. ``max_tokens``/``temperature``/
    ``reasoning_effort`` defaults of the provider are already in ``request``. ``forced``
    goes through an open breaker, because every other candidate is out too;
    ``first_token_s`` is a shorter bound on the first token than the provider's own,
    because another candidate stands ready; ``timeouts`` go before the provider's own;
    ``counted`` is false when the request has already added a failure to this
    provider's count of consecutive ones.
    """

    attempt_id: str
    request_id: str
    model: str
    request: ChatRequest
    deadline: float
    sink: DeltaSink | None = None
    forced: bool = False
    counted: bool = True
    first_token_s: float | None = None
    timeouts: TimeoutLimits | None = None


class CancelAttempt(Struct, frozen=True):
    """Command: stop that call now; its ``Outcome`` still comes, as ``cancelled``.

    ``lost``: another call of the same request answered first.
    """

    attempt_id: str
    lost: bool = False


class Failure(Struct, frozen=True, gc=False, kw_only=True):
    """Why an attempt failed, in words the retry rules and the caller understand.

    ``neutral`` failures say nothing about the provider's health (a stale keep-alive
    connection, a breaker or limiter of ours that refused before calling).
    ``should_retry`` is the provider's own word on asking it again, where it has one.
    """

    failure: FailureClass
    message: str
    owner: Owner
    status: int | None = None
    code: str | None = None
    retry_after_s: float | None = None
    neutral: bool = False
    should_retry: bool | None = None


class Outcome(Struct, frozen=True, gc=False, kw_only=True):
    """How one attempt ended: with ``completion``, or with ``failure``, never both.

    ``usage`` and ``cost_usd`` are what it cost either way; a failed or cancelled call
    may cost money too. ``called`` is false when nothing was sent upstream (breaker,
    limiter), so that it counts neither as an attempt nor as money. ``emitted`` says
    that at least one delta with content went to the sink. ``dropped`` lists parameters
    the model refuses, that were left out. ``simulated``: a pretend provider answered.
    """

    attempt_id: str
    provider: str
    model: str
    latency_s: float
    completion: Completion | None = None
    failure: Failure | None = None
    time_to_first_token_s: float | None = None
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    cost_source: CostSource = "unknown"
    called: bool = True
    emitted: bool = False
    dropped: tuple[str, ...] = ()
    provider_request_id: str | None = None
    rate_limits: RateLimits | None = None
    simulated: bool = False


class CheckHealth(Struct, frozen=True):
    """Command: probe now. Answered with a ``ProbeResult``."""

    model: str | None = None


class ProbeResult(Struct, frozen=True, kw_only=True):
    """One health probe. ``outcome`` is there when it was a completion and cost money.

    ``listed`` says that a models list came: ``models`` is all of it then, even if empty.
    """

    provider: str
    healthy: bool
    at: float
    latency_s: float | None
    probe: Literal["models", "completion", "none"]
    failure: Failure | None = None
    models: tuple[ModelInfo, ...] = ()
    outcome: Outcome | None = None
    simulated: bool = False
    listed: bool = False


class BreakerTransition(Struct, frozen=True, kw_only=True):
    """Event: a breaker changed its phase."""

    provider: str
    model: str
    before: BreakerPhase
    after: BreakerPhase
    reason: str
    at: float


class ModelSnapshot(Struct, frozen=True, gc=False, kw_only=True):
    """One model of a provider as the router sees it when it ranks.

    Latencies in seconds; ``success_rate`` in [0, 1] over the rolling window, ``None``
    without calls; ``blocked_until`` is the loop time before which the limiter admits
    nothing (0.0: free now). ``provider_in_flight`` counts the calls that share the
    provider's ``concurrency_limit``. ``breaker_cause`` says why the breaker is not
    closed. ``success_alpha``/``success_beta`` are the discounted
    posterior of success, ``last_call_at`` the loop time of the newest call in it.
    Prices in USD per million tokens, ``None`` when unknown.
    ``healthy`` is the last probe's verdict, ``auth_refused`` that our key was refused
    and no probe has passed since; ``weight`` is the configured round-robin weight.
    """

    provider: str
    model: str
    breaker: BreakerPhase = "closed"
    breaker_cause: BreakerCause | None = None
    breaker_open_until: float = 0.0
    probe_permit_free: bool = False
    blocked_until: float = 0.0
    in_flight: int = 0
    provider_in_flight: int = 0
    concurrency_limit: int | None = None
    calls: int = 0
    failures: int = 0
    success_rate: float | None = None
    success_alpha: float = 1.0
    success_beta: float = 1.0
    last_call_at: float | None = None
    latency_avg_s: float | None = None
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    time_to_first_token_s: float | None = None
    ttft_p95_s: float | None = None
    ttft_samples: int = 0
    ttft_prompt_tokens: float | None = None
    seconds_per_token: float | None = None
    consecutive_failures: int = 0
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    cached_input_price: Decimal | None = None
    price_source: CostSource = "unknown"
    context_window: int | None = None
    healthy: bool | None = None
    auth_refused: bool = False
    weight: float = 1.0


class ProviderTotals(Struct, frozen=True, kw_only=True):
    """Since the first start with this state folder; money only of priced calls."""

    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced_calls: int = 0
    last_request_at: float | None = None


class ProviderSnapshot(Struct, frozen=True, kw_only=True):
    """Published by a provider actor whenever something changed.

    ``healthy`` is ``None`` before the first probe. ``served`` are the model names of
    the last models list that came. ``default_model`` is ``None`` while no model of a
    provider that is to be discovered is known. ``catalogue_version`` is another number
    whenever models come or go or the default one changes. ``cost_per_1k_tokens_usd`` is over the
    rolling window. ``out_of_money``: the account was when it was last asked for more
    than a list of models. ``concurrency_limit`` is how many calls at once it takes, as
    configured or learned from its refusals, ``None`` while nothing is known;
    ``in_flight`` how many there are; ``blocked_until`` the loop time before which it
    admits nothing, whatever the model. From ``requests_free_at`` on the configured rate
    lets one request through every ``request_interval_s`` (0.0: there is none).
    """

    provider: str
    kind: str
    version: int
    models: tuple[ModelSnapshot, ...]
    default_model: str | None
    catalogue_version: int = 0
    healthy: bool | None = None
    last_probe: ProbeResult | None = None
    served: tuple[str, ...] = ()
    simulated: bool = False
    totals: ProviderTotals = ProviderTotals()
    success_rate: float | None = None
    latency_avg_s: float | None = None
    cost_per_1k_tokens_usd: Decimal | None = None
    concurrency_limit: int | None = None
    in_flight: int = 0
    blocked_until: float = 0.0
    requests_free_at: float = 0.0
    request_interval_s: float = 0.0
    restarts: int = 0
    out_of_money: bool = False


class GetSnapshot(Struct, frozen=True):
    """Query: answered with the actor's ``ProviderSnapshot``."""


class ProviderRef(Protocol):
    """The typed handle on a provider actor."""

    @property
    def name(self) -> str: ...

    async def attempt(self, attempt: Attempt) -> Outcome:
        """Make one upstream call.

        Never raises for a failed call. If the actor crashes or is stopped while the
        call runs, an ``Outcome`` with an ``internal`` failure comes back.
        """

    def cancel(self, attempt_id: str, *, lost: bool = False) -> None:
        """Stop that call; its ``attempt`` returns an ``Outcome`` soon."""

    def resumes_as(self, model: str) -> ContinuesAs | None:
        """How it goes on from a broken answer's beginning; ``None``: it is not to."""

    async def check_health(self, model: str | None = None) -> ProbeResult: ...

    def snapshot(self) -> ProviderSnapshot:
        """The newest snapshot, at once."""


def all_simulated(providers: Iterable[ProviderRef]) -> bool:
    """Whether there are only pretended ones: what called nobody is pretended, too."""
    each = [provider.snapshot().simulated for provider in providers]
    return bool(each) and all(each)
