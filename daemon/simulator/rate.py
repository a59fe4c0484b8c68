"""The rate limit of a pretend provider: so many requests in each window of time."""

from daemon.simulator.answer import Refusal
from daemon.simulator.behaviour import RateLimit
from daemon.simulator.dialect import Allowance


class RateWindow:
    """Counts the requests of the current window; the first one opens it."""

    def __init__(self) -> None:
        self._ends = 0.0
        self._used = 0

    def take(self, limit: RateLimit | None, now: float) -> Allowance:
        """Count a request at the loop time ``now``.

        Raises:
            Refusal: The window is used up; with the seconds until the next.
        """
        if limit is None:
            return Allowance()
        if now >= self._ends:
            self._ends = now + limit.per_s
            self._used = 0
        left_s = self._ends - now
        if self._used >= limit.requests:
            message = f"Rate limit of {limit.requests} requests reached."
            raise Refusal(429, "rate_limit", message, retry_after_s=round(left_s, 3))
        self._used += 1
        return Allowance(limit.requests, limit.requests - self._used, left_s)
