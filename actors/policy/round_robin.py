"""Smooth weighted round robin, as nginx does it.

Every turn each candidate's credit grows by its weight, the richest goes first and pays
the sum of all weights. Weights 3 and 1 give a a b a, not a a a b.
"""

from collections.abc import Sequence
from itertools import repeat

from actors.messages.routing import Target

SMALLEST_WEIGHT = 1e-6
"""What a weight of nothing counts as, so that its turn comes one day."""


class RoundRobin:
    """Whose turn it is. Keep one for as long as the rotation shall go on."""

    __slots__ = ("_credit",)

    def __init__(self) -> None:
        self._credit: dict[Target, float] = {}

    def turn(self, targets: Sequence[Target], weights: Sequence[float]) -> list[int]:
        """Take one turn among the eligible: all of them, in order of their credit.

        Who is not eligible now neither gains nor pays. Ties keep the given order.

        Args:
            targets: Who is eligible.
            weights: The share of each, at least ``SMALLEST_WEIGHT``.

        Returns:
            Their places in ``targets``, whose turn it is first.
        """
        count = len(targets)
        if count < 2:
            return list(range(count))  # nothing to remember, whatever callers invent
        credit = self._credit
        before = map(credit.get, targets, repeat(0.0))
        now = [had + got for had, got in zip(before, weights, strict=True)]
        order = sorted(range(count), key=now.__getitem__, reverse=True)
        now[order[0]] -= sum(weights)
        credit.update(zip(targets, now, strict=True))
        return order

    def credits(self, targets: Sequence[Target]) -> tuple[float, ...]:
        """What each of them has saved up so far."""
        return tuple(map(self._credit.get, targets, repeat(0.0)))

    def load(self, targets: Sequence[Target], credits_: Sequence[float]) -> None:
        """Go on from what ``credits`` said."""
        self._credit.update(zip(targets, credits_, strict=True))
