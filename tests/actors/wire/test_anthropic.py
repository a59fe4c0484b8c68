"""The dialect as a whole: requests with their headers, answers by kind."""

import msgspec
import pytest

from actors.messages.chat import ChatRequest, Message
from actors.wire.anthropic import AnthropicDialect
from actors.wire.base import Endpoint, ResponseHead
from tests.support.message_stream import TEXT_STREAM

HEAD = ResponseHead(200, {})
ENDPOINT = Endpoint(base_url="https://api.example.com/v1", api_key="k")
REQUEST = ChatRequest(messages=(Message("user", "hello"),), temperature=0.5)
MODEL = "claude-sonnet-4-5"


def test_messages_carry_key_and_version() -> None:
    encoded = AnthropicDialect().encode_chat(ENDPOINT, MODEL, REQUEST, stream=False)

    assert (encoded.http.method, encoded.http.url) == (
        "POST",
        "https://api.example.com/v1/messages",
    )
    assert encoded.http.headers == {
        "accept": "application/json",
        "content-type": "application/json",
        "x-api-key": "k",
        "anthropic-version": "2023-06-01",
    }
    assert msgspec.json.decode(encoded.http.body)["model"] == MODEL
    assert encoded.dropped == ()


def test_streams_accept_event_streams() -> None:
    http = AnthropicDialect().encode_chat(ENDPOINT, MODEL, REQUEST, stream=True).http

    assert http.headers["accept"] == "text/event-stream"
    assert msgspec.json.decode(http.body)["stream"] is True


def test_headers_are_prepared_once_and_handed_out_as_copies() -> None:
    dialect = AnthropicDialect()
    first = dialect.encode_chat(ENDPOINT, MODEL, REQUEST, stream=False).http
    first.headers["x"] = "mine"
    second = dialect.encode_chat(ENDPOINT, MODEL, REQUEST, stream=False).http
    other = Endpoint(base_url="http://127.0.0.1:1/v1", headers={"X-Team": "t"})
    third = dialect.encode_chat(other, MODEL, REQUEST, stream=False).http

    assert "x" not in second.headers
    assert third.url == "http://127.0.0.1:1/v1/messages"
    assert third.headers["x-team"] == "t"
    assert "x-api-key" not in third.headers


def test_another_version_may_be_configured_and_has_no_sampling() -> None:
    headers = {"Anthropic-Version": "2026-10-21"}
    endpoint = Endpoint(base_url="https://a/v1", headers=headers)
    encoded = AnthropicDialect().encode_chat(endpoint, MODEL, REQUEST, stream=False)

    assert encoded.http.headers["anthropic-version"] == "2026-10-21"
    assert encoded.dropped == ("temperature",)


def test_models_are_listed_with_a_get() -> None:
    http = AnthropicDialect().encode_models(ENDPOINT)

    assert (http.method, http.body) == ("GET", b"")
    assert http.url == "https://api.example.com/v1/models?limit=1000"
    assert http.headers == {
        "accept": "application/json",
        "x-api-key": "k",
        "anthropic-version": "2023-06-01",
    }


def test_trap_8_retry_after_on_a_200_means_nothing() -> None:
    head = ResponseHead(200, {"retry-after": "61"})
    dialect = AnthropicDialect()
    block = {"type": "text", "text": "hi"}
    body = msgspec.json.encode({"content": [block], "stop_reason": "end_turn"})
    decoder = dialect.stream_decoder(head)
    decoder.feed(b"".join(TEXT_STREAM))

    assert dialect.decode_chat(head, body).content == "hi"
    assert decoder.finish().content == "Grüße 😀"


@pytest.mark.parametrize(
    ("status", "kind", "failure"),
    [
        (400, "invalid_request_error", "bad_request"),
        (401, "authentication_error", "auth"),
        (402, "billing_error", "quota"),
        (403, "permission_error", "auth"),
        (404, "not_found_error", "model_not_found"),
        (409, "conflict_error", "server_error"),
        (413, "request_too_large", "bad_request"),
        (429, "rate_limit_error", "rate_limit"),
        (500, "api_error", "server_error"),
        (504, "timeout_error", "server_error"),
        (529, "overloaded_error", "overloaded"),
    ],
)
def test_errors_have_their_class(status: int, kind: str, failure: str) -> None:
    error = {"type": kind, "message": "why", "details": None}
    body = msgspec.json.encode({"type": "error", "error": error, "request_id": "r"})
    head = ResponseHead(status, {"retry-after": "7", "x-should-retry": "false"})

    found = AnthropicDialect().decode_error(head, body, 0.0)

    assert (found.failure, found.status, found.code) == (failure, status, kind)
    assert (found.message, found.retry_after_s) == (f"{status} {kind}: why", 7.0)


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (429, "ramp_limit_exceeded", "rate_limit"),
        (429, "enforced_spend_limit_reached", "quota"),
        (429, "contract_spend_limit_reached", "quota"),
        (400, "organization_on_hold", "quota"),
    ],
)
def test_details_tell_waiting_from_paying(status: int, code: str, failure: str) -> None:
    error = {"type": "x_error", "message": "m", "details": {"error_code": code}}
    body = msgspec.json.encode({"type": "error", "error": error})

    found = AnthropicDialect().decode_error(ResponseHead(status, {}), body, 0.0)

    assert (found.failure, found.code) == (failure, code)


def test_models_are_decoded() -> None:
    body = b'{"data":[{"id":"claude-opus-5"}],"has_more":false}'

    assert AnthropicDialect().decode_models(HEAD, body)[0].id == "claude-opus-5"


@pytest.mark.parametrize(
    ("model", "way"), [("claude-haiku-4-5", "appended"), ("claude-opus-4-7", "none")]
)
def test_older_models_go_on_from_a_prefill(model: str, way: str) -> None:
    endpoint = Endpoint(base_url="http://x", api_key="k")

    assert AnthropicDialect().continues_as(endpoint, model) == way
