"""What a call is told that was refused before it was made: by us, so neutral to all."""

from math import isfinite

from msgspec.structs import replace

from actors.errors import FailureClass
from actors.messages.provider import AT_CAPACITY, Failure
from actors.policy.amounts import lasting


def out_of_money(name: str) -> Failure:
    """Its account was, a moment ago."""
    return _refused("quota", f"the account at {name} was out of money", "quota", None)


def full(name: str, limit: int | None) -> Failure:
    """The next call to end makes room."""
    said = f"all {limit} places at {name} are taken"
    return _refused("rate_limit", said, AT_CAPACITY, None)


def limited(name: str, wait_s: float) -> Failure:
    """A rate, or a cool-down; ``inf`` where no wait helps: too much for a minute."""
    if not isfinite(wait_s):
        said = f"the request is larger than what {name} may be asked in a minute"
        failure = _refused("context_too_long", said, "too_large", None)
        return replace(failure, owner="caller")
    said = f"{name} admits nothing for {lasting(wait_s)}"
    return _refused("rate_limit", said, "limited", wait_s)


def breaker_open(name: str, model: str, wait_s: float) -> Failure:
    """Its breaker lets nobody through for so long."""
    said = f"the breaker of {name}/{model} is open"
    return _refused("overloaded", said, "breaker_open", max(0.0, wait_s))


def _refused(
    failure: FailureClass, said: str, code: str, retry_after_s: float | None
) -> Failure:
    return Failure(
        failure=failure,
        message=said,
        owner="provider",
        code=code,
        retry_after_s=retry_after_s,
        neutral=True,
    )
