"""Which error a request ends with when no attempt is left."""

from collections.abc import Sequence

from msgspec import Struct

from actors.errors import (
    Cancelled,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    FailureClass,
    GitBridgeError,
    InternalError,
    NoProvider,
    ProviderAuthError,
    ProviderConnectionError,
    ProviderError,
    ProviderModelNotFound,
    ProviderOverloaded,
    ProviderQuotaExceeded,
    ProviderRateLimited,
    ProviderResponseError,
    ProviderServerError,
    ProviderTimeout,
    RequestRejected,
    UnknownModel,
)
from actors.messages.provider import Failure
from actors.messages.routing import Target
from actors.policy.amounts import lasting

_PROVIDER_ERRORS: dict[FailureClass, type[ProviderError]] = {
    "connect": ProviderConnectionError,
    "timeout": ProviderTimeout,
    "rate_limit": ProviderRateLimited,
    "quota": ProviderQuotaExceeded,
    "auth": ProviderAuthError,
    "overloaded": ProviderOverloaded,
    "server_error": ProviderServerError,
    "bad_response": ProviderResponseError,
    "model_not_found": ProviderModelNotFound,
}
_OTHER_ERRORS: dict[FailureClass, type[GitBridgeError]] = {
    "bad_request": RequestRejected,
    "context_too_long": ContextTooLong,
    "content_filtered": ContentFiltered,
    "cancelled": Cancelled,
    "internal": InternalError,
}


class Miss(Struct, frozen=True):
    """A call that failed, or (``called`` false) that was refused before it was made."""

    target: Target
    failure: Failure
    called: bool


def error_of(failure: Failure, provider: str | None) -> GitBridgeError:
    """The exception that says what ``failure`` says."""
    if failure.failure == "timeout" and failure.owner == "caller":
        return DeadlineExceeded(failure.message, provider=provider)
    kind = _PROVIDER_ERRORS.get(failure.failure)
    if kind is None:
        other = _OTHER_ERRORS[failure.failure]
        return other(
            failure.message, retry_after_s=failure.retry_after_s, provider=provider
        )
    error = kind(failure.message, provider=provider)
    error.retry_after_s = failure.retry_after_s
    error.status = failure.status
    return error


def rate_limited(
    retry_after_s: float | None, provider: str | None, failed: str | None = None
) -> GitBridgeError:
    """The error when waiting is all that helps, and it takes too long.

    Args:
        retry_after_s: Seconds until the first takes calls again, if known.
        provider: Whose limit that is.
        failed: What went wrong last with those that are not rate limited.
    """
    wait = "" if retry_after_s is None else f" for another {lasting(retry_after_s)}"
    who = "every provider that could answer" if failed is None else provider
    others = "" if failed is None else f", and the others failed: {failed}"
    return ProviderRateLimited(
        f"{who} is rate limited{wait}{others}",
        retry_after_s=retry_after_s,
        provider=provider,
    )


def total_failure(
    misses: Sequence[Miss], retry_after_s: float | None, *, forced: bool
) -> GitBridgeError:
    """The error after everybody failed: the last real call's, with four exceptions.

    Rate limits only: rate limited, with the soonest way out. Out of money everywhere:
    that, whether anybody was called or not. No call made at all: no
    provider. A forced model that does not exist: unknown model.

    Args:
        misses: What went wrong, in order.
        retry_after_s: Seconds until the first candidate takes calls again, if known.
        forced: The caller named the one provider to ask.
    """
    classes = {miss.failure.failure for miss in misses}
    if classes == {"rate_limit"}:
        return rate_limited(retry_after_s, misses[-1].target.provider)
    called = [miss for miss in misses if miss.called]
    if classes == {"quota"}:  # a call refused for that by ourselves says the same
        last = misses[-1]
    elif called:
        last = called[-1]
    elif misses and misses[-1].failure.owner == "caller":
        last = misses[-1]
    else:
        return NoProvider(_nobody(misses), retry_after_s=retry_after_s)
    if forced and classes == {"model_not_found"}:
        target = last.target
        return UnknownModel(
            f"{target.provider} does not serve the model {target.model!r}",
            provider=target.provider,
        )
    return error_of(last.failure, last.target.provider)


def _nobody(misses: Sequence[Miss]) -> str:
    if not misses:
        return "no configured provider can take this request"
    reasons = "; ".join(dict.fromkeys(miss.failure.message for miss in misses))
    return f"no provider takes this request now: {reasons}"
