"""The breaker's small window: the last few outcomes, none too old, and their counts."""

from collections import deque
from collections.abc import Iterator

from actors.policy.breaker_table import BreakerConfig, Verdict


class Outcomes:
    """Outcomes in the order they were settled. O(1) amortised, bounded."""

    __slots__ = ("_config", "_failures", "_ring", "_slow")

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self._ring: deque[tuple[float, Verdict]] = deque()
        self._failures = 0
        self._slow = 0

    def __iter__(self) -> Iterator[tuple[float, Verdict]]:
        return iter(self._ring)

    def clear(self) -> None:
        self._ring.clear()
        self._failures = self._slow = 0

    def add(self, verdict: Verdict, at: float) -> None:
        """Count an outcome settled at loop time ``at``, forget those it pushes out."""
        self._ring.append((at, verdict))
        self._failures += verdict == "failure"
        self._slow += verdict == "slow"
        if len(self._ring) > self._config.window_calls:
            self._drop_oldest()
        self.expire(at)

    def expire(self, now: float) -> None:
        """Forget what is older than the window."""
        while self._ring and now - self._ring[0][0] >= self._config.window_s:
            self._drop_oldest()

    def fault(self) -> str | None:
        """Which share is too high, in words; ``None`` when none is, or too few calls."""
        config, count = self._config, len(self._ring)
        if count < config.min_calls:
            return None
        if self._failures >= config.failure_ratio * count:
            return f"{self._failures} of {count} calls failed"
        if self._slow >= config.slow_ratio * count:
            return f"{self._slow} of {count} calls were slow"
        return None

    def _drop_oldest(self) -> None:
        _, verdict = self._ring.popleft()
        self._failures -= verdict == "failure"
        self._slow -= verdict == "slow"
