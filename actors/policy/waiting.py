"""How long to wait before calling a candidate, and for whom waiting is worth it."""

from collections.abc import Sequence

from actors.messages.provider import AT_CAPACITY, Failure
from actors.messages.routing import Target
from actors.policy.retry_rules import RetryConfig

MAX_REFUSALS = 3
"""By our own limiter, of one candidate in one request."""


class Candidate:
    """What this request knows about one target."""

    __slots__ = (
        "ended",
        "full",
        "in_a_row",
        "limited",
        "not_before",
        "rank",
        "refusals",
        "target",
        "tries",
    )

    def __init__(self, target: Target, rank: int, not_before: float) -> None:
        self.target = target
        self.rank = rank
        self.not_before = not_before  # loop time of the end of its Retry-After
        self.tries = 0
        self.in_a_row = 0  # repeats since somebody else was called
        self.refusals = 0
        self.limited = 0  # answers that it is rate limited
        self.ended = False
        self.full = False  # no place there when last looked

    def refused(self, failure: Failure) -> None:
        """Our own gates let no call through.

        The limiter says when to come back; an open breaker ends the candidate.
        """
        self.refusals += 1
        self.full = failure.code == AT_CAPACITY
        told_when = failure.retry_after_s is not None
        waitable = self.full or (failure.failure == "rate_limit" and told_when)
        self.ended = not waitable or self.refusals >= MAX_REFUSALS


class Waiting:
    """The waits of one request.

    Attributes:
        too_long: Of those that ``choose`` last passed over because their Retry-After
            is too long, the one that is free soonest.
    """

    __slots__ = ("_config", "_deadline", "_repeats", "too_long")

    def __init__(self, config: RetryConfig, deadline: float) -> None:
        self._config = config
        self._deadline = deadline
        self._repeats: dict[str, int] = {}  # provider -> repeats made
        self.too_long: Candidate | None = None

    def repeats_of(self, candidate: Candidate) -> int:
        """Repeats made on the candidate's provider."""
        return self._repeats.get(candidate.target.provider, 0)

    def note_repeat(self, candidate: Candidate) -> None:
        self._repeats[candidate.target.provider] = self.repeats_of(candidate) + 1

    def forget_repeat(self, candidate: Candidate) -> None:
        """A repeat that was noted is not made."""
        self._repeats[candidate.target.provider] -= 1

    def delay_s(self, candidate: Candidate, now: float, draw: float) -> float:
        """Seconds to wait: what is left of a Retry-After; for a repeat, jitter too."""
        pause = max(0.0, candidate.not_before - now)
        if not candidate.tries:
            return pause
        growth = 2.0 ** self.repeats_of(candidate)
        ceiling = min(self._config.max_delay_s, self._config.base_delay_s * growth)
        return max(pause, draw * ceiling)

    def choose(
        self, pool: Sequence[Candidate], now: float, draw: float
    ) -> tuple[Candidate, float] | None:
        """Whom to call, after how many seconds; ``None`` when no wait is worth it.

        Short waits first: the least tried, then the best ranked. A Retry-After longer
        than ``wait_retry_after_s`` only when there is no other, the shortest first.
        """
        best: tuple[tuple[bool, float, int], Candidate, float] | None = None
        for candidate in pool:
            delay = self.delay_s(candidate, now, draw)
            pause = candidate.not_before - now
            patient = pause > self._config.wait_retry_after_s
            beyond = patient and pause > self._config.max_delay_s
            if beyond or now + delay >= self._deadline:
                self._pass_over(candidate, now)
                continue
            key = (patient, delay if patient else candidate.tries, candidate.rank)
            if best is None or key < best[0]:
                best = key, candidate, delay
        return None if best is None else best[1:]

    def _pass_over(self, candidate: Candidate, now: float) -> None:
        known = self.too_long
        if candidate.not_before > now and (
            known is None or candidate.not_before < known.not_before
        ):
            self.too_long = candidate
