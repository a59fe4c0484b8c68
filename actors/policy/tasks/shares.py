"""Which priority fills which free place: the higher first, the lower never starve.

Each priority has a share of all places while it has work. The one that has had least of
its share goes first (stride scheduling); one that had nothing to do saves nothing up.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from actors.messages.routing import PRIORITIES, Priority

SHARES: Final[Mapping[Priority, int]] = {"high": 70, "normal": 20, "low": 10}


class Shares:
    """How much of the places each priority has had."""

    def __init__(self) -> None:
        self._passed: dict[Priority, float] = dict.fromkeys(PRIORITIES, 0.0)

    def slots(self, free: int) -> tuple[tuple[Priority, ...], ...]:
        """For each of ``free`` places who may fill it, the preferred first."""
        passed = dict(self._passed)
        slots: list[tuple[Priority, ...]] = []
        for _ in range(free):
            first = _next(passed)
            passed[first] += 1.0 / SHARES[first]
            slots.append((first, *(p for p in PRIORITIES if p != first)))
        return tuple(slots)

    def took(
        self, slots: Sequence[Sequence[Priority]], taken: Sequence[Priority]
    ) -> None:
        """Of these slots, those of ``taken`` were filled, by these priorities."""
        for priority in taken:
            self._passed[priority] += 1.0 / SHARES[priority]
        for priority in PRIORITIES:
            wanted = sum(slot[0] == priority for slot in slots)
            if taken.count(priority) < wanted:  # it has no more: saves nothing up
                self._passed[priority] = max(self._passed.values())


def _next(passed: Mapping[Priority, float]) -> Priority:
    return min(PRIORITIES, key=lambda priority: passed[priority])
