"""Models to rank, and how a ranking reads."""

from decimal import Decimal

from msgspec.structs import replace

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import ScoreTerm, Strategy
from actors.policy.scoring import Ranking, RankInput

NOW = 50.0
ASK = RankInput(
    strategy="hybrid",
    now=NOW,
    draw=0.5,
    prompt_tokens_estimate=1_000_000,
    prompt_tokens_upper=1_000_000,
    expected_output_tokens=100,
)


def model(
    name: str,
    price: str | None = None,
    latency_s: float | None = None,
    *,
    successes: float = 50.0,
) -> ModelSnapshot:
    """A model that costs ``price`` dollars for the million tokens asked here."""
    return ModelSnapshot(
        provider=name,
        model="m",
        success_alpha=1.0 + successes,
        calls=int(successes),
        success_rate=1.0 if successes else None,
        input_price=None if price is None else Decimal(price),
        output_price=None if price is None else Decimal(0),
        latency_avg_s=latency_s,
    )


def ask(strategy: Strategy, draw: float = 0.5) -> RankInput:
    return replace(ASK, strategy=strategy, draw=draw)


def order(ranking: Ranking) -> str:
    return "".join(candidate.target.provider for candidate in ranking.ranked)


def scores(ranking: Ranking) -> dict[str, float]:
    return {c.target.provider: c.score for c in ranking.ranked}


def terms(ranking: Ranking, provider: str) -> tuple[ScoreTerm, ...]:
    [found] = [c for c in ranking.ranked if c.target.provider == provider]
    return found.terms
