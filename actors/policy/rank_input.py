"""What a ranking is asked with and what it answers."""

from collections.abc import Mapping
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

KEPT_CANDIDATES = 8
"""So many of the best are told with all their terms."""

KEPT_ORDER = 32
"""So many of the best, and of those in reserve, a request may come to ask."""

KEPT_EXCLUSIONS = 32
"""So many of those that cannot be chosen now are told with their reason."""


class Cached(Struct, frozen=True, gc=False):
    """Where a conversation's prompt is likely cached, and how many tokens of it."""

    target: Target
    tokens: int


class RankInput(Struct, frozen=True, kw_only=True):
    """One request as the ranking sees it.

    ``now`` is loop time, ``draw`` uniform in [0, 1): the only chance in a ranking.
    ``prompt_tokens_estimate`` is the likely size, ``prompt_tokens_upper`` the bound;
    ``max_output_tokens`` is what the caller reserves of a window,
    ``expected_output_tokens`` what is likely to come, ``output_tokens`` the same of
    those candidates of which it is known apart. ``longest_input`` is what the window must
    hold, where it is not prompt and answer together. The first ``preferred`` candidates may
    be asked, the others only when none of those can answer; ``None`` is all of them.
    ``rotation`` are the turns so far, for ``round_robin``. ``quality`` is how good the
    answers of a candidate to such tasks have been, a mean in (0, 1]; who is not in it
    counts as 1. ``cached`` is where the conversation was. ``exploration`` is the share of
    requests that go to another than the best, where the strategy explores at all.
    So many of the best as ``told`` are told with all their terms.
    """

    strategy: Strategy
    now: float
    draw: float
    weights: Weights = Weights()
    prompt_tokens_estimate: int = 0
    prompt_tokens_upper: int = 0
    expected_output_tokens: int = 256
    max_output_tokens: int = 0
    longest_input: int | None = None
    budget_usd: Decimal | None = None
    preferred: int | None = None
    rotation: RoundRobin | None = None
    output_tokens: Mapping[Target, float] = {}
    quality: Mapping[Target, float] = {}
    cached: Cached | None = None
    exploration: float = 0.03
    told: int = KEPT_CANDIDATES

    @property
    def in_window(self) -> int:
        """Tokens that a window must likely hold."""
        if self.longest_input is not None:
            return self.longest_input
        return self.prompt_tokens_estimate + self.max_output_tokens

    @property
    def in_window_upper(self) -> int:
        """The bound of that; of an input, a third more, as texts turn out denser."""
        if self.longest_input is not None:
            return self.longest_input * 4 // 3
        return self.prompt_tokens_upper + self.max_output_tokens

    def output_of(self, target: Target) -> float:
        """Tokens that this candidate is expected to answer with."""
        return self.output_tokens.get(target, self.expected_output_tokens)


class Ranking(Struct, frozen=True, kw_only=True):
    """Who to ask, best first, and why.

    ``order`` is who may be asked, ``ranked`` the best of them with their terms. ``reserve`` are softly excluded candidates, least bad first, for when all
    of ``order`` have failed. ``confidence`` is ``None`` with fewer than two ranked.
    ``degraded`` says that nobody was well and the least bad were taken.
    """

    ranked: tuple[RankedCandidate, ...]
    order: tuple[Target, ...] = ()
    excluded: tuple[Exclusion, ...] = ()
    confidence: float | None = None
    degraded: bool = False
    reserve: tuple[Target, ...] = ()
    reason: str = ""
