"""Which error a request ends with."""

from typing import get_args

import pytest

from actors import errors
from actors.errors import FailureClass
from actors.messages.provider import Failure
from actors.messages.routing import Target
from actors.policy.endings import Miss, error_of, rate_limited, total_failure

A, B = Target("a", "m"), Target("b", "n")

CLASSES: dict[FailureClass, type[errors.GitBridgeError]] = {
    "connect": errors.ProviderConnectionError,
    "timeout": errors.ProviderTimeout,
    "rate_limit": errors.ProviderRateLimited,
    "quota": errors.ProviderQuotaExceeded,
    "auth": errors.ProviderAuthError,
    "overloaded": errors.ProviderOverloaded,
    "server_error": errors.ProviderServerError,
    "bad_response": errors.ProviderResponseError,
    "model_not_found": errors.ProviderModelNotFound,
    "bad_request": errors.RequestRejected,
    "context_too_long": errors.ContextTooLong,
    "content_filtered": errors.ContentFiltered,
    "cancelled": errors.Cancelled,
    "internal": errors.InternalError,
}


def miss(
    target: Target,
    kind: FailureClass,
    *,
    called: bool = True,
    owner: errors.Owner = "provider",
) -> Miss:
    failure = Failure(failure=kind, message=f"{target.provider}: {kind}", owner=owner)
    return Miss(target, failure, called)


@pytest.mark.parametrize("kind", get_args(FailureClass))
def test_every_failure_has_its_exception(kind: FailureClass) -> None:
    failure = Failure(
        failure=kind, message="why", owner="provider", status=418, retry_after_s=7.0
    )

    error = error_of(failure, "a")

    assert type(error) is CLASSES[kind]
    assert (error.message, error.provider, error.retry_after_s) == ("why", "a", 7.0)
    if isinstance(error, errors.ProviderError):
        assert error.status == 418
        assert error.failure == kind


def test_a_deadline_of_the_callers_is_no_fault_of_the_providers() -> None:
    ours = Failure(failure="timeout", message="too late", owner="caller", neutral=True)
    theirs = Failure(failure="timeout", message="too slow", owner="provider")

    assert error_of(ours, "a").kind == "deadline_exceeded"
    assert error_of(theirs, "a").kind == "provider_error"


def test_rate_limits_only_end_rate_limited_with_the_soonest_way_out() -> None:
    error = total_failure(
        [miss(A, "rate_limit"), miss(B, "rate_limit", called=False)], 4.5, forced=False
    )

    assert isinstance(error, errors.ProviderRateLimited)
    assert error.retry_after_s == 4.5
    assert "4.5 s" in error.message


def test_a_rate_limit_of_unknown_length_says_no_number() -> None:
    error = rate_limited(None, "a")

    assert error.retry_after_s is None
    assert error.message == "every provider that could answer is rate limited"


def test_the_last_real_call_speaks() -> None:
    error = total_failure(
        [miss(A, "overloaded"), miss(B, "connect", called=False)], None, forced=False
    )

    assert isinstance(error, errors.ProviderOverloaded)
    assert error.provider == "a"


def test_when_nothing_was_called_there_is_no_provider() -> None:
    refused = [miss(A, "overloaded", called=False), miss(B, "connect", called=False)]

    error = total_failure(refused, 3.0, forced=False)

    assert isinstance(error, errors.NoProvider)
    assert error.retry_after_s == 3.0
    assert "a: overloaded; b: connect" in error.message


def test_nobody_to_ask_at_all_is_no_provider() -> None:
    error = total_failure([], None, forced=False)

    assert isinstance(error, errors.NoProvider)
    assert error.retry_after_s is None


def test_what_no_dialect_can_carry_is_the_callers_to_change() -> None:
    error = total_failure(
        [miss(A, "bad_request", called=False, owner="caller")], None, forced=False
    )

    assert isinstance(error, errors.RequestRejected)


def test_a_forced_model_that_does_not_exist_is_unknown() -> None:
    error = total_failure([miss(B, "model_not_found")], None, forced=True)

    assert isinstance(error, errors.UnknownModel)
    assert "'n'" in error.message


def test_a_default_model_that_does_not_exist_is_the_providers_fault() -> None:
    error = total_failure([miss(B, "model_not_found")], None, forced=False)

    assert isinstance(error, errors.ProviderModelNotFound)
