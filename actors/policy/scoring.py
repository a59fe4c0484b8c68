"""Snapshots -> ranking with the reasons: the five strategies, and the caller's order.

Every score is in [0, 1]:

* cost: s_c = (c_min + e) / (c + e); c is the expected US dollars of the request, retries
  included: cost / (1 - p_fail); e = 1e-6 USD. A candidate of unknown price counts as
  10 % dearer than the dearest known one, so it never wins by ignorance; when no price
  is known, all have 0.5.
* performance: s_p = L_min / L; L is the predicted latency in seconds: time to first
  token + seconds per token x expected output tokens (or the average latency), times
  max(1, in flight / limit). Unknown latency counts as the fastest known, times the
  calls in flight + 1: it is tried by one, not by everybody before the first has answered.
* availability: s_a = state x max(0, mu - 1.28 sd) x min(1, headroom / 0.2); state is 1
  closed, 0.5 half-open with its permit free, 0 open; mu and sd are of the posterior of
  success with a prior of Beta(5, 1), fading with 120 s without calls.
* hybrid: the weighted sum of the three, weights normalised (0.4, 0.3, 0.3).
* round robin and priority: s = 1 - rank / n, by smooth weighted turns, or as given.

Before any scoring ``eligibility`` removes who cannot be chosen; its gate keeps a dead
cheap provider from winning. The highest score goes first. Within 0.02 of it, two are
drawn and the one with less work (L x (in flight + 1)) goes first. ``performance``,
``availability`` and ``hybrid`` send 3 % of requests to another than the best, to keep
knowing it; ``cost``, ``round_robin`` and ``priority`` never do. Candidates whose window
is smaller than the bound of the prompt stand behind those that surely fit.
"""

from collections.abc import Collection, Sequence

from actors.errors import BudgetExceeded, ContextTooLong, GitBridgeError, NoProvider
from actors.messages.provider import ModelSnapshot
from actors.messages.routing import RankedCandidate, ScoreTerm, Target, Weights
from actors.policy.confidence import beta_variance, decision_confidence
from actors.policy.eligibility import IN_DOUBT, Sorted, sort_out, unwell
from actors.policy.measures import Measured
from actors.policy.rank_input import Ranking, RankInput

__all__ = ["RankInput", "Ranking", "rank", "refusal", "unwell"]

_EPSILON_USD = 1e-6
_UNKNOWN_PRICE_FACTOR = 1.1
_NEUTRAL = 0.5
_TIE = 0.02
_EXPLORING = frozenset({"performance", "availability", "hybrid"})
_BY_PLACE = frozenset({"round_robin", "priority"})
_AS_DEAREST = "price unknown: counted as 10 % above the dearest known"
_NO_PRICES = "no candidate's price is known: all equal"
_FRESH = 0.5
_AS_FASTEST = "latency unknown: counted as the fastest known, to get to know it"

_Pair = tuple[Measured, RankedCandidate]


def rank(
    candidates: Sequence[ModelSnapshot],
    ask: RankInput,
    allowed: Collection[Target] | None = None,
    others: Collection[Target] = (),
) -> Ranking:
    """Rank the candidates for one request, best first.

    Args:
        candidates: Every model of every provider, as of now.
        ask: The request and the strategy.
        allowed: Who may be asked; ``None`` for everybody.
        others: Who may be asked when none of ``allowed`` can answer: ranked behind.

    Returns:
        A ranking, with nobody ranked only when everybody is excluded for good; then
        ``refusal`` says how the request ends.

    Raises:
        ValueError: The strategy is ``hybrid`` and no weight is above zero.
    """
    known = sort_out(
        candidates,
        ask,
        allowed if allowed is None else frozenset(allowed),
        frozenset(others),
    )
    if known.eligible:
        soft = known.soft
        pairs, reason = _choose(known.eligible, ask)
        degraded = False
    else:
        soft = []
        pairs, reason, degraded = _least_bad(known, ask)
    return Ranking(
        ranked=tuple(pair[1] for pair in pairs),
        excluded=(*(entry[1] for entry in soft), *known.hard),
        confidence=_confidence(pairs),
        degraded=degraded,
        reserve=tuple(measured.target for measured, _ in soft),
        reason=reason,
    )


