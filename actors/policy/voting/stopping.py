"""When asking further members is hardly worth it, and whom to ask first.

A bet on the posterior: it stops when the leading answer is probably right. ``settling``
knows when it is certain that nothing changes; ``choosing`` learns thresholds and order
from labelled rounds.
"""

from collections.abc import Mapping, Sequence

from actors.policy.voting.weights import Posterior

TAU = 0.75
"""Posterior from which nobody else is asked, where nothing was fitted."""


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
