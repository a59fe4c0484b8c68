"""Requests and tokens a minute that all daemons on one Redis keep together.

A call takes its part in one round trip, bounded by ``ASK_S``; what it used beyond that is
booked when it has ended, beside everything else. While Redis is away each daemon keeps to
its own part (``policy.rate_part``), and books what it took when Redis is back: once, and
never again where the answer to that was lost.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from math import inf
from typing import Final

from actors.errors import GitBridgeError
from actors.policy.limits import LimitConfig
from actors.policy.rate_part import RatePart
from actors.provider.shares import TAKEN, Part
from daemon.storage.redis.link import RedisLink
from daemon.storage.redis.scripts import packaged

ASK_S: Final = 0.25
_NEVER: Final = -1
_MICRO: Final = 1e6

_TAKE = packaged("take_rate")
_BOOK = packaged("book_rate")

Spawn = Callable[[Callable[[], Coroutine[object, object, None]]], object]


@dataclass(slots=True)
class _Shared:
    """What is known of one provider's rates.

    ``part`` is there while Redis is away; ``full_at`` is when the two buckets will be
    full again, as far as we have seen.
    """

    limits: LimitConfig
    keys: tuple[str, str]
    full_at: tuple[float, float] = (0.0, 0.0)
    part: RatePart | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    shared: _Shared
    tokens: int
    part: RatePart | None = field(default=None)


class SharedRates:
    """A ``RateShare``.

    Args:
        link: The way to Redis.
        daemons: How many there are, this one included, as last known.
        clock: A clock that never jumps, in seconds.
        spawn: Runs what nobody waits for.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        daemons: Callable[[], int],
        clock: Callable[[], float],
        spawn: Spawn,
    ) -> None:
        self._link = link
        self._daemons = daemons
        self._clock = clock
        self._spawn = spawn
        self._shared: dict[str, _Shared] = {}
        self._calls: dict[str, _Call] = {}

    async def take(
        self, provider: str, limits: LimitConfig, call_id: str, tokens: int
    ) -> Part:
        shared = self._of(provider, limits)
        try:
            if shared.part is not None and not self._link.away:
                await self._pay_back(shared)
            answer = await self._link.run(
                _TAKE,
                shared.keys,
                (*_rates(limits), limits.burst_s, tokens),
                timeout_s=ASK_S,
            )
        except GitBridgeError:  # away, or our script is wrong: the link has told
            return self._take_part(shared, call_id, tokens)
        return self._read(shared, answer, call_id, tokens)

    def settle(self, call_id: str, tokens_used: int | None, *, called: bool) -> None:
        call = self._calls.pop(call_id, None)
        if call is None:
            return
        if call.part is not None:
            call.part.settle(call_id, tokens_used, self._clock(), called=called)
            if call.part is call.shared.part:
                return  # it is booked with everything else when Redis is back
        used = call.tokens if tokens_used is None else tokens_used
        requests, tokens = (0, used - call.tokens) if called else (-1, -call.tokens)
        if call.shared.limits.tokens_per_minute is None:
            tokens = 0
        if requests or tokens:
            self._spawn(lambda: self._book(call.shared, requests, tokens))

    # ---- with Redis

    def _of(self, provider: str, limits: LimitConfig) -> _Shared:
        known = self._shared.get(provider)
        if known is None or known.limits != limits:
            tag = f"rate:{provider}"
            keys = (
                self._link.key("requests", tag=tag),
                self._link.key("tokens", tag=tag),
            )
            known = self._shared[provider] = _Shared(limits, keys)
        return known

    def _read(self, shared: _Shared, answer: object, call_id: str, tokens: int) -> Part:
        match answer:
            case [int() as requests, int() as tokens_wait, int() as r, int() as t]:
                pass
            case _:
                return self._take_part(shared, call_id, tokens)
        now, seen = self._clock(), shared.full_at  # answers may overtake each other
        shared.full_at = max(seen[0], now + r / _MICRO), max(seen[1], now + t / _MICRO)
        if requests == 0 and tokens_wait == 0:
            self._calls[call_id] = _Call(shared, tokens)
            return TAKEN
        waits = [inf if w == _NEVER else w / _MICRO for w in (requests, tokens_wait)]
        return Part(max(waits), waits[0])

    async def _book(self, shared: _Shared, requests: float, tokens: float) -> None:
        """At most once: where the answer is lost it may have been booked."""
        try:
            await self._link.run(
                _BOOK, shared.keys, (*_rates(shared.limits), requests, tokens)
            )
        except GitBridgeError:
            return  # the link has told

    async def _pay_back(self, shared: _Shared) -> None:
        part, shared.part = shared.part, None
        if part is not None:
            owed = part.owed(self._clock())
            await self._book(shared, owed.requests, owed.tokens)

    # ---- without it

    def _take_part(self, shared: _Shared, call_id: str, tokens: int) -> Part:
        now = self._clock()
        if shared.part is None:
            requests, of_tokens = (each - now for each in shared.full_at)
            parts = max(1, self._daemons())
            shared.part = RatePart(shared.limits, parts, requests, of_tokens, now)
        wait_s = shared.part.take(call_id, tokens, now)
        if wait_s > 0.0:
            return Part(wait_s, shared.part.closed_s(now))
        self._calls[call_id] = _Call(shared, tokens, shared.part)
        return TAKEN


def _rates(limits: LimitConfig) -> tuple[float, float]:
    requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
    return (-1 if requests is None else requests, -1 if tokens is None else tokens)
