"""A daemon's own part of a rate that many share, for while it cannot ask the others.

Of ``parts`` daemons each takes an equal part of every minute, out of a bucket that is as
far behind as the common one was when it was last seen. So what all of them take together
stays within the common rate, as long as there are not more of them than were known.

When the common bucket can be asked again, what this daemon took of its part, and what of
that has not flowed back yet, is booked there once (``owed``); what the others had taken
before is in it already. Times are seconds, arguments.
"""

from msgspec import Struct
from msgspec.structs import replace

from actors.policy.limits import LimitConfig, Limiter, LimiterState


class Owed(Struct, frozen=True):
    """Requests and tokens."""

    requests: float
    tokens: float


class RatePart:
    """See the module.

    Args:
        limits: The common ones.
        parts: How many daemons there are.
        requests_behind_s: How far the common bucket of requests was behind.
        tokens_behind_s: Likewise that of tokens.
        now: When this begins.
    """

    def __init__(
        self,
        limits: LimitConfig,
        parts: int,
        requests_behind_s: float,
        tokens_behind_s: float,
        now: float,
    ) -> None:
        self._limits = own = replace(
            limits,
            concurrency=None,
            requests_per_minute=_part(limits.requests_per_minute, parts),
            tokens_per_minute=_part(limits.tokens_per_minute, parts),
        )
        self._own = Limiter(own)
        state = LimiterState(
            requests_backlog_s=max(0.0, requests_behind_s),
            tokens_backlog_s=max(0.0, tokens_behind_s),
        )
        self._all = Limiter.restore(own, state, now)

    def take(self, call_id: str, tokens: int, now: float) -> float:
        """0.0: taken; else nothing is, and seconds until it could be, or ``inf``."""
        wait_s = self._all.admit(call_id, tokens, now)
        if wait_s <= 0.0:
            self._own.admit(call_id, tokens, now)
        return wait_s

    def closed_s(self, now: float) -> float:
        """For how long not even the smallest call is let through."""
        return max(0.0, self._all.blocked_until - now)

    def settle(
        self, call_id: str, tokens_used: int | None, now: float, *, called: bool
    ) -> None:
        for each in (self._all, self._own):
            if called:
                each.release(call_id, tokens_used, now)
            else:
                each.withdraw(call_id, now)

    def owed(self, now: float) -> Owed:
        """What was taken here and has not flowed back."""
        state = self._own.dump(now)
        return Owed(
            _units(state.requests_backlog_s, self._limits.requests_per_minute),
            _units(state.tokens_backlog_s, self._limits.tokens_per_minute),
        )


def _part(per_minute: float | None, parts: int) -> float | None:
    return None if per_minute is None else per_minute / parts


def _units(backlog_s: float, per_minute: float | None) -> float:
    return 0.0 if per_minute is None else backlog_s * per_minute / 60.0
