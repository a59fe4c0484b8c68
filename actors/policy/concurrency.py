"""How many calls at once a provider takes, learned from its refusals: AIMD.

Until it first refuses (429, or 529) nothing is known and there is no limit: a call to a
model lasts seconds to minutes, so a cautious start would keep whoever asks for thirty
answers at once waiting for minutes, while asking too much costs one quick refusal. Then:

* a refusal cuts the limit, at first what was in flight (but at least ``INITIAL``), to
  ``CUT`` of it, and never below one. Calls sent before the last cut cut no further: one
  cut a round trip;
* ``limit`` successes, each while at least half the limit was in use, raise it by one;
* ten minutes without a refusal, and what was learned is forgotten.

Source of the numbers: Netflix's concurrency-limits (AIMD), AWS' adaptive retries (0.7).
Times are loop time in seconds.
"""

from typing import Self

from msgspec import Struct

INITIAL = 8
CUT = 0.7
FORGET_S = 600.0


class ConcurrencyState(Struct, frozen=True, kw_only=True):
    """What survives a restart; ``age_s`` is the time since the last cut."""

    limit: int
    age_s: float


class AdaptiveLimit:
    """See the module. ``cuts`` counts them: a call remembers the one it was sent after."""

    __slots__ = ("_credit", "_cut_at", "_limit", "cuts")

    def __init__(self) -> None:
        self._limit: int | None = None
        self._cut_at = 0.0
        self._credit = 0
        self.cuts = 0

    def limit(self, now: float) -> int | None:
        """Calls at once; ``None`` while nothing is known."""
        if self._limit is not None and now - self._cut_at >= FORGET_S:
            self._limit = None
        return self._limit

    def refused(self, in_flight: int, sent_after: int, now: float) -> None:
        """A call was refused for load.

        Args:
            in_flight: Calls at the provider, this one included.
            sent_after: ``cuts`` when it was sent.
            now: Loop time.
        """
        if sent_after != self.cuts:
            return
        before = self.limit(now)
        if before is None:
            before = max(in_flight, INITIAL)
        self._limit = max(1, int(before * CUT))
        self._cut_at = now
        self._credit = 0
        self.cuts += 1

    def succeeded(self, in_flight: int, now: float) -> None:
        """A call was answered; ``in_flight`` as above."""
        limit = self.limit(now)
        if limit is None or 2 * in_flight < limit:
            return
        self._credit += 1
        if self._credit >= limit:
            self._limit = limit + 1
            self._credit = 0

    def dump(self, now: float) -> ConcurrencyState | None:
        limit = self.limit(now)
        if limit is None:
            return None
        return ConcurrencyState(limit=limit, age_s=now - self._cut_at)

    @classmethod
    def restore(cls, state: ConcurrencyState | None, now: float) -> Self:
        restored = cls()
        if state is not None:
            restored._limit = max(1, state.limit)
            restored._cut_at = now - state.age_s
        return restored
