"""What a ranking is asked with and what it answers."""

from decimal import Decimal

from msgspec import Struct

from actors.messages.routing import (
    Exclusion,
    RankedCandidate,
    Strategy,
    Target,
    Weights,
)
from actors.policy.round_robin import RoundRobin


class RankInput(Struct, frozen=True, kw_only=True):
    """One request as the ranking sees it.

    ``now`` is loop time, ``draw`` uniform in [0, 1): the only chance in a ranking.
    ``prompt_tokens_estimate`` is the likely size, ``prompt_tokens_upper`` the bound;
    ``max_output_tokens`` is what the caller reserves of a window,
    ``expected_output_tokens`` what is likely to come. ``order`` is the caller's order,
    for ``priority``; ``rotation`` the turns so far, for ``round_robin``. ``unhealthy``
    and ``refused`` are names of providers besides those whose snapshots say so. ``exploration`` is the share of requests that
    go to another than the best, where the strategy explores at all.
    """

    strategy: Strategy
    now: float
    draw: float
    weights: Weights = Weights()
    prompt_tokens_estimate: int = 0
    prompt_tokens_upper: int = 0
    expected_output_tokens: int = 256
    max_output_tokens: int = 0
    budget_usd: Decimal | None = None
    order: tuple[Target, ...] = ()
    rotation: RoundRobin | None = None
    unhealthy: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    exploration: float = 0.03


class Ranking(Struct, frozen=True, kw_only=True):
    """Who to ask, best first, and why.

    ``reserve`` are softly excluded candidates, least bad first, for when all ranked
    ones have failed. ``confidence`` is ``None`` with fewer than two ranked.
    ``degraded`` says that nobody was well and the least bad were taken.
    """

    ranked: tuple[RankedCandidate, ...]
    excluded: tuple[Exclusion, ...] = ()
    confidence: float | None = None
    degraded: bool = False
    reserve: tuple[Target, ...] = ()
    reason: str = ""
