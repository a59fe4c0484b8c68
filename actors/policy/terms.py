"""What a score is made of, in terms that can be read."""

from collections.abc import Sequence
from math import inf

from actors.messages.routing import RankedCandidate, ScoreTerm, Weights
from actors.policy.board import Columns
from actors.policy.measures import Measured
from actors.policy.rank_input import RankInput

EPSILON_USD = 1e-6

_AS_DEAREST = "price unknown: counted as 10 % above the dearest known"
_NO_PRICES = "no candidate's price is known: all equal"


class Scored:
    """The scores of all columns' candidates, with what they were made of.

    Attributes:
        weights: Normalised; ``None`` where the place alone counts.
        scores: In [0, 1], but for rounding.
        charges: Expected US dollars, infinite if unknown.
        cheapest: The least of them, plus a millionth.
        unknown: The cost score of an unknown price.
        latencies: Predicted seconds, infinite if unknown.
        fastest: The least of them.
        qualities: Relative to the best; empty where nothing is known.
    """

    __slots__ = (
        "charges",
        "cheapest",
        "fastest",
        "latencies",
        "qualities",
        "scores",
        "unknown",
        "weights",
    )

    def __init__(self, weights: Weights | None) -> None:
        self.weights = weights
        self.scores: list[float] = []
        self.charges: list[float] = []
        self.cheapest = 0.0
        self.unknown = 0.0
        self.latencies: list[float] = []
        self.fastest = 1.0
        self.qualities: list[float] = []

    def cost(self, place: int) -> float:
        """The cost score of the candidate at this place."""
        charge = self.charges[place]
        return self.unknown if charge == inf else self.cheapest / (charge + EPSILON_USD)

    def speeds(self, freshness: list[float]) -> list[float]:
        """The performance scores of all candidates."""
        fastest = self.fastest
        speeds = [
            1.0 - fresh * (1.0 - fastest / latency)
            for fresh, latency in zip(freshness, self.latencies, strict=True)
        ]
        if not self.qualities:
            return speeds
        return [speed * q for speed, q in zip(speeds, self.qualities, strict=True)]

    def speed(self, place: int, freshness: float) -> float:
        """The performance score of the candidate at this place."""
        speed = 1.0 - freshness * (1.0 - self.fastest / self.latencies[place])
        return speed * self.qualities[place] if self.qualities else speed


def describe(
    columns: Columns, scored: Scored, places: Sequence[int], ask: RankInput
) -> tuple[RankedCandidate, ...]:
    """These candidates with their scores, terms, expected cost and latency."""
    return tuple([_candidate(columns, scored, place, ask) for place in places])


def _candidate(
    columns: Columns, scored: Scored, place: int, ask: RankInput
) -> RankedCandidate:
    item, score = columns.items[place], min(1.0, scored.scores[place])
    tokens: float = ask.expected_output_tokens
    if ask.output_tokens:
        tokens = columns.lengths(ask)[place]
    cached = 0 if ask.cached is None else cached_tokens(item, ask)
    latency_s = item.latency_s(tokens)
    weights = scored.weights
    if weights is None:
        terms: tuple[ScoreTerm, ...] = (_rank_term(score, len(columns.items)),)
    else:
        terms = _terms(columns, scored, place, ask, (latency_s, cached))
    cost = item.cost_usd(ask.prompt_tokens_estimate, tokens, cached)
    return RankedCandidate(item.target, score, terms, cost, latency_s)


def cached_tokens(item: Measured, ask: RankInput) -> int:
    """How many tokens of this request's prompt are likely cached there."""
    cached = ask.cached
    if cached is None or cached.target != item.target:
        return 0
    return min(cached.tokens, ask.prompt_tokens_estimate)


def _rank_term(score: float, count: int) -> ScoreTerm:
    behind = float(round((1.0 - score) * count))
    return ScoreTerm("rank", score, 1.0, behind, "places behind the first")


def _terms(
    columns: Columns,
    scored: Scored,
    place: int,
    ask: RankInput,
    seen: tuple[float | None, int],
) -> tuple[ScoreTerm, ...]:
    latency_s, cached = seen
    weights, item = scored.weights, columns.items[place]
    assert weights is not None
    terms: list[ScoreTerm] = []
    if weights.cost:
        value, charge = scored.cost(place), scored.charges[place]
        if item.priced and not cached:
            terms.append(ScoreTerm("cost", value, weights.cost, charge, "USD"))
        else:
            terms.append(_odd_cost_term(item, scored, place, cached))
    if weights.performance:
        note = _quality_note(item, ask) if ask.quality else item.speed_note
        value = scored.speed(place, columns.freshness[place])
        terms.append(
            ScoreTerm("performance", value, weights.performance, latency_s, "s", note)
        )
    if weights.availability:
        value, rate = item.availability, item.snapshot.success_rate
        weight, note = weights.availability, item.state_note
        terms.append(
            ScoreTerm("availability", value, weight, rate, "success rate", note)
        )
    return tuple(terms)


def _odd_cost_term(
    item: Measured, scored: Scored, place: int, cached: int
) -> ScoreTerm:
    """Of a price that is not known, or with tokens that are cached."""
    assert scored.weights is not None
    value, charge = scored.cost(place), scored.charges[place]
    weight = scored.weights.cost
    if not item.priced:
        note = _NO_PRICES if min(scored.charges) == inf else _AS_DEAREST
        return ScoreTerm("cost", value, weight, None, "USD", note)
    saved = item.saving_usd(cached)
    note = f"about {cached} tokens cached there save ${saved:.3g}"
    return ScoreTerm("cost", value, weight, charge, "USD", note)


def _quality_note(item: Measured, ask: RankInput) -> str | None:
    quality, note = ask.quality.get(item.target), item.speed_note
    if quality is None:
        return note
    return (
        f"quality {quality:.2f}" if note is None else f"{note}; quality {quality:.2f}"
    )
