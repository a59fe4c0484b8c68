"""Load shedding at the door: how many requests may be inside, and whether one is late.

A request that cannot be served in time is refused at once, before it costs anything.
``Shed.reason`` tells the two apart: ``overloaded`` is ours and worth a retry,
``deadline`` is a request whose own time was over when it came. Budgets and rate limits
are decided elsewhere.
"""

from typing import Literal

from msgspec import Struct

MAX_IN_FLIGHT = 1024
RETRY_AFTER_S = 1.0


class Admit(Struct, frozen=True):
    """Come in; say ``release`` when done."""


class Shed(Struct, frozen=True):
    """Not now. ``retry_after_s`` is 0.0 where waiting does not help."""

    retry_after_s: float
    reason: Literal["overloaded", "deadline"]


class Admission:
    """Counts the requests inside by id, so that releasing twice harms nobody."""

    __slots__ = ("_inside", "_max_in_flight", "_retry_after_s")

    def __init__(
        self,
        max_in_flight: int = MAX_IN_FLIGHT,
        retry_after_s: float = RETRY_AFTER_S,
    ) -> None:
        self._max_in_flight = max_in_flight
        self._retry_after_s = retry_after_s
        self._inside: set[str] = set()

    @property
    def in_flight(self) -> int:
        """Requests admitted and not released."""
        return len(self._inside)

    def admit(
        self, request_id: str, deadline: float | None, now: float
    ) -> Admit | Shed:
        """Let a request in, or say why not.

        ``deadline`` and ``now`` are on the event loop's clock, in seconds. An id that
        is inside already is admitted again and counts once.
        """
        if deadline is not None and now >= deadline:
            return Shed(0.0, "deadline")
        if request_id not in self._inside:
            if len(self._inside) >= self._max_in_flight:
                return Shed(self._retry_after_s, "overloaded")
            self._inside.add(request_id)
        return Admit()

    def release(self, request_id: str) -> None:
        """The request has ended. Unknown and released ids change nothing."""
        self._inside.discard(request_id)
