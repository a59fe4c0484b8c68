"""Smooth weighted round robin, as nginx does it.

Every turn each provider's credit grows by its weight, the richest goes first and pays
the sum of all weights. Weights 3 and 1 give a a b a, not a a a b.
"""

from collections.abc import Mapping, Sequence

from actors.messages.routing import Target

_SMALLEST_WEIGHT = 1e-6


class RoundRobin:
    """Whose turn it is. Keep one for as long as the rotation shall go on.

    Args:
        weights: Share by provider name; 1.0 where nothing is said. A weight of 0 or
            less counts as almost nothing.
    """

    __slots__ = ("_credit", "_weights")

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(weights or {})
        self._credit: dict[Target, float] = {}

    def turn(self, eligible: Sequence[Target]) -> list[Target]:
        """Take one turn among ``eligible``: all of them, in order of their credit.

        Who is not eligible now neither gains nor pays. Ties keep the given order.
        """
        if not eligible:
            return []
        credit = self._credit
        total = 0.0
        for target in eligible:
            weight = max(_SMALLEST_WEIGHT, self._weights.get(target.provider, 1.0))
            credit[target] = credit.get(target, 0.0) + weight
            total += weight
        order = sorted(eligible, key=lambda target: -credit[target])
        credit[order[0]] -= total
        return order
