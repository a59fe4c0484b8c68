"""One budget of extra calls for the whole daemon: retries, failovers and hedges.

Without it a provider's outage multiplies the load by the number of attempts.
"""

import math

_MEMORY_S = 10.0
_MOST_OWED = 10.0  # in bursts


class RetryBudget:
    """A bucket of extra calls: a share of all requests, some a second, and a burst.

    Over any time, extra calls <= ``ratio`` x requests + ``min_per_s`` x seconds +
    ``burst``. What quiet hours earned is not hoarded: the bucket holds the burst and
    the share of about the last ten seconds' requests (Finagle's time to live).

    Args:
        ratio: Extra calls earned by each request.
        min_per_s: Extra calls earned by each second.
        burst: Extra calls there from the start, and held at rest.
        empty: Nothing is there at the start; all has to be earned.
    """

    __slots__ = ("_at", "_balance", "_burst", "_min_per_s", "_ratio", "_recent")

    def __init__(
        self,
        ratio: float = 0.1,
        min_per_s: float = 1.0,
        burst: float = 10.0,
        *,
        empty: bool = False,
    ) -> None:
        self._ratio = ratio
        self._min_per_s = min_per_s
        self._burst = burst
        self._balance = 0.0 if empty else burst
        self._recent = 0.0  # requests, fading with a time constant of _MEMORY_S
        self._at: float | None = None

    def configure(self, ratio: float, min_per_s: float) -> None:
        """Earn this from now on; what is there stays."""
        self._ratio = ratio
        self._min_per_s = min_per_s

    def on_request(self, now: float) -> None:
        """A request arrived (its first call is not an extra one)."""
        self._advance(now)
        self._recent += 1.0
        self._earn(self._ratio)

    def try_take(self, now: float) -> bool:
        """Take one extra call; false when the budget is spent."""
        if self.left(now) < 1.0:
            return False
        self._balance -= 1.0
        return True

    def reserve(self, now: float, within_s: float) -> float | None:
        """Take an extra call that is not earned yet; it is to be made when it is.

        Returns:
            Seconds until then, first come first served; ``None``, and nothing is taken,
            when that is later than ``within_s``.
        """
        missing = 1.0 - self.left(now)
        if missing > 0.0 and missing > within_s * self._min_per_s:
            return None
        self._balance -= 1.0
        return missing / self._min_per_s if missing > 0.0 else 0.0

    def charge(self, now: float) -> None:
        """An extra call is made whatever is left: what it lacks is earned first.

        An outage's failovers may owe ten times what the bucket holds at rest, not more.
        """
        self._advance(now)
        self._balance = max(self._balance - 1.0, -_MOST_OWED * self._burst)

    def give_back(self) -> None:
        """A call that was taken was not made after all."""
        self._earn(1.0)

    def left(self, now: float) -> float:
        """Extra calls left now."""
        self._advance(now)
        return self._balance

    def ample(self, now: float) -> bool:
        """At least half of the burst is left: enough for what is not strictly needed.

        Hedges and early deadlines must not take from failovers the last of it (gRPC
        stops both at half, A6).
        """
        return self.left(now) >= max(1.0, self._burst / 2.0)

    def _capacity(self) -> float:
        return self._burst + self._ratio * self._recent

    def _advance(self, now: float) -> None:
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now if self._at is None else max(self._at, now)
        self._recent *= math.exp(-elapsed / _MEMORY_S)
        self._earn(self._min_per_s * elapsed)

    def _earn(self, calls: float) -> None:
        self._balance = min(self._balance + calls, self._capacity())
