"""What a decision saw: the figures it was ranked with, kept so that it can be replayed."""

from decimal import Decimal

from msgspec import Struct

from actors.messages.provider import BreakerCause, BreakerPhase


class Sighting(Struct, frozen=True, gc=False, array_like=True):
    """One candidate's figures, from ``seq`` on until the next sighting of it.

    Everything of a ``ModelSnapshot`` that a ranking looks at, with its units; loop times
    belong to the clock of the ``now`` in the decision. Written as an array: a field that
    is added goes last, with a default.
    """

    epoch: str
    seq: int
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
    success_rate: float | None = None
    success_alpha: float = 1.0
    success_beta: float = 1.0
    last_call_at: float | None = None
    latency_avg_s: float | None = None
    time_to_first_token_s: float | None = None
    seconds_per_token: float | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    cached_input_price: Decimal | None = None
    context_window: int | None = None
    healthy: bool | None = None
    auth_refused: bool = False
    weight: float = 1.0


class RankedOn(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What else a decision was made with. With its sightings it can be made again.

    ``sightings`` are the ``seq`` of each candidate's figures within ``epoch``, in the
    order in which they were ranked, the first ``preferred`` ones before the others.
    ``output_tokens`` and ``quality`` are those of each candidate, where they were known
    apart; ``credits`` the turns so far, for ``round_robin``; ``cached`` the place of the
    candidate with the conversation's prompt in its cache, and how many tokens.
    """

    epoch: str
    sightings: tuple[int, ...]
    now: float
    preferred: int
    prompt_tokens: int = 0
    prompt_tokens_upper: int = 0
    expected_output_tokens: int = 0
    max_output_tokens: int = 0
    budget_usd: Decimal | None = None
    exploration: float = 0.03
    output_tokens: tuple[float | None, ...] = ()
    quality: tuple[float | None, ...] = ()
    credits: tuple[float, ...] = ()
    cached: tuple[int, int] | None = None
    longest_input: int | None = None
