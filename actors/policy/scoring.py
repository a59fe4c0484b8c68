"""Snapshots -> ranking with the reasons: the five strategies, and the caller's order.

Every score is in [0, 1]:

* cost: s_c = (c_min + e) / (c + e); c is the expected US dollars of the request, retries
  included: cost / (1 - p_fail), tokens that are likely cached at their own price;
  e = 1e-6 USD. A candidate of unknown price counts as 10 % dearer than the dearest known
  one, so it never wins by ignorance; when no price is known, all have 0.5.
* performance: s_p = L_min / L x q / q_max; L is the predicted latency in seconds: time to
  first token + seconds per token x expected output tokens (or the average latency),
  times max(1, in flight / limit). Unknown latency counts as the fastest known, times the
  calls in flight + 1: it is tried by one, not by everybody before the first has answered.
  q is the mean quality of its answers to such tasks, 1 if unknown.
* availability: s_a = state x max(0, mu - 1.28 sd) x min(1, headroom / 0.2); state is 1
  closed, 0.5 half-open with its permit free, 0 open; mu and sd are of the posterior of
  success with a prior of Beta(5, 1), fading with 120 s without calls.
* hybrid: the weighted sum of the three, weights normalised (0.4, 0.3, 0.3).
* round robin and priority: s = 1 - rank / n, by smooth weighted turns, or as given.

Before any scoring ``eligibility`` removes who cannot be chosen; its gate keeps a dead
cheap provider from winning. The highest score goes first. Within 0.02 of it, two are
drawn and the one with less work (L x (in flight + 1)) goes first. ``performance``,
``availability`` and ``hybrid`` send 3 % of requests to another than the best, to keep
knowing it; ``cost``, ``round_robin`` and ``priority`` never do. A conversation goes back
to where its prompt is cached when that is within 0.02 of the best, and is never sent
exploring; in the cost the cache counts with what it saves, so that it moves when staying
would cost more. Candidates whose window is smaller than the bound of the prompt stand
behind those that surely fit.

It takes O(n log n) for the order and O(n) for everything else; a ``Ranker`` keeps what
follows from the snapshots alone, so that few of these steps are in Python.
"""

from collections.abc import Sequence
from math import inf

from actors.errors import BudgetExceeded, ContextTooLong, GitBridgeError, NoProvider
from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Exclusion, Strategy, Weights
from actors.policy.board import Board, Columns
from actors.policy.choice import BY_PLACE, Choice, choose, confidence
from actors.policy.eligibility import IN_DOUBT, Groups, fits
from actors.policy.rank_input import (
    KEPT_EXCLUSIONS,
    KEPT_ORDER,
    Ranking,
    RankInput,
)
from actors.policy.round_robin import RoundRobin
from actors.policy.terms import EPSILON_USD, Scored, describe

__all__ = ["RankInput", "Ranker", "Ranking", "rank", "refusal"]

_UNKNOWN_PRICE_FACTOR = 1.1
_NEUTRAL = 0.5
_FIXED_WEIGHTS: dict[Strategy, Weights] = {
    "cost": Weights(1.0, 0.0, 0.0),
    "performance": Weights(0.0, 1.0, 0.0),
    "availability": Weights(0.0, 0.0, 1.0),
}


class Ranker:
    """Ranks the same candidates again and again, as of loop times that go forward."""

    __slots__ = ("_board",)

    def __init__(self) -> None:
        self._board = Board()

    def rank(self, candidates: Sequence[ModelSnapshot], ask: RankInput) -> Ranking:
        """Rank the candidates for one request, best first.

        Args:
            candidates: Every model that may be asked, as of now: the preferred first.
            ask: The request and the strategy.

        Returns:
            A ranking, with nobody ranked only when everybody is excluded for good; then
            ``refusal`` says how the request ends.

        Raises:
            ValueError: The strategy is ``hybrid`` and no weight is above zero.
        """
        board = self._board
        board.look(candidates, ask.now, ask.preferred)
        roomy = ask.in_window <= board.smallest_window and not board.unnamed
        if roomy and ask.budget_usd is None:
            return _ranking(board.columns, board.groups, (), ask, board)
        kept, hard = fits(board.items, ask)
        groups = Groups(kept)
        return _ranking(Columns(groups.eligible), groups, hard, ask, board)


def rank(candidates: Sequence[ModelSnapshot], ask: RankInput) -> Ranking:
    """Rank candidates once; see ``Ranker.rank``."""
    return Ranker().rank(candidates, ask)


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


def _ranking(
    columns: Columns,
    groups: Groups,
    hard: Sequence[Exclusion],
    ask: RankInput,
    board: Board,
) -> Ranking:
    if not columns.items:
        return _least_bad(groups, hard, ask)
    scored = _score(columns, ask)
    tight = ask.in_window_upper > board.smallest_window
    choice = choose(columns, scored.scores, ask, tight=tight)
    soft, shown = groups.soft, max(KEPT_EXCLUSIONS, ask.told)
    return Ranking(
        ranked=describe(columns, scored, choice.order[: ask.told], ask),
        order=tuple(map(columns.targets.__getitem__, choice.order[:KEPT_ORDER])),
        excluded=(
            *(groups.exclusion(each, ask.now) for each in soft[:shown]),
            *hard,
        ),
        confidence=confidence(columns.items, scored.scores, choice.order),
        reserve=tuple([item.target for item, _ in soft[:KEPT_ORDER]]),
        reason=choice.reason,
    )


