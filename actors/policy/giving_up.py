"""Which error a request ends with while somebody could still be asked, but is not."""

from collections.abc import Sequence

from actors.errors import DeadlineExceeded, GitBridgeError
from actors.policy.endings import Miss, error_of, rate_limited
from actors.policy.pool import Pool


def late(misses: Sequence[Miss]) -> GitBridgeError:
    """The deadline has passed."""
    why = f"the deadline passed before an answer was whole{_last(misses)}"
    return DeadlineExceeded(why)


def nobody_worth_it(
    pool: Pool, misses: Sequence[Miss], now: float, *, attempts_left: bool
) -> GitBridgeError | None:
    """The soonest wants to be left alone for too long, or the next costs too much.

    ``None``: neither is the reason. As of the last look at who is ``open``.
    """
    waiting, dear = pool.waiting.too_long, pool.too_dear
    if waiting is not None:
        pause, provider = waiting.not_before - now, waiting.target.provider
        own = [miss for miss in misses if miss.target == waiting.target]
        if not own or own[-1].failure.failure == "rate_limit":
            return rate_limited(pause, provider, _otherwise(misses))
        error = error_of(own[-1].failure, provider)
        error.retry_after_s = pause
        return error
    if dear is None or not attempts_left:
        return None
    return pool.spending.refusal(dear.target, _last(misses))


def _otherwise(misses: Sequence[Miss]) -> str | None:
    """What went wrong last that was no rate limit."""
    found = (m.failure for m in reversed(misses) if m.failure.failure != "rate_limit")
    return next((failure.message for failure in found), None)


def _last(misses: Sequence[Miss]) -> str:
    return f": {misses[-1].failure.message}" if misses else ""
