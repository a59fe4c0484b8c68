"""Who gets a place next: priorities with a reserved share, a bounded queue, no starving.

Requests wait in lines (``waiting_line``), one for each set of places that would do and
each priority. When a place comes free the highest priority that wants it is served,
except that of 100 places that they want too, ``SHARES`` are kept for the lower ones:
so whoever waits is served, at the latest when its share comes around. Lines of one
priority take turns.

``MAX_WAITING`` requests wait at most. When all of them do, a newcomer takes the place
of one with lower priority, or of one that is in its line for no good reason
(``WaitingLine.victim``); else it is refused.

Places have names; this module knows nothing else of them. Times are loop time.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from msgspec import Struct

from actors.messages.routing import PRIORITIES, Priority
from actors.policy.waiting_line import Shed, Waiter, WaitingLine

MAX_WAITING = 1024
SHARES: dict[Priority, int] = {"normal": 20, "low": 10}
"""Percent of the places for which a higher priority waits too."""

_WHOLE = 100
_Lines = OrderedDict[frozenset[str], WaitingLine]


class Turn(Struct, frozen=True):
    """Who gets the place, if anybody, and who is shed on the way."""

    waiter: Waiter | None
    shed: tuple[Shed, ...] = ()


class AdmissionQueue:
    """See the module. ``waiting`` is how many do, ``max_waiting`` may be changed."""

    __slots__ = ("_credit", "_lines", "_wanting", "max_waiting", "waiting")

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self.max_waiting = max_waiting
        self._lines: dict[Priority, _Lines] = {
            name: OrderedDict() for name in PRIORITIES
        }
        self._credit = dict.fromkeys(PRIORITIES, 0)
        self._wanting: dict[str, int] = {}
        self.waiting = 0

    def depths(self) -> dict[Priority, int]:
        """How many wait, by priority."""
        return {
            priority: sum(line.waiting for line in lines.values())
            for priority, lines in self._lines.items()
        }

    def wanted(self, place: str) -> bool:
        """Somebody waits for it."""
        return place in self._wanting

    def join(self, waiter: Waiter, now: float) -> Shed | None:
        """Stand in line.

        Returns:
            Who has to go for it: nobody, somebody else, or ``waiter`` itself.
        """
        victim: Waiter | None = None
        if self.waiting >= self.max_waiting:
            victim = self._victim(waiter)
            if victim is None:
                return Shed(waiter, "queue_full")
            self.leave(victim)
        lines = self._lines[waiter.priority]
        line = lines.get(waiter.places)
        if line is None:
            line = lines[waiter.places] = WaitingLine()
        line.add(waiter, now)
        self.waiting += 1
        for place in waiter.places:
            self._wanting[place] = self._wanting.get(place, 0) + 1
        return None if victim is None else Shed(victim, "queue_full")

    def leave(self, waiter: Waiter) -> None:
        """Wait no longer.

        Raises:
            KeyError: It does not wait.
        """
        self._lines[waiter.priority][waiter.places].remove(waiter)
        self._forget(waiter)

    def next(self, place: str, now: float) -> Turn:
        """Whose turn it is for ``place``, which is free now."""
        gone: list[Shed] = []
        while place in self._wanting:
            waiter, shed = self._choose(place).pop(now)
            gone += shed
            for each in shed:
                self._forget(each.waiter)
            if waiter is not None:
                self._forget(waiter)
                return Turn(waiter, tuple(gone))
        return Turn(None, tuple(gone))

    def _forget(self, waiter: Waiter) -> None:
        self.waiting -= 1
        lines = self._lines[waiter.priority]
        line = lines.get(waiter.places)
        if line is not None and not line.waiting:
            del lines[waiter.places]
        if not lines:
            self._credit[waiter.priority] = 0  # shares are not saved up
        for place in waiter.places:
            left = self._wanting[place] - 1
            if left:
                self._wanting[place] = left
            else:
                del self._wanting[place]

    def _choose(self, place: str) -> WaitingLine:
        lines = self._lines[self._due([p for p in PRIORITIES if self._has(p, place)])]
        key = next(places for places in lines if place in places)
        lines.move_to_end(key)
        return lines[key]

    def _has(self, priority: Priority, place: str) -> bool:
        return any(place in places for places in self._lines[priority])

    def _due(self, present: list[Priority]) -> Priority:
        """The highest priority, or a lower one whose share has come around."""
        for priority in present[1:]:
            self._credit[priority] += SHARES[priority]
        for priority in reversed(present[1:]):
            if self._credit[priority] >= _WHOLE:
                self._credit[priority] -= _WHOLE
                return priority
        return present[0]

    def _victim(self, newcomer: Waiter) -> Waiter | None:
        for priority in _from_below(newcomer.priority):
            lines: Iterable[WaitingLine] = self._lines[priority].values()
            longest = max(lines, key=lambda line: line.waiting, default=None)
            victim = None if longest is None else longest.victim(newcomer)
            if victim is not None:
                return victim
        return None


def _from_below(highest: Priority) -> Iterator[Priority]:
    """The lowest priority first, up to this one."""
    return reversed(PRIORITIES[PRIORITIES.index(highest) :])
