"""Pieces of the rolling window that know time: a moving average, a ring of buckets."""

from collections.abc import Iterable
from math import exp

from msgspec import Struct

BUCKETS = 12
BUCKET_S = 5.0
LONG_BUCKETS = 10
LONG_BUCKET_S = 60.0
DECAY_S = 10.0
OVERHEAD_TOKENS = 50
PACE_GAIN = 0.01
PACE_CLIP = 3.0
PACE_MIN_ANSWERS = 10


class Bucket(Struct, frozen=True, array_like=True):
    """Counts of one bucket, ``age`` buckets ago."""

    age: int
    calls: int
    failures: int
    tokens: int


class Average(Struct, frozen=True, array_like=True):
    """A moving average and how long ago it was updated."""

    value: float
    age_s: float


class PaceState(Struct, frozen=True, array_like=True):
    """A pace and over how many answers it was learned."""

    seconds_per_token: float
    answers: int


_EMPTY = (0, 0, 0)


class PeakAverage:
    """Exponentially weighted over time; a larger value replaces it at once."""

    __slots__ = ("at", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self.at = 0.0

    def add(self, value: float, now: float) -> None:
        if self.value is None or value >= self.value:
            self.value = value
        else:
            keep = exp(-max(0.0, now - self.at) / DECAY_S)
            self.value = self.value * keep + value * (1.0 - keep)
        self.at = now

    def dump(self, now: float) -> Average | None:
        return None if self.value is None else Average(self.value, now - self.at)

    def load(self, state: Average | None, now: float) -> None:
        if state is not None:
            self.value, self.at = state.value, now - state.age_s


class Pace:
    """How long an answer usually takes for its length, unmoved by a slow spell.

    One number: the latency divided by the output tokens plus 50, which stand for the
    time before the first token. Averaged over about 100 answers, each clipped to 3 times
    the average, so that thirty slow answers in a row still stand out against it (the
    peak-sensitive averages follow the first of them).
    """

    __slots__ = ("answers", "value")

    def __init__(self) -> None:
        self.value = 0.0
        self.answers = 0

    def add(self, latency_s: float, tokens: int) -> None:
        pace = latency_s / (tokens + OVERHEAD_TOKENS)
        if self.answers >= PACE_MIN_ANSWERS:
            pace = min(pace, PACE_CLIP * self.value)
        self.answers += 1
        self.value += (pace - self.value) * max(PACE_GAIN, 1.0 / self.answers)

    def expected_s(self, tokens: int) -> float | None:
        if self.answers < PACE_MIN_ANSWERS:
            return None
        return self.value * (tokens + OVERHEAD_TOKENS)


class BucketRing:
    """The last ``count`` buckets of ``width_s`` seconds each, and their sums.

    What leaves is taken off the sums as time goes on, so that adding and asking are O(1):
    each bucket is emptied once.
    """

    __slots__ = ("_calls", "_failures", "_newest", "_ring", "_tokens", "_width_s")

    def __init__(self, count: int = BUCKETS, width_s: float = BUCKET_S) -> None:
        self._width_s = width_s
        self._ring: list[tuple[int, int, int]] = [_EMPTY] * count
        self._newest = 0  # the number of the bucket that is being filled
        self._calls = self._failures = self._tokens = 0

    def add(self, now: float, calls: int, failures: int, tokens: int) -> None:
        """Count at loop time ``now``, which goes forward only."""
        self._go_on(now)
        self._put(self._newest, calls, failures, tokens)

    def sums(self, now: float) -> tuple[int, int, int]:
        """Calls, failures and tokens of all buckets, the present one included."""
        self._go_on(now)
        return self._calls, self._failures, self._tokens

    def live(self, now: float) -> list[Bucket]:
        """Those that are not empty."""
        self._go_on(now)
        ages = range(len(self._ring))
        slots = [(age, self._ring[(self._newest - age) % len(ages)]) for age in ages]
        return [Bucket(age, *slot) for age, slot in slots if slot != _EMPTY]

    def load(self, buckets: Iterable[Bucket], now: float) -> None:
        """Fill an empty ring with what ``live`` said."""
        self._go_on(now)
        for old in buckets:
            if old.age < len(self._ring):
                number = self._newest - old.age
                self._put(number, old.calls, old.failures, old.tokens)

    def _put(self, number: int, calls: int, failures: int, tokens: int) -> None:
        place = number % len(self._ring)
        before = self._ring[place]
        self._ring[place] = (
            before[0] + calls,
            before[1] + failures,
            before[2] + tokens,
        )
        self._calls += calls
        self._failures += failures
        self._tokens += tokens

    def _go_on(self, now: float) -> None:
        number, count = int(now // self._width_s), len(self._ring)
        for passed in range(max(self._newest, number - count) + 1, number + 1):
            calls, failures, tokens = self._ring[passed % count]
            self._ring[passed % count] = _EMPTY
            self._calls -= calls
            self._failures -= failures
            self._tokens -= tokens
        self._newest = max(self._newest, number)
