"""From scores to an order: who goes first, by score, by chance, or for its cache."""

from collections.abc import Sequence
from typing import NamedTuple

from actors.policy.board import Columns
from actors.policy.confidence import beta_variance, decision_confidence
from actors.policy.measures import Measured
from actors.policy.rank_input import RankInput

TIE = 0.02
EXPLORING = frozenset({"performance", "availability", "hybrid"})
BY_PLACE = frozenset({"round_robin", "priority"})


class Choice(NamedTuple):
    """Places of the columns, best first, and why in that order."""

    order: list[int]
    reason: str


def choose(
    columns: Columns, scores: list[float], ask: RankInput, *, tight: bool
) -> Choice:
    """Order the candidates: the preferred first, then who surely fits, then by score.

    Args:
        columns: Who may be chosen, at least one.
        scores: Theirs.
        ask: The request.
        tight: Somebody's window may turn out too small.
    """
    order, leading = _standing(columns, scores, ask, tight=tight)
    if ask.strategy in BY_PLACE:
        return Choice(order, f"{ask.strategy}: the first in order")
    rank, reason = _draw(columns, scores, order[:leading], ask)
    if rank:
        order.insert(0, order.pop(rank))
    return Choice(order, reason)


def confidence(
    items: Sequence[Measured], scores: Sequence[float], order: Sequence[int]
) -> float | None:
    """How sure it is that the first is better than the second; ``None`` without one."""
    if len(order) < 2:
        return None
    one, two = items[order[0]], items[order[1]]
    variance = beta_variance(one.alpha, one.beta) + beta_variance(two.alpha, two.beta)
    calls = min(one.snapshot.calls, two.snapshot.calls)
    return decision_confidence(scores[order[0]], scores[order[1]], variance, calls)


def _standing(
    columns: Columns, scores: list[float], ask: RankInput, *, tight: bool
) -> tuple[list[int], int]:
    """Everybody in order, and how many of them compete with the first for its place."""
    count = len(scores)
    rest = columns.preferred < count and columns.preferred > 0
    tight = tight and ask.strategy != "priority"  # the caller knows what it asked for
    if not rest and not tight:
        return sorted(range(count), key=scores.__getitem__, reverse=True), count
    classes = _classes(columns, ask, tight=tight)
    order = sorted(range(count), key=lambda place: (classes[place], -scores[place]))
    first = classes[order[0]]
    return order, classes.count(first)


def _classes(columns: Columns, ask: RankInput, *, tight: bool) -> list[int]:
    needed = ask.in_window_upper
    classes = []
    for item in columns.items:
        window = item.snapshot.context_window
        small = tight and window is not None and needed > window
        classes.append(2 * item.rest + small)
    return classes


def _draw(
    columns: Columns, scores: list[float], leading: list[int], ask: RankInput
) -> tuple[int, str]:
    """Which of the leading ones goes first: the best, its cache's, or one by chance."""
    best = scores[leading[0]]
    home = _home(columns, scores, leading, ask)
    if home is not None:
        return home, f"{ask.strategy}: the conversation's prompt is cached there"
    share = ask.exploration if ask.strategy in EXPLORING else 0.0
    if ask.draw < share and len(leading) > 1 and not _has_home(columns, leading, ask):
        rank = 1 + int(ask.draw / share * (len(leading) - 1))
        return rank, f"{ask.strategy}: exploring, draw {ask.draw:.4f} < {share:g}"
    tied = _tied(scores, leading, best - TIE)
    if tied < 2:
        return 0, f"{ask.strategy}: the highest score, {best:.3f}"
    chance = max(0.0, ask.draw - share) / (1.0 - share)
    one, two = _pair(tied, chance)
    works = [_work(columns.items[leading[n]], ask) for n in (one, two)]
    return (one if works[0] <= works[1] else two), (
        f"{ask.strategy}: {tied} within {TIE} of the highest score, {best:.3f}; "
        f"of two drawn ({ask.draw:.4f}) the one with less work"
    )


def _has_home(columns: Columns, leading: list[int], ask: RankInput) -> bool:
    cached, targets = ask.cached, columns.targets
    if cached is None:
        return False
    return any(targets[place] == cached.target for place in leading)


def _home(
    columns: Columns, scores: list[float], leading: list[int], ask: RankInput
) -> int | None:
    """The rank of the one with the cache, if it is as good as the best."""
    if ask.cached is None:
        return None
    best = scores[leading[0]]
    for rank, place in enumerate(leading):
        if scores[place] < best - TIE:
            return None
        if columns.targets[place] == ask.cached.target:
            return rank
    return None


def _tied(scores: list[float], leading: list[int], least: float) -> int:
    """How many of them, best first, have at least this score."""
    tied = 0
    for place in leading:
        if scores[place] < least:
            break
        tied += 1
    return tied


def _pair(count: int, chance: float) -> tuple[int, int]:
    """Two different ranks below ``count``, each pair equally likely."""
    number = int(chance * count * (count - 1))
    one, two = divmod(number, count - 1)
    two += two >= one
    return min(one, two), max(one, two)


def _work(item: Measured, ask: RankInput) -> float:
    """Seconds of work in flight there; an unknown speed counts as 1 s a call."""
    latency_s = item.latency_s(ask.output_of(item.target))
    seconds = 1.0 if latency_s is None else latency_s * item.freshness
    return seconds * (item.snapshot.in_flight + 1)
