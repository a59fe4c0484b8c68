"""The breaker's small window: the last few outcomes, none too old, and their counts."""

from collections import deque
from collections.abc import Iterator

from actors.messages.provider import BreakerCause
from actors.policy.breaker_table import BreakerConfig, Verdict


class Outcomes:
    """Outcomes in the order they were settled. O(1) amortised, bounded.

    429s stand in a ring of their own: they say nothing about failing or being slow, so
    they neither raise those shares nor thin them out.
    """

    __slots__ = ("_asked", "_config", "_failures", "_limited", "_ring", "_slow")

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self._ring: deque[tuple[float, Verdict]] = deque()
        self._failures = 0
        self._slow = 0
        self._asked: deque[tuple[float, bool]] = deque()  # whether it was a 429
        self._limited = 0

    def configure(self, config: BreakerConfig) -> None:
        """Judge by this from now on; what a smaller window has no room for is gone."""
        self._config = config
        while len(self._asked) > config.limited_calls:
            self._limited -= self._asked.popleft()[1]
        while len(self._ring) > config.window_calls:
            self._drop_oldest()

    def __iter__(self) -> Iterator[tuple[float, Verdict]]:
        return iter(self._ring)

    def clear(self) -> None:
        self._ring.clear()
        self._asked.clear()
        self._failures = self._slow = self._limited = 0

    def add(self, verdict: Verdict, at: float) -> None:
        """Count an outcome settled at loop time ``at``, forget those it pushes out."""
        limited = verdict == "limited"
        self._asked.append((at, limited))
        self._limited += limited
        if len(self._asked) > self._config.limited_calls:
            self._limited -= self._asked.popleft()[1]
        if not limited:
            self._ring.append((at, verdict))
            self._failures += verdict == "failure"
            self._slow += verdict == "slow"
            if len(self._ring) > self._config.window_calls:
                self._drop_oldest()
        self.expire(at)

    def expire(self, now: float) -> None:
        """Forget what is older than the window."""
        window_s = self._config.window_s
        while self._ring and now - self._ring[0][0] >= window_s:
            self._drop_oldest()
        while self._asked and now - self._asked[0][0] >= window_s:
            self._limited -= self._asked.popleft()[1]

    def fault(self) -> tuple[BreakerCause, str] | None:
        """Which share is too high, and in words; ``None``: none is, or too few calls."""
        config, count = self._config, len(self._ring)
        if count >= config.min_calls:
            if self._failures >= config.failure_ratio * count:
                return "failures", f"{self._failures} of {count} calls failed"
            if self._slow >= config.slow_ratio * count:
                return "slow", f"{self._slow} of {count} calls were slow"
        asked = len(self._asked)
        if asked >= config.limited_calls and (
            self._limited >= config.limited_ratio * asked
        ):
            return "limited", f"{self._limited} of {asked} calls were rate limited"
        return None

    def _drop_oldest(self) -> None:
        _, verdict = self._ring.popleft()
        self._failures -= verdict == "failure"
        self._slow -= verdict == "slow"