def refusal(ranking: Ranking) -> GitBridgeError:
    """How a request ends that nobody was ranked for."""
    codes = {exclusion.code for exclusion in ranking.excluded}
    details = "; ".join(
        f"{exclusion.target.provider}/{exclusion.target.model}: {exclusion.detail}"
        for exclusion in ranking.excluded
        if exclusion.code in {"budget", "context"}
    )
    if "budget" in codes:
        return BudgetExceeded(f"nobody can answer within the budget: {details}")
    if "context" in codes:
        return ContextTooLong(f"no eligible model has room for the request: {details}")
    unknown = [e.target.provider for e in ranking.excluded if e.code == "no_model"]
    why = f": no model known yet of {', '.join(unknown)}" if unknown else ""
    return NoProvider(f"no configured provider can take this request{why}")


def _least_bad(known: Sorted, ask: RankInput) -> tuple[list[_Pair], str, bool]:
    if not known.soft:
        return [], "nobody can be asked", False
    by_target = {measured.target: measured for measured, _ in known.soft}
    scored = {item.target: item for item in _score(list(by_target.values()), ask)}
    pairs = [(by_target[target], scored[target]) for target in by_target]
    first = known.soft[0][1]
    name = f"{first.target.provider}/{first.target.model}"
    reason = f"nobody is free and well; least bad: {name} ({first.detail})"
    return pairs, reason, first.code in IN_DOUBT


# Scores


def _score(pool: Sequence[Measured], ask: RankInput) -> list[RankedCandidate]:
    for item in pool:
        item.predict(ask.prompt_tokens_estimate, ask.expected_output_tokens)
    if ask.strategy in _BY_PLACE:
        return _score_by_place(pool, ask)
    weights = _weights(ask)
    columns = []
    if weights.cost:
        columns.append(_cost_terms(pool, weights.cost))
    if weights.performance:
        columns.append(_performance_terms(pool, weights.performance))
    if weights.availability:
        columns.append([_availability_term(m, weights.availability) for m in pool])
    return [
        _candidate(item, terms) for item, *terms in zip(pool, *columns, strict=True)
    ]


def _score_by_place(pool: Sequence[Measured], ask: RankInput) -> list[RankedCandidate]:
    places = {target: place for place, target in enumerate(_order(pool, ask))}
    ranked = []
    for item in pool:
        place = places[item.target]
        score = 1.0 - place / len(pool)
        term = ScoreTerm("rank", score, 1.0, float(place), "places behind the first")
        ranked.append(_candidate(item, [term]))
    return ranked


def _order(pool: Sequence[Measured], ask: RankInput) -> list[Target]:
    targets = [item.target for item in pool]
    if ask.strategy == "round_robin" and ask.rotation is not None:
        first = [item for item in pool if not item.rest] or pool
        turn = ask.rotation.turn({item.target: item.snapshot.weight for item in first})
        taken = set(turn)
        return [*turn, *(target for target in targets if target not in taken)]
    given = {target: place for place, target in enumerate(ask.order)}
    return sorted(targets, key=lambda target: given.get(target, len(given)))


def _weights(ask: RankInput) -> Weights:
    if ask.strategy == "cost":
        return Weights(1.0, 0.0, 0.0)
    if ask.strategy == "performance":
        return Weights(0.0, 1.0, 0.0)
    if ask.strategy == "availability":
        return Weights(0.0, 0.0, 1.0)
    given = ask.weights
    total = given.cost + given.performance + given.availability
    if total <= 0.0:
        raise ValueError(f"no weight is above zero: {given}")
    return Weights(
        given.cost / total, given.performance / total, given.availability / total
    )


def _candidate(item: Measured, terms: Sequence[ScoreTerm]) -> RankedCandidate:
    score = 0.0
    for term in terms:
        score += term.value * term.weight
    score = min(1.0, score)
    return RankedCandidate(
        item.target, score, tuple(terms), item.cost_usd, item.latency_s
    )


def _cost_terms(pool: Sequence[Measured], weight: float) -> list[ScoreTerm]:
    known = [item.charge for item in pool if item.charge is not None]
    if not known:
        none_known = ScoreTerm("cost", _NEUTRAL, weight, None, "USD", _NO_PRICES)
        return [none_known] * len(pool)
    floor = min(known) + _EPSILON_USD
    unknown = floor / (max(known) * _UNKNOWN_PRICE_FACTOR + _EPSILON_USD)
    unknown = min(unknown, 1.0 / _UNKNOWN_PRICE_FACTOR)  # all known ones may be free
    stranger = ScoreTerm("cost", unknown, weight, None, "USD", _AS_DEAREST)
    return [
        stranger
        if item.charge is None
        else ScoreTerm(
            "cost", floor / (item.charge + _EPSILON_USD), weight, item.charge, "USD"
        )
        for item in pool
    ]


