"""The dialect as a whole: requests with their headers, answers by kind."""

import msgspec
import pytest

from actors.messages.chat import ChatRequest, Message
from actors.wire.base import Dialect, Endpoint, ResponseHead
from actors.wire.openai import OpenAIDialect
from actors.wire.presets import AZURE
from actors.wire.quirks import COMPATIBLE, XAI

HEAD = ResponseHead(200, {})
ENDPOINT = Endpoint(base_url="https://api.example.com/v1", api_key="k")
REQUEST = ChatRequest(messages=(Message("user", "hello"),))


def test_chat_requests_carry_key_and_type() -> None:
    http = OpenAIDialect().encode_chat(ENDPOINT, "gpt-4o", REQUEST, stream=False).http

    assert (http.method, http.url) == (
        "POST",
        "https://api.example.com/v1/chat/completions",
    )
    assert http.headers == {
        "accept": "application/json",
        "content-type": "application/json",
        "authorization": "Bearer k",
    }
    assert msgspec.json.decode(http.body)["model"] == "gpt-4o"


def test_streams_accept_event_streams() -> None:
    http = OpenAIDialect().encode_chat(ENDPOINT, "gpt-4o", REQUEST, stream=True).http

    assert http.headers["accept"] == "text/event-stream"


def test_headers_are_prepared_once_and_handed_out_as_copies() -> None:
    dialect = OpenAIDialect()
    first = dialect.encode_chat(ENDPOINT, "gpt-4o", REQUEST, stream=False).http
    first.headers["x"] = "mine"
    second = dialect.encode_chat(ENDPOINT, "gpt-4o", REQUEST, stream=False).http
    other = Endpoint(base_url="http://127.0.0.1:1/v1", headers={"X-Team": "t"})
    third = dialect.encode_chat(other, "gpt-4o", REQUEST, stream=False).http

    assert "x" not in second.headers
    assert third.url == "http://127.0.0.1:1/v1/chat/completions"
    assert third.headers["x-team"] == "t"
    assert "authorization" not in third.headers


def test_some_servers_want_the_key_elsewhere() -> None:
    dialect = OpenAIDialect(msgspec.structs.replace(COMPATIBLE, auth="api-key"))

    assert dialect.encode_models(ENDPOINT).headers["api-key"] == "k"


def test_models_are_listed_with_a_get() -> None:
    http = OpenAIDialect().encode_models(ENDPOINT)

    assert (http.method, http.url) == ("GET", "https://api.example.com/v1/models")
    assert http.headers == {"accept": "application/json", "authorization": "Bearer k"}
    assert http.body == b""


def test_azure_is_asked_where_it_keeps_things() -> None:
    dialect = OpenAIDialect(AZURE.quirks)
    endpoint = Endpoint(base_url="https://r.openai.azure.com", api_version="v")

    chat = dialect.encode_chat(endpoint, "d", REQUEST, stream=False).http
    models = dialect.encode_models(endpoint)

    base = "https://r.openai.azure.com/openai"
    assert chat.url == f"{base}/deployments/d/chat/completions?api-version=v"
    assert models.url == f"{base}/models?api-version=v"
    assert "authorization" not in chat.headers


def test_what_was_left_out_is_said() -> None:
    request = msgspec.structs.replace(REQUEST, temperature=0.5)
    encoded = OpenAIDialect().encode_chat(ENDPOINT, "o3", request, stream=False)

    assert encoded.dropped == ("temperature",)


@pytest.mark.parametrize("stream", [False, True])
def test_usage_follows_the_kind_of_server(*, stream: bool) -> None:
    usage = {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 8,
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    said = "delta" if stream else "message"
    choice = {"index": 0, said: {"content": "a"}, "finish_reason": "stop"}
    body = msgspec.json.encode({"choices": [choice], "usage": usage})

    def completion_tokens(dialect: Dialect) -> int | None:
        if not stream:
            return dialect.decode_chat(HEAD, body).usage.completion_tokens
        decoder = dialect.stream_decoder(HEAD)
        decoder.feed(b"data: " + body + b"\n\n")
        return decoder.finish().usage.completion_tokens

    assert completion_tokens(OpenAIDialect(XAI)) == 7
    assert completion_tokens(OpenAIDialect()) == 2


def test_errors_and_models_are_decoded() -> None:
    dialect = OpenAIDialect()
    head = ResponseHead(529, {"retry-after": "2"})

    failure = dialect.decode_error(head, b"", 0.0)

    assert (failure.failure, failure.retry_after_s) == ("overloaded", 2.0)
    assert dialect.decode_models(HEAD, b'{"data":[{"id":"a"}]}')[0].id == "a"
