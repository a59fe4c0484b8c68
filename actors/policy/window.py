"""Rolling metrics of one model, and what each figure means.

Over the last ``size`` counted calls, however old: ``calls``, ``failures``,
``success_rate``, cost per 1k tokens, and over the successes among them the latencies (a
refusal in 5 ms is no speed). Average exact, quantiles within 1 % (see ``histogram``).
``ttft_p95_s`` is over the times to first token among them, and over the waits for one
that never came, as far as they went: a deadline for first tokens that is made of it
must learn when it is too short. ``ttft_prompt_tokens`` is their average prompt.

Over the last 55 to 60 s (12 buckets of 5 s): ``recent_*``, for rates; over the last 9 to
10 minutes (10 buckets of a minute): ``long_*``.

Weighted towards now: ``ttft_ewma_s`` and ``seconds_per_token`` are moving averages with
a time constant of 10 s that jump to a peak at once and come down gradually. Time per
token is the time after the first token, divided by the tokens after it; where the first
token was not seen it is the whole latency per token. Answers below 16 tokens are mostly
waiting and do not count there. ``alpha`` and ``beta`` are the posterior of success,
starting at (1, 1), each earlier call discounted by 0.995.

Since the first start: ``totals``.

A sample that is not ``counted`` (caller's mistake, cancelled) says nothing about the
provider; its tokens and money still go to the totals. Recording is O(1); memory is
bounded by ``size``. Sums are integers (nanoseconds, 1e-12 USD), so that removing the
evicted sample leaves no rounding behind.
"""

from collections import deque
from decimal import Decimal
from typing import NamedTuple, Self

from msgspec import Struct

from actors.policy.histogram import LogHistogram
from actors.policy.rolling import (
    LONG_BUCKET_S,
    LONG_BUCKETS,
    Average,
    Bucket,
    BucketRing,
    Pace,
    PaceState,
    PeakAverage,
)

DISCOUNT = 0.995
MIN_TOKENS_FOR_SPEED = 16

_NANO = 1_000_000_000
_PICO = 1_000_000_000_000


class Sample(Struct, frozen=True, gc=False):
    """One finished call. ``None`` is unknown; ``now`` is loop time in seconds.

    ``waited_s``: how long a first token was waited for that did not come.
    """

    now: float
    ok: bool
    latency_s: float
    ttft_s: float | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    cost_usd: Decimal | None = None
    counted: bool = True
    waited_s: float | None = None


class WindowTotals(Struct, frozen=True, kw_only=True):
    """Since the first start; money only of the calls whose price is known."""

    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced_calls: int = 0


class WindowSummary(Struct, frozen=True, gc=False, kw_only=True):
    """The published figures; the module says over what. ``None`` is unknown."""

    calls: int
    failures: int
    success_rate: float | None
    latency_avg_s: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None
    ttft_ewma_s: float | None
    ttft_p95_s: float | None
    ttft_samples: int
    ttft_prompt_tokens: float | None
    seconds_per_token: float | None
    alpha: float
    beta: float
    cost_per_1k_tokens_usd: Decimal | None
    recent_calls: int
    recent_failures: int
    recent_tokens: int
    long_calls: int
    long_failures: int
    long_tokens: int
    last_call_age_s: float | None
    totals: WindowTotals


class _Figures(NamedTuple):
    """What changes only with a new sample, and takes some work."""

    latency_avg_s: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None
    ttft_p95_s: float | None
    cost_per_1k_tokens_usd: Decimal | None


class Entry(Struct, frozen=True, gc=False, array_like=True):
    """A counted call in the ring."""

    ok: bool
    latency_s: float
    tokens: int | None
    cost_pico_usd: int | None
    ttft_s: float | None = None
    prompt_tokens: int = 0


