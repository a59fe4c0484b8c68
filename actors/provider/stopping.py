"""Why a call was stopped before its end, and how long it may take at most."""

from typing import Literal

from actors.messages.provider import NO_FIRST_TOKEN, Failure, TimeoutLimits
from actors.policy.amounts import lasting
from actors.wire.base import Timeouts

StopReason = Literal[
    "cancelled", "lost", "deadline", "total", "first_token", "idle", "tail"
]

_AWAITED = {"first_token": "first token", "idle": "next bytes"}


def stop_failure(reason: StopReason, allowed_s: float, *, silent: bool) -> Failure:
    """The failure of a call that was stopped.

    Args:
        reason: Who stopped it.
        allowed_s: How long what did not come was awaited.
        silent: A stream of which nothing had come.
    """
    code = NO_FIRST_TOKEN if silent else None
    if reason == "cancelled":
        return Failure(
            failure="cancelled",
            message="the call was cancelled",
            owner="caller",
            neutral=True,
        )
    if reason == "lost":
        return Failure(
            failure="cancelled",
            message="another call of this request answered first",
            owner="us",
            code=code,
            neutral=True,
        )
    if reason == "deadline":
        # The caller's patience, not the provider's fault: neutral to the breaker.
        return Failure(
            failure="timeout",
            message="the caller's deadline passed",
            owner="caller",
            neutral=True,
        )
    what = _AWAITED.get(reason, "whole answer")
    return Failure(
        failure="timeout",
        message=f"no {what} within {lasting(allowed_s)}",
        owner="provider",
        code=code,
    )


def narrowed(own: Timeouts, asked: TimeoutLimits | None) -> Timeouts:
    """The provider's timeouts, with what was asked for in their place."""
    if asked is None:
        return own
    return Timeouts(
        connect_s=_or(asked.connect_s, own.connect_s),
        first_token_s=_or(asked.first_token_s, own.first_token_s),
        idle_s=_or(asked.idle_s, own.idle_s),
        total_s=_or(asked.total_s, own.total_s),
    )


def _or(asked: float | None, own: float) -> float:
    return own if asked is None else asked
