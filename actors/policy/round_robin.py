"""Smooth weighted round robin, as nginx does it.

Every turn each candidate's credit grows by its weight, the richest goes first and pays
the sum of all weights. Weights 3 and 1 give a a b a, not a a a b.
"""

from collections.abc import Mapping

from actors.messages.routing import Target

_SMALLEST_WEIGHT = 1e-6


class RoundRobin:
    """Whose turn it is. Keep one for as long as the rotation shall go on."""

    __slots__ = ("_credit",)

    def __init__(self) -> None:
        self._credit: dict[Target, float] = {}

    def turn(self, weights: Mapping[Target, float]) -> list[Target]:
        """Take one turn among the eligible: all of them, in order of their credit.

        Who is not eligible now neither gains nor pays. Ties keep the given order.

        Args:
            weights: The share of each eligible target; 0 or less is almost nothing.
        """
        if len(weights) < 2:
            return list(weights)  # nothing to remember, whatever names callers invent
        credit = self._credit
        total = 0.0
        for target, given in weights.items():
            weight = max(_SMALLEST_WEIGHT, given)
            credit[target] = credit.get(target, 0.0) + weight
            total += weight
        order = sorted(weights, key=lambda target: -credit[target])
        credit[order[0]] -= total
        return order
