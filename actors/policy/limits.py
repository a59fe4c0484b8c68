"""What a provider's limits let through: concurrency, requests and tokens per minute.

Rates are the generic cell rate algorithm (GCRA): one number says how far the bucket is
behind, which is a token bucket without a timer. Its depth is ``burst_s`` seconds of the
rate; the default, a full minute, is the bucket that OpenAI and Anthropic describe for
their own limits. Over any window of w seconds at most rate * (w + burst_s) is booked.

Tokens are booked at admission by estimate and corrected when the call has ended: what
was not used is given back then, what was used beyond the estimate is paid off before
the next call.

A 429 starts a cool-down: what the provider asked for, else 1 s doubling to 60 s for
every further one. Concurrency is the configured one, or less where the provider's
refusals teach so (``concurrency``). Times are seconds on the event loop's clock and are
arguments.
"""

from math import inf, isfinite
from typing import Self

from msgspec import Struct

from actors.policy.concurrency import AdaptiveLimit, ConcurrencyState

COOL_DOWN_S = 1.0
COOL_DOWN_MAX_S = 60.0
CAPACITY_RETRY_S = 0.1
"""A guess: no clock says when one of the calls in flight will end."""

EPSILON_S = 1e-9
"""Waits below this are rounding errors: who waited as told is let in."""


class LimitConfig(Struct, frozen=True, kw_only=True):
    """Limits of one provider; ``None`` means unlimited, 0 lets nothing through."""

    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_s: float = 60.0


class LimiterState(Struct, frozen=True, kw_only=True):
    """What survives a restart, in seconds from the moment of the dump."""

    cool_down_s: float = 0.0
    doublings: int = 0
    requests_backlog_s: float = 0.0
    tokens_backlog_s: float = 0.0
    concurrency: ConcurrencyState | None = None


class _Rate:
    """One GCRA; ``full_at`` is when the bucket will be full again."""

    __slots__ = ("depth_s", "full_at", "per_minute", "unit_s")

    def __init__(self, per_minute: float, burst_s: float) -> None:
        self.per_minute = per_minute
        self.unit_s = 60.0 / per_minute if per_minute > 0 else inf
        self.depth_s = max(burst_s, self.unit_s)
        self.full_at = -inf

    def wait_s(self, units: float, now: float) -> float:
        """Seconds until ``units`` fit: 0.0 now, ``inf`` never.

        More than the bucket holds, but not more than a minute's worth, fits when the
        bucket is full, and is paid off afterwards.
        """
        if units > max(self.per_minute, 1.0) or self.unit_s == inf:
            return inf
        need_s = min(units * self.unit_s, self.depth_s)
        wait_s = self.backlog_s(now) + need_s - self.depth_s
        return wait_s if wait_s > EPSILON_S else 0.0

    @property
    def free_at(self) -> float:
        """When one unit fits."""
        if self.unit_s == inf:
            return inf
        return self.full_at + self.unit_s - self.depth_s

    def backlog_s(self, now: float) -> float:
        return max(0.0, self.full_at - now)

    def book(self, units: float, now: float) -> None:
        self.full_at = max(self.full_at, now) + units * self.unit_s