class WindowState(Struct, frozen=True, kw_only=True):
    """What survives a restart; ages instead of times, as the loop's clock starts anew.

    Buckets keep their distance from now in whole buckets.
    """

    entries: tuple[Entry, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    long_buckets: tuple[Bucket, ...] = ()
    ttft: Average | None = None
    seconds_per_token: Average | None = None
    pace: PaceState = PaceState(0.0, 0)
    successes: float = 0.0
    failures: float = 0.0
    last_call_age_s: float | None = None
    totals: WindowTotals = WindowTotals()


class RollingWindow:
    """See the module. Not safe for threads."""

    __slots__ = (
        "_buckets",
        "_cost_pico",
        "_entries",
        "_failures",
        "_figures",
        "_histogram",
        "_last_at",
        "_latency_nano",
        "_long_buckets",
        "_lost",
        "_pace",
        "_priced_tokens",
        "_size",
        "_speed",
        "_totals",
        "_ttft",
        "_ttft_prompt",
        "_ttfts",
        "_won",
    )

    def __init__(self, size: int = 100) -> None:
        self._size = size
        self._entries: deque[Entry] = deque()
        self._histogram = LogHistogram()
        self._ttfts = LogHistogram()
        self._ttft_prompt = 0  # prompt tokens of the answers in it
        self._buckets = BucketRing()
        self._long_buckets = BucketRing(LONG_BUCKETS, LONG_BUCKET_S)
        self._ttft, self._speed = PeakAverage(), PeakAverage()
        self._pace = Pace()
        self._won = self._lost = 0.0
        self._failures = self._latency_nano = 0
        self._cost_pico = self._priced_tokens = 0
        self._last_at: float | None = None
        self._totals = WindowTotals()
        self._figures: _Figures | None = None  # as of the last sample

    def record(self, sample: Sample) -> None:
        """Count one finished call; samples come in the order of ``now``."""
        tokens = _tokens(sample)
        self._count_totals(sample)
        failed = sample.counted and not sample.ok
        counts = int(sample.counted), int(failed), tokens or 0
        self._buckets.add(sample.now, *counts)
        self._long_buckets.add(sample.now, *counts)
        self._last_at = sample.now
        if not sample.counted:
            return
        self._won = self._won * DISCOUNT + sample.ok
        self._lost = self._lost * DISCOUNT + failed
        cost_pico = _pico(sample.cost_usd)
        entry = Entry(
            sample.ok,
            sample.latency_s,
            tokens,
            cost_pico,
            sample.ttft_s if sample.ok else sample.waited_s,
            sample.prompt_tokens or 0,
        )
        self._push(entry)
        if sample.ok:
            self._measure_speed(sample)
        elif sample.waited_s is not None:
            self.waited(sample.waited_s, sample.now)

    def resize(self, size: int) -> None:
        """Hold so many calls from now on; a smaller window keeps the newest."""
        self._size = size
        self._figures = None
        while len(self._entries) > size:
            self._count(self._entries.popleft(), -1)

    def waited(self, waited_s: float, now: float) -> None:
        """No first token came for so long: ``ttft_ewma_s`` is at least that."""
        if self._ttft.value is None or waited_s > self._ttft.value:
            self._ttft.add(waited_s, now)

    @property
    def last_call_at(self) -> float | None:
        """Loop time of the newest sample."""
        return self._last_at

    def summary(self, now: float) -> WindowSummary:
        """All figures as of ``now``, in seconds and USD."""
        calls = len(self._entries)
        figures = self._figures
        if figures is None:
            figures = self._figures = self._measured()
        recent_calls, recent_failures, recent_tokens = self._buckets.sums(now)
        long_calls, long_failures, long_tokens = self._long_buckets.sums(now)
        return WindowSummary(
            calls=calls,
            failures=self._failures,
            success_rate=self._histogram.count / calls if calls else None,
            latency_avg_s=figures.latency_avg_s,
            latency_p50_s=figures.latency_p50_s,
            latency_p95_s=figures.latency_p95_s,
            latency_p99_s=figures.latency_p99_s,
            ttft_ewma_s=self._ttft.value,
            ttft_p95_s=figures.ttft_p95_s,
            ttft_samples=self._ttfts.count,
            ttft_prompt_tokens=(
                self._ttft_prompt / self._ttfts.count if self._ttfts.count else None
            ),
            seconds_per_token=self._speed.value,
            alpha=1.0 + self._won,
            beta=1.0 + self._lost,
            cost_per_1k_tokens_usd=figures.cost_per_1k_tokens_usd,
            recent_calls=recent_calls,
            recent_failures=recent_failures,
            recent_tokens=recent_tokens,
            long_calls=long_calls,
            long_failures=long_failures,
            long_tokens=long_tokens,
            last_call_age_s=None if self._last_at is None else now - self._last_at,
            totals=self._totals,
        )

    def _measured(self) -> _Figures:
        answered = self._histogram.count
        p50, p95, p99 = self._histogram.quantiles(0.5, 0.95, 0.99) or (None,) * 3
        average = self._latency_nano / _NANO / answered if answered else None
        (ttft_p95,) = self._ttfts.quantiles(0.95) or (None,)
        return _Figures(average, p50, p95, p99, ttft_p95, self._cost_per_1k_tokens())

    def expected_latency_s(self, output_tokens: int) -> float | None:
        """What an answer of this length usually takes; ``None`` below 10 answers.

        The yardstick for ``slow``: it follows a slow spell only gradually.
        """
        return self._pace.expected_s(output_tokens)

    def dump(self, now: float) -> WindowState:
        """Everything that survives a restart, with times relative to ``now``."""
        return WindowState(
            entries=tuple(self._entries),
            buckets=tuple(self._buckets.live(now)),
            long_buckets=tuple(self._long_buckets.live(now)),
            ttft=self._ttft.dump(now),
            seconds_per_token=self._speed.dump(now),
            pace=PaceState(self._pace.value, self._pace.answers),
            successes=self._won,
            failures=self._lost,
            last_call_age_s=None if self._last_at is None else now - self._last_at,
            totals=self._totals,
        )

    @classmethod
    def restore(cls, state: WindowState, now: float, size: int = 100) -> Self:
        """Rebuild a window; a smaller ``size`` keeps the newest calls."""
        window = cls(size)
        for entry in state.entries:
            window._push(entry)
        window._buckets.load(state.buckets, now)
        window._long_buckets.load(state.long_buckets, now)
        window._ttft.load(state.ttft, now)
        window._speed.load(state.seconds_per_token, now)
        window._pace.value = state.pace.seconds_per_token
        window._pace.answers = state.pace.answers
        window._won, window._lost = state.successes, state.failures
        if state.last_call_age_s is not None:
            window._last_at = now - state.last_call_age_s
        window._totals = state.totals
        return window

    def _push(self, entry: Entry) -> None:
        self._figures = None
        if len(self._entries) >= self._size:
            self._count(self._entries.popleft(), -1)
        self._entries.append(entry)
        self._count(entry, 1)

    def _count(self, entry: Entry, sign: int) -> None:
        if entry.ok:
            self._latency_nano += sign * round(entry.latency_s * _NANO)
            change = self._histogram.add if sign > 0 else self._histogram.remove
            change(entry.latency_s)
        else:
            self._failures += sign
        if entry.ttft_s is not None:
            change = self._ttfts.add if sign > 0 else self._ttfts.remove
            change(entry.ttft_s)
            self._ttft_prompt += sign * entry.prompt_tokens
        if entry.tokens is not None and entry.cost_pico_usd is not None:
            self._priced_tokens += sign * entry.tokens
            self._cost_pico += sign * entry.cost_pico_usd

    def _measure_speed(self, sample: Sample) -> None:
        if sample.ttft_s is not None:
            self._ttft.add(sample.ttft_s, sample.now)
        tokens = sample.output_tokens
        if tokens is None:
            return
        self._pace.add(sample.latency_s, tokens)
        if tokens < MIN_TOKENS_FOR_SPEED:
            return
        if sample.ttft_s is None:
            self._speed.add(sample.latency_s / tokens, sample.now)
        else:
            after_s = max(0.0, sample.latency_s - sample.ttft_s)
            self._speed.add(after_s / (tokens - 1), sample.now)

    def _count_totals(self, sample: Sample) -> None:
        old = self._totals
        self._totals = WindowTotals(
            requests=old.requests + 1,
            failures=old.failures + (sample.counted and not sample.ok),
            prompt_tokens=old.prompt_tokens + (sample.prompt_tokens or 0),
            output_tokens=old.output_tokens + (sample.output_tokens or 0),
            cost_usd=old.cost_usd + (sample.cost_usd or 0),
            unpriced_calls=old.unpriced_calls + (sample.cost_usd is None),
        )

    def _cost_per_1k_tokens(self) -> Decimal | None:
        if not self._priced_tokens:
            return None
        return Decimal(self._cost_pico) / (self._priced_tokens * _PICO // 1000)


def _tokens(sample: Sample) -> int | None:
    if sample.prompt_tokens is None and sample.output_tokens is None:
        return None
    return (sample.prompt_tokens or 0) + (sample.output_tokens or 0)


def _pico(cost_usd: Decimal | None) -> int | None:
    return None if cost_usd is None else round(cost_usd * _PICO)
