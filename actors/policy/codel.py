"""Whether a line of waiting requests is overloaded: CoDel, told by waiting times.

A long line is no trouble as long as it empties now and then. It is overloaded when over
a whole interval somebody had always waited longer than the target (Nichols and
Jacobson, "Controlling Queue Delay"; folly's ``Codel.cpp``, whose defaults for web
servers are 5 ms and 100 ms). Whoever has waited longest is looked at, not who is served:
under overload that is the newest.

A call to a model takes seconds, not milliseconds, and places are few. So it is none
either where less came in the interval than was let through: that backlog shrinks, and
shedding it would leave places idle that nobody else wants. For the same reason the
interval in which a line forms is not judged: a burst is no overload yet.

Waits are told as multiples of each request's own target, so that requests with
different deadlines can stand in one line. Times are loop time in seconds.
"""

from math import inf

TARGET_S = 0.5
TARGET_SHARE = 0.1
INTERVAL_S = 5.0
STALE = 2.0
"""Times its target a request may have waited before an overloaded line sheds it."""


def target_s(patience_s: float) -> float:
    """How long a request may wait, as a rule: half a second, or a tenth of its time."""
    return min(TARGET_S, TARGET_SHARE * max(0.0, patience_s))


class CoDel:
    """See the module. ``overloaded`` is the verdict on the last whole interval."""

    __slots__ = (
        "_arrived",
        "_ends_at",
        "_forming",
        "_interval_s",
        "_least",
        "_served",
        "overloaded",
    )

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._ends_at = inf
        self._least = inf
        self._arrived = 0
        self._served = 0
        self._forming = True
        self.overloaded = False

    def begin(self, now: float) -> None:
        """The line was empty: whatever was before is over."""
        self.overloaded = False
        self._forming = True
        self._restart(now)

    def arrived(self) -> None:
        self._arrived += 1

    def served(self) -> None:
        self._served += 1

    def look(self, longest: float, now: float) -> None:
        """A place is free; ``longest`` is the lateness of who has waited longest."""
        self._least = min(self._least, longest)
        if now >= self._ends_at:
            late = self._least > 1.0 and self._arrived >= self._served
            self.overloaded = late and self._arrived > 0 and not self._forming
            self._forming = False
            self._restart(now)

    def _restart(self, now: float) -> None:
        self._ends_at = now + self._interval_s
        self._least = inf
        self._arrived = self._served = 0