class Limiter:
    """See the module. Not safe for threads; every method is O(1)."""

    __slots__ = (
        "_blocked_until",
        "_concurrency",
        "_config",
        "_doublings",
        "_flight",
        "_rpm",
        "_tpm",
    )

    def __init__(self, config: LimitConfig) -> None:
        self._config = config
        self._rpm = _rate(config.requests_per_minute, config.burst_s)
        self._tpm = _rate(config.tokens_per_minute, config.burst_s)
        self._concurrency = AdaptiveLimit()
        # By call: the tokens booked, and the cuts of concurrency before it was sent.
        self._flight: dict[str, tuple[int, int]] = {}
        self._blocked_until = 0.0
        self._doublings = 0

    @property
    def in_flight(self) -> int:
        """Calls admitted and not released."""
        return len(self._flight)

    @property
    def blocked_until(self) -> float:
        """Loop time before which not even the smallest call is admitted.

        May lie in the past (free). Knows cool-down and rates; for concurrency see
        ``in_flight``.
        """
        until = self._blocked_until
        for rate in (self._rpm, self._tpm):
            if rate is not None:
                until = max(until, rate.free_at)
        return until

    def pace(self, now: float) -> tuple[float, float]:
        """From when requests are let through, and one every how many seconds then.

        As far as requests a minute are concerned; ``0.0, 0.0`` where they are not.
        """
        rate = self._rpm
        if rate is None or rate.unit_s == inf:
            return 0.0, 0.0
        return now + rate.backlog_s(now) + rate.unit_s - rate.depth_s, rate.unit_s

    def limit(self, now: float) -> int | None:
        """Calls at once: the configured or the learned limit, the lower of the two."""
        configured, learned = self._config.concurrency, self._concurrency.limit(now)
        if configured is None or learned is None:
            return learned if configured is None else configured
        return min(configured, learned)

    def full(self, now: float) -> bool:
        """Every place is taken."""
        cap = self.limit(now)
        return cap is not None and len(self._flight) >= cap

    def would_wait(self, now: float, tokens_estimate: int) -> float:
        """What ``admit`` would answer. Changes nothing."""
        wait_s = max(0.0, self._blocked_until - now)
        cap = self.limit(now)
        if cap is not None and len(self._flight) >= cap:
            wait_s = max(wait_s, CAPACITY_RETRY_S if cap > 0 else inf)
        if self._rpm is not None:
            wait_s = max(wait_s, self._rpm.wait_s(1.0, now))
        if self._tpm is not None:
            wait_s = max(wait_s, self._tpm.wait_s(tokens_estimate, now))
        return wait_s

    def admit(self, call_id: str, tokens_estimate: int, now: float) -> float:
        """Book a call, or say how long it would have to wait.

        Args:
            call_id: Released by this id. One that is in flight already is granted
                again and booked once.
            tokens_estimate: Prompt and expected output together.
            now: Loop time in seconds.

        Returns:
            0.0: admitted. Otherwise nothing was booked: seconds until it could be, or
            ``inf`` when it never will (more tokens than a minute's limit).
        """
        if call_id in self._flight:
            return 0.0
        wait_s = self.would_wait(now, tokens_estimate)
        if wait_s > 0.0:
            return wait_s
        self._flight[call_id] = tokens_estimate, self._concurrency.cuts
        if self._rpm is not None:
            self._rpm.book(1.0, now)
        if self._tpm is not None:
            self._tpm.book(tokens_estimate, now)
        return 0.0

    def release(self, call_id: str, tokens_used: int | None, now: float) -> None:
        """The call has ended: free its slot and book what it really used.

        ``None`` leaves the estimate. Unknown and released ids change nothing.
        """
        booked = self._flight.pop(call_id, None)
        if booked is None or tokens_used is None or self._tpm is None:
            return
        self._tpm.book(tokens_used - booked[0], now)

    def withdraw(self, call_id: str, now: float) -> None:
        """The call was never sent: free its slot and give everything back."""
        booked = self._flight.pop(call_id, None)
        if booked is None:
            return
        if self._rpm is not None:
            self._rpm.book(-1.0, now)
        if self._tpm is not None:
            self._tpm.book(-booked[0], now)

    def hold_off(self, until: float) -> None:
        """Let nobody in before that: others have what there is."""
        if isfinite(until):
            self._blocked_until = max(self._blocked_until, until)

    def overloaded(self, call_id: str, now: float) -> None:
        """That call, still booked, was refused for load: a 429 or a 529."""
        booked = self._flight.get(call_id)
        if booked is not None:
            self._concurrency.refused(len(self._flight), booked[1], now)

    def rate_limited(self, retry_after_s: float | None, now: float) -> None:
        """A 429 came. Calls that were on their way together double only once."""
        if retry_after_s is not None and isfinite(retry_after_s):
            self._blocked_until = max(self._blocked_until, now + retry_after_s)
        elif now >= self._blocked_until:
            delay_s = min(COOL_DOWN_S * 2.0**self._doublings, COOL_DOWN_MAX_S)
            self._blocked_until = now + delay_s
            if delay_s < COOL_DOWN_MAX_S:
                self._doublings += 1

    def succeeded(self, now: float) -> None:
        """An answer came, and its call is still booked.

        The next cool-down starts small again, and there may be room for more calls at
        once. During a cool-down it says nothing about that: it was sent before.
        """
        self._concurrency.succeeded(len(self._flight), now)
        if now >= self._blocked_until:
            self._doublings = 0

    def dump(self, now: float) -> LimiterState:
        """The part that survives a restart. Calls in flight end with the process."""
        return LimiterState(
            cool_down_s=max(0.0, self._blocked_until - now),
            doublings=self._doublings,
            requests_backlog_s=self._rpm.backlog_s(now) if self._rpm else 0.0,
            tokens_backlog_s=self._tpm.backlog_s(now) if self._tpm else 0.0,
            concurrency=self._concurrency.dump(now),
        )

    @classmethod
    def restore(cls, config: LimitConfig, state: LimiterState, now: float) -> Self:
        """Rebuild a limiter with nothing in flight."""
        limiter = cls(config)
        limiter._blocked_until = now + state.cool_down_s
        limiter._doublings = state.doublings
        limiter._concurrency = AdaptiveLimit.restore(state.concurrency, now)
        if limiter._rpm is not None:
            limiter._rpm.full_at = now + state.requests_backlog_s
        if limiter._tpm is not None:
            limiter._tpm.full_at = now + state.tokens_backlog_s
        return limiter


def _rate(per_minute: float | None, burst_s: float) -> _Rate | None:
    return None if per_minute is None else _Rate(per_minute, burst_s)
