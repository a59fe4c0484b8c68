"""Quantiles of durations by a logarithmic histogram that can also forget.

Bin ``i`` holds the durations in (G^(i-1), G^i] seconds, G = (1 + e) / (1 - e), and
answers with 2 G^i / (G + 1), which is at most the share e away from anything in it
(the DDSketch argument). Durations are clamped to [100 µs, 2 h] first.
"""

from math import ceil, log

RELATIVE_ERROR = 0.01
SHORTEST_S = 1e-4
LONGEST_S = 7200.0

_GROWTH = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
_LOG_GROWTH = log(_GROWTH)


def bin_of(duration_s: float) -> int:
    """The bin of a duration in seconds."""
    clamped_s = min(max(duration_s, SHORTEST_S), LONGEST_S)
    return ceil(log(clamped_s) / _LOG_GROWTH)


class LogHistogram:
    """Sparse: adding and removing are O(1), memory is one count per occupied bin."""

    __slots__ = ("_bins", "count")

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self.count = 0

    def add(self, duration_s: float) -> None:
        index = bin_of(duration_s)
        self._bins[index] = self._bins.get(index, 0) + 1
        self.count += 1

    def remove(self, duration_s: float) -> None:
        """Forget one duration that was added.

        Raises:
            KeyError: None like it is there.
        """
        index = bin_of(duration_s)
        left = self._bins[index] - 1
        if left:
            self._bins[index] = left
        else:
            del self._bins[index]
        self.count -= 1

    def quantiles(self, *shares: float) -> tuple[float, ...]:
        """Nearest-rank quantiles in seconds, within ``RELATIVE_ERROR``.

        Args:
            shares: Ascending, each in (0, 1]: 0.5 is the median.

        Returns:
            One per share; empty when nothing was added.
        """
        found: list[float] = []
        seen = 0
        ranks = [ceil(share * self.count) for share in shares]
        for index in sorted(self._bins):
            seen += self._bins[index]
            while len(found) < len(ranks) and seen >= ranks[len(found)]:
                found.append(2.0 * _GROWTH**index / (_GROWTH + 1.0))
        return tuple(found)
