"""Pieces of the rolling window that know time: a moving average, a ring of buckets."""

from math import exp

from msgspec import Struct

BUCKETS = 12
BUCKET_S = 5.0
DECAY_S = 10.0
OVERHEAD_TOKENS = 50
PACE_GAIN = 0.01
PACE_CLIP = 3.0
PACE_MIN_ANSWERS = 10


class Bucket(Struct, frozen=True, array_like=True):
    """Counts of one 5 s bucket, ``age`` buckets ago."""

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


def bucket_number(now: float) -> int:
    """Which 5 s of the loop's clock this is."""
    return int(now // BUCKET_S)


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
    """Ring of counts; a slot is reused when its number comes round again."""

    __slots__ = ("_ring",)

    def __init__(self) -> None:
        # [bucket number, calls, failures, tokens]
        self._ring: list[list[int]] = [[-BUCKETS, 0, 0, 0] for _ in range(BUCKETS)]

    def add(self, number: int, calls: int, failures: int, tokens: int) -> None:
        slot = self._ring[number % BUCKETS]
        if slot[0] != number:
            slot[:] = (number, 0, 0, 0)
        slot[1] += calls
        slot[2] += failures
        slot[3] += tokens

    def sums(self, now: float) -> tuple[int, int, int]:
        """Calls, failures and tokens of the last 55 to 60 s."""
        oldest = bucket_number(now) - BUCKETS
        calls = failures = tokens = 0
        for number, more_calls, more_failures, more_tokens in self._ring:
            if number > oldest:
                calls += more_calls
                failures += more_failures
                tokens += more_tokens
        return calls, failures, tokens

    def live(self, now: float) -> list[Bucket]:
        current = bucket_number(now)
        return [
            Bucket(current - number, calls, failures, tokens)
            for number, calls, failures, tokens in self._ring
            if current - number < BUCKETS and (calls or tokens)
        ]
