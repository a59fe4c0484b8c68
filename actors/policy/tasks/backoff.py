"""When a failed attempt at a task is tried again."""

from typing import Final, Literal

from msgspec import Struct

from actors.messages.routing import ErrorInfo

_UNASKED: Final = frozenset(("no_provider", "overloaded", "interrupted"))
"""Kinds that say that nobody was asked, where there were no calls."""


class Backoff(Struct, frozen=True, kw_only=True):
    """Before attempt n + 1 wait uniform(1/2, 1) of min(max_s, base_s x 2^(n-1)).

    Where nobody could be asked at all that was no attempt: wait ``unasked_s``.
    """

    base_s: float = 2.0
    max_s: float = 300.0
    unasked_s: float = 5.0


class Again(Struct, frozen=True):
    """Another attempt from ``at`` (epoch seconds); ``free``: this one was none."""

    at: float
    free: bool = False


def after_failure(
    backoff: Backoff,
    error: ErrorInfo,
    *,
    attempts: int,
    max_attempts: int,
    deadline_at: float | None,
    now: float,
    draw: float,
) -> Again | Literal["failed", "dead"]:
    """What a failed attempt comes to.

    Args:
        backoff: The waits.
        error: How it failed; its Retry-After is never undercut.
        attempts: How many there were, this one included.
        max_attempts: How many there may be.
        deadline_at: No attempt begins after it.
        now: Epoch seconds.
        draw: A random number in [0, 1).

    Returns:
        ``failed`` when another attempt would not help or come in time, ``dead`` when
        there were enough of them.
    """
    if not error.retryable:
        return "failed"
    free = not error.attempts and error.kind in _UNASKED
    if attempts >= max_attempts and not free:
        return "dead"
    most = (
        backoff.unasked_s
        if free
        else min(backoff.max_s, backoff.base_s * 2.0 ** min(attempts - 1, 30))
    )
    wait_s = max(most * (0.5 + draw / 2.0), error.retry_after_s or 0.0)
    if deadline_at is not None and now + wait_s > deadline_at:
        return "failed"
    return Again(now + wait_s, free=free)