def _least_bad(groups: Groups, hard: Sequence[Exclusion], ask: RankInput) -> Ranking:
    soft = groups.soft
    if not soft:
        return Ranking(ranked=(), excluded=tuple(hard), reason="nobody can be asked")
    columns = Columns([item for item, _ in soft])
    scored = _score(columns, ask)
    order = list(range(len(soft)))
    first = groups.exclusion(soft[0], ask.now)
    name = f"{first.target.provider}/{first.target.model}"
    choice = Choice(
        order, f"nobody is free and well; least bad: {name} ({first.detail})"
    )
    return Ranking(
        ranked=describe(columns, scored, choice.order[: ask.told], ask),
        order=tuple(columns.targets[:KEPT_ORDER]),
        excluded=tuple(hard),
        confidence=confidence(columns.items, scored.scores, order),
        degraded=first.code in IN_DOUBT,
        reason=choice.reason,
    )


# Scores


def _score(columns: Columns, ask: RankInput) -> Scored:
    if ask.strategy in BY_PLACE:
        return _score_by_place(columns, ask)
    weights = _weights(ask)
    scored = Scored(weights)
    if weights.cost:
        _see_costs(scored, columns, ask)
    if weights.performance:
        _see_speeds(scored, columns, ask)
    scored.scores = _sum(scored, columns, weights)
    return scored


def _sum(scored: Scored, columns: Columns, weights: Weights) -> list[float]:
    """The weighted sums, in one pass over the columns."""
    if not weights.cost:
        scores = _without_cost(scored, columns, weights)
    elif weights.cost == 1.0:
        cheapest = scored.cheapest
        scores = [cheapest / (charge + EPSILON_USD) for charge in scored.charges]
    else:
        scores = _hybrid(scored, columns, weights)
    if scored.unknown:
        for place in columns.strangers:
            scores[place] += weights.cost * scored.unknown
    return scores


def _without_cost(scored: Scored, columns: Columns, weights: Weights) -> list[float]:
    if not weights.performance:
        return columns.availability
    speeds = scored.speeds(columns.freshness)
    if weights.performance == 1.0:
        return speeds
    speed, state = weights.performance, weights.availability
    return [
        speed * each + state * available
        for each, available in zip(speeds, columns.availability, strict=True)
    ]


def _hybrid(scored: Scored, columns: Columns, weights: Weights) -> list[float]:
    speed, state, epsilon = weights.performance, weights.availability, EPSILON_USD
    cheapest, fastest = weights.cost * scored.cheapest, scored.fastest
    if scored.qualities or not speed:
        speeds = scored.speeds(columns.freshness) if speed else columns.availability
        triples = zip(scored.charges, speeds, columns.availability, strict=True)
        return [
            cheapest / (charge + epsilon) + speed * each + state * available
            for charge, each, available in triples
        ]
    return [
        cheapest / (charge + epsilon)
        + speed * (1.0 - fresh * (1.0 - fastest / latency))
        + state * available
        for charge, fresh, latency, available in zip(
            scored.charges,
            columns.freshness,
            scored.latencies,
            columns.availability,
            strict=True,
        )
    ]


def _see_costs(scored: Scored, columns: Columns, ask: RankInput) -> None:
    scored.charges = charges = columns.charges(ask)
    cached = ask.cached
    if cached is not None and cached.target in columns.targets:
        place = columns.targets.index(cached.target)
        tokens = min(cached.tokens, ask.prompt_tokens_estimate)
        charges[place] -= columns.items[place].saving_usd(tokens)
    cheapest = min(charges)
    if cheapest == inf:
        scored.unknown = _NEUTRAL
        return
    scored.cheapest = cheapest = cheapest + EPSILON_USD
    if columns.strangers:
        dearest = max(charge for charge in charges if charge != inf)
        unknown = cheapest / (dearest * _UNKNOWN_PRICE_FACTOR + EPSILON_USD)
        scored.unknown = min(unknown, 1.0 / _UNKNOWN_PRICE_FACTOR)  # all may be free


def _see_speeds(scored: Scored, columns: Columns, ask: RankInput) -> None:
    scored.latencies = columns.latencies(ask)
    fastest = min(scored.latencies)
    if fastest != inf:
        scored.fastest = fastest
    if ask.quality:
        scored.qualities = columns.qualities(ask)


def _weights(ask: RankInput) -> Weights:
    fixed = _FIXED_WEIGHTS.get(ask.strategy)
    if fixed is not None:
        return fixed
    given = ask.weights
    total = given.cost + given.performance + given.availability
    if total <= 0.0:
        raise ValueError(f"no weight is above zero: {given}")
    return Weights(
        given.cost / total, given.performance / total, given.availability / total
    )


def _score_by_place(columns: Columns, ask: RankInput) -> Scored:
    scored = Scored(None)
    count = len(columns.items)
    if ask.strategy == "round_robin" and ask.rotation is not None:
        scored.scores = [0.0] * count
        for rank_, place in enumerate(_turns(columns, ask.rotation)):
            scored.scores[place] = 1.0 - rank_ / count
    else:
        scored.scores = [1.0 - place / count for place in range(count)]
    return scored


def _turns(columns: Columns, rotation: RoundRobin) -> list[int]:
    """Places in the order in which it is their turn; substitutes as they were given."""
    first = columns.preferred
    if first in {0, len(columns.items)}:
        return rotation.turn(columns.targets, columns.weights)
    turn = rotation.turn(columns.targets[:first], columns.weights[:first])
    return [*turn, *range(first, len(columns.items))]
