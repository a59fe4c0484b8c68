"""Counting asks what a chat would ask, less what does not count."""

from pathlib import Path

import msgspec
import pytest

from actors.errors import ProviderOverloaded, ProviderResponseError
from actors.messages.chat import ChatRequest, Message, Tool
from actors.wire.anthropic import AnthropicDialect
from actors.wire.anthropic_count import decode_count, encode_count
from actors.wire.base import Endpoint, ResponseHead
from tests.support.recorded import body_of, exchanges, headers_of, status_of

ENDPOINT = Endpoint(base_url="https://api.anthropic.com/v1", api_key="k")


def test_the_request_is_a_chat_less_what_does_not_count() -> None:
    request = ChatRequest(
        messages=(Message("system", "be brief"), Message("user", "hi")),
        max_tokens=9,
        temperature=0.5,
        stop=("x",),
        user="u",
        tools=(Tool("t", parameters={"type": "object"}),),
    )
    http = encode_count(AnthropicDialect(), ENDPOINT, "claude-haiku-4-5", request)

    assert http.url == "https://api.anthropic.com/v1/messages/count_tokens"
    assert http.headers["x-api-key"] == "k"
    assert set(msgspec.json.decode(http.body)) == {
        *("model", "system", "messages", "tools")
    }


@pytest.mark.parametrize("body", [b"{}", b"[]", b"{", b'{"input_tokens":"14"}'])
def test_what_is_no_count_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderResponseError):
        decode_count(body)


def test_an_error_in_a_200_is_raised() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}'

    with pytest.raises(ProviderOverloaded):
        decode_count(body)


def test_recorded_counts_say_what_they_say(recorded_exchanges: Path) -> None:
    rows = exchanges(recorded_exchanges, endpoint="count_tokens")
    assert {status_of(row) for row in rows} == {200, 404}
    for row in rows:
        if status_of(row) == 200:
            assert decode_count(body_of(row)) == 14
            continue
        head = ResponseHead(status_of(row), headers_of(row))
        failure = AnthropicDialect().decode_error(head, body_of(row), 0.0)
        assert failure.failure == "model_not_found"


def test_recorded_count_requests_are_built_the_same(recorded_exchanges: Path) -> None:
    for row in exchanges(recorded_exchanges, endpoint="count_tokens"):
        body = row["request"]["body"]
        said = body["messages"][0]["content"]
        if not isinstance(said, str):
            said = said[0]["text"]
        request = ChatRequest(messages=(Message("user", said),))
        http = encode_count(AnthropicDialect(), ENDPOINT, body["model"], request)

        assert http.url.endswith(row["request"]["path"].partition("?")[0])
        assert set(msgspec.json.decode(http.body)) == {"model", "messages"}
