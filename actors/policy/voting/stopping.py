"""When asking further members cannot be worth it, and whom to ask first.

``settled`` is certain: whatever the rest says, the outcome stays. ``Threshold`` bets on
the posterior: it stops when the leading answer is probably right. The thresholds and
the order are chosen from labelled rounds by ``plan_cascade``.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from actors.policy.voting.weights import Posterior

TAU = 0.75
"""Posterior from which nobody else is asked, where nothing was fitted."""


class Step(Struct, frozen=True):
    """Ask ``members`` together, then stop if the posterior reaches ``tau``."""

    members: tuple[str, ...]
    tau: float


def settled(counts: Sequence[float], remaining: float) -> bool:
    """Whether the leader stays first whatever the ``remaining`` weight does.

    ``counts`` are the groups' weights so far; equal weight is not ahead.
    """
    if not counts:
        return remaining <= 0.0
    first, *rest = sorted(counts, reverse=True)
    second = rest[0] if rest else 0.0
    return first > second + remaining


def reached(posterior: Posterior, tau: float) -> bool:
    """Whether the leading answer is probable enough to stop."""
    best = posterior.best
    return best is not None and posterior.groups[best] >= tau


def cheap_first(
    members: Sequence[str], usd: Mapping[str, float], accuracy: Mapping[str, float]
) -> tuple[str, ...]:
    """The order of a cascade: the two cheapest good ones, then the best, then others.

    Good means at most 0.15 less accurate than the best. A member of unknown price
    counts as the dearest.
    """
    if len(members) < 3:
        return tuple(members)
    dearest = max((usd[name] for name in members if name in usd), default=0.0)
    best = max(members, key=lambda name: accuracy.get(name, 0.0))
    floor = accuracy.get(best, 0.0) - 0.15
    others = [name for name in members if name != best]
    others.sort(
        key=lambda name: (accuracy.get(name, 0.0) < floor, usd.get(name, dearest))
    )
    return (*others[:2], best, *others[2:])
