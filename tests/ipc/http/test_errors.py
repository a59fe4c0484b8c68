"""How errors look over HTTP."""

from typing import get_args

import msgspec
import pytest
from msgspec import structs

from actors.errors import (
    ErrorKind,
    GitBridgeError,
    InvalidRequest,
    NoProvider,
    NotPermitted,
    Overloaded,
    ProviderAuthError,
    ProviderRateLimited,
)
from actors.messages.provider import Allowance, RateLimits
from actors.messages.routing import AttemptSummary, error_info
from ipc.http.errors import (
    MANNERS,
    HttpError,
    error_body,
    error_reply,
    plain,
    rate_limit_headers,
)

STATUSES: dict[ErrorKind, int] = {
    "invalid_request": 400,
    "unknown_model": 404,
    "not_permitted": 403,
    "budget_exceeded": 402,
    "deadline_exceeded": 504,
    "overloaded": 503,
    "no_provider": 503,
    "rate_limited": 429,
    "provider_error": 502,
    "context_too_long": 400,
    "content_filtered": 400,
    "cancelled": 499,
    "interrupted": 503,
    "internal": 500,
}


def test_every_kind_has_its_status() -> None:
    assert {kind: MANNERS[kind].status for kind in get_args(ErrorKind)} == STATUSES


def test_an_error_has_the_shape_of_openai() -> None:
    error = InvalidRequest("n: wrong", field="n", got="2", wanted="1")
    reply = error_reply(error_info(error), request_id="r1")

    assert reply.status == 400
    assert msgspec.json.decode(reply.body)["error"] == {
        "message": "n: wrong; wanted 1",
        "type": "invalid_request_error",
        "param": "n",
        "code": "invalid_request",
    }
    assert reply.headers == {
        "content-type": "application/json",
        "x-gitbridge-error-kind": "invalid_request",
        "x-should-retry": "false",
        "x-request-id": "r1",
    }


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ProviderRateLimited("slow down", retry_after_s=7.01), "8"),
        (Overloaded("full", retry_after_s=0.2), "1"),
        (NoProvider("nobody", retry_after_s=3.0), "3"),
        (NoProvider("nobody"), None),
        (ProviderAuthError("our key", retry_after_s=9.0), None),
    ],
)
def test_retry_after_is_told_where_waiting_helps(
    error: GitBridgeError, seconds: str | None
) -> None:
    assert error_reply(error_info(error)).headers.get("retry-after") == seconds


def test_a_refused_key_of_ours_is_no_401_and_not_worth_repeating() -> None:
    reply = error_reply(error_info(ProviderAuthError("our key", provider="openai")))

    assert reply.status == 502
    assert reply.headers["x-gitbridge-provider"] == "openai"
    assert reply.headers["x-should-retry"] == "false"


def test_a_routed_error_tells_its_decision_and_attempts() -> None:
    attempt = AttemptSummary(
        provider="grok", model="m", outcome="timeout", latency_s=1.0
    )
    info = msgspec.structs.replace(
        error_info(NoProvider("nobody")), decision_id="d9", attempts=(attempt,) * 2
    )
    reply = error_reply(info)

    assert reply.headers["x-gitbridge-decision"] == "d9"
    assert reply.headers["x-gitbridge-attempts"] == "2"
    assert "x-should-retry" not in reply.headers
    assert len(msgspec.json.decode(reply.body)["x_gitbridge"]["attempts"]) == 2


def test_a_status_of_its_own_goes_before_that_of_the_kind() -> None:
    error = HttpError(
        NotPermitted("no token"), 401, error_type="x", headers={"www-authenticate": "B"}
    )
    reply = error_reply(
        error.info, status=error.status, error_type=error.type, headers=error.headers
    )

    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "B"
    assert msgspec.json.decode(reply.body)["error"]["type"] == "x"
    assert HttpError(NotPermitted("no"), None).headers == {}


@pytest.mark.parametrize(
    ("text", "header"), [("gpt-4o", "gpt-4o"), ("a\r\nb", "a??b"), ("\x7fé", "??")]
)
def test_only_printable_ascii_gets_into_a_header(text: str, header: str) -> None:
    assert plain(text) == header


def test_what_a_provider_said_of_its_limits_goes_with_the_error() -> None:
    limits = RateLimits(
        requests=Allowance(limit=500, remaining=0, reset_s=12.5),
        tokens=Allowance(remaining=1000),
    )
    info = error_info(ProviderRateLimited("slow down", retry_after_s=13))
    reply = error_reply(structs.replace(info, rate_limits=limits))

    assert {k: v for k, v in reply.headers.items() if "limit" in k or "retry" in k} == {
        "retry-after": "13",
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "12.500s",
        "x-ratelimit-remaining-tokens": "1000",
    }
    assert rate_limit_headers(None) == {}


def test_what_was_wanted_is_in_the_message_once() -> None:
    named = InvalidRequest("there is no x", field="x", got="1", wanted="one of a, b")
    told = InvalidRequest("x: got 1, wanted a", field="x", got="1", wanted="a")

    assert b"there is no x; wanted one of a, b" in error_body(error_info(named))
    assert b'"x: got 1, wanted a"' in error_body(error_info(told))