def _performance_terms(pool: Sequence[Measured], weight: float) -> list[ScoreTerm]:
    known = [item.latency_s for item in pool if item.latency_s is not None]
    fastest = min(known, default=1.0)
    return [
        _stranger_term(item, weight)
        if item.latency_s is None
        else _performance_term(item, fastest, item.latency_s, weight)
        for item in pool
    ]


def _stranger_term(item: Measured, weight: float) -> ScoreTerm:
    """One call gets to know it; more at once, while none has come back, are a risk."""
    waiting = item.snapshot.in_flight
    return ScoreTerm("performance", 1.0 / (waiting + 1), weight, None, "s", _AS_FASTEST)


def _performance_term(
    item: Measured, fastest: float, latency_s: float, weight: float
) -> ScoreTerm:
    """Fastest / latency; the older the measurement, the nearer to 1.

    A slow spell is forgotten without calls, or it would keep them away for ever.
    """
    value = 1.0 - item.freshness * (1.0 - fastest / latency_s)
    note = None if item.freshness > _FRESH else "measured long ago: counts less"
    return ScoreTerm("performance", value, weight, latency_s, "s", note)


def _availability_term(item: Measured, weight: float) -> ScoreTerm:
    rate = item.snapshot.success_rate
    note = "half-open: one call may try" if item.trial else None
    if rate is None and note is None:
        note = "no calls yet: prior only"
    return ScoreTerm(
        "availability", item.availability, weight, rate, "success rate", note
    )


# The choice


def _choose(pool: Sequence[Measured], ask: RankInput) -> tuple[list[_Pair], str]:
    pairs = list(zip(pool, _score(pool, ask), strict=True))
    pairs.sort(key=_standing if ask.strategy != "priority" else _standing_as_given)
    leader = pairs[0][0]
    leading = 0  # those who stand with the first, apart from their scores
    for item, _ in pairs:
        if item.rest != leader.rest or item.tight != leader.tight:
            break
        leading += 1
    if ask.strategy in _BY_PLACE:
        return pairs, f"{ask.strategy}: the first in order"
    place, reason = _draw(pairs[:leading], ask)
    pairs.insert(0, pairs.pop(place))
    return pairs, reason


def _standing(pair: _Pair) -> tuple[bool, bool, float]:
    return pair[0].rest, pair[0].tight, -pair[1].score


def _standing_as_given(pair: _Pair) -> tuple[bool, float]:
    return pair[0].rest, -pair[1].score


def _draw(leading: Sequence[_Pair], ask: RankInput) -> tuple[int, str]:
    """Which of the leading ones goes first: the best, or by chance another."""
    share = ask.exploration if ask.strategy in _EXPLORING else 0.0
    if ask.draw < share and len(leading) > 1:
        place = 1 + int(ask.draw / share * (len(leading) - 1))
        return place, f"{ask.strategy}: exploring, draw {ask.draw:.4f} < {share:g}"
    best = leading[0][1].score
    tied = sum(1 for _, candidate in leading if candidate.score >= best - _TIE)
    if tied < 2:
        return 0, f"{ask.strategy}: the highest score, {best:.3f}"
    chance = max(0.0, ask.draw - share) / (1.0 - share)
    one, two = _pair(tied, chance)
    place = one if _work(leading[one]) <= _work(leading[two]) else two
    return place, (
        f"{ask.strategy}: {tied} within {_TIE} of the highest score, {best:.3f}; "
        f"of two drawn ({ask.draw:.4f}) the one with less work"
    )


def _pair(count: int, chance: float) -> tuple[int, int]:
    """Two different places below ``count``, each pair equally likely."""
    number = int(chance * count * (count - 1))
    one, two = divmod(number, count - 1)
    two += two >= one
    return min(one, two), max(one, two)


def _work(pair: _Pair) -> float:
    """Seconds of work in flight there; an unknown speed counts as 1 s a call."""
    item = pair[0]
    seconds = 1.0 if item.latency_s is None else item.latency_s * item.freshness
    return seconds * (item.snapshot.in_flight + 1)


def _confidence(pairs: Sequence[_Pair]) -> float | None:
    if len(pairs) < 2:
        return None
    (one, first), (two, second) = pairs[0], pairs[1]
    variance = beta_variance(one.alpha, one.beta) + beta_variance(two.alpha, two.beta)
    calls = min(one.snapshot.calls, two.snapshot.calls)
    return decision_confidence(first.score, second.score, variance, calls)
