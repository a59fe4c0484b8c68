"""Embeddings on the wire: bodies out, vectors in, recorded ones too."""

import struct
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.errors import InvalidRequest, ProviderError, ProviderResponseError
from actors.messages.chat import ChatRequest, EmbedAsk, Usage
from actors.wire.anthropic import AnthropicDialect
from actors.wire.base import Endpoint, ResponseHead
from actors.wire.catalogue import dialect_for
from actors.wire.openai import OpenAIDialect
from actors.wire.openai_embeddings import decode_embeddings, encode_body
from actors.wire.quirks import COMPATIBLE, OPENAI
from tests.support.recorded import body_of, exchanges

HEAD = ResponseHead(200, {})


def request(*inputs: str | tuple[int, ...], **asked: Any) -> ChatRequest:
    return ChatRequest(messages=(), embed=EmbedAsk(inputs=inputs, **asked))


def body(chat: ChatRequest, quirks: Any = OPENAI) -> Any:
    return msgspec.json.decode(encode_body(quirks, "m", chat))


def floats(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 8}d", vector)


def answer(*rows: Any, **more: Any) -> bytes:
    return msgspec.json.encode({"object": "list", "data": rows, **more})


def row(place: int | None, *values: float) -> dict[str, Any]:
    return {"object": "embedding", "index": place, "embedding": values}


def decoded(data: bytes, inputs: int = 1) -> list[tuple[float, ...]]:
    ask = EmbedAsk(inputs=("x",) * inputs)
    return [*map(floats, decode_embeddings(data, ask, "openai").vectors)]


def test_a_body_says_what_was_asked_for() -> None:
    chat = request("one", (1, 2), dimensions=8, base64=True)
    extra = {"model": "other", "x": 1}
    chat = msgspec.structs.replace(chat, user="ada", extra=extra)

    assert body(chat) == {
        "model": "m",
        "input": ["one", [1, 2]],
        "dimensions": 8,
        "encoding_format": "base64",
        "user": "ada",
        "x": 1,
    }
    assert body(request("one")) == {"model": "m", "input": ["one"]}


def test_servers_that_may_not_pack_are_asked_for_numbers() -> None:
    assert "encoding_format" not in body(request("one", base64=True), COMPATIBLE)


def test_what_cannot_be_sent_is_the_callers() -> None:
    odd = msgspec.structs.replace(request("x"), extra={"odd": object()})
    for chat in (ChatRequest(messages=()), request("\ud800"), odd):
        with pytest.raises(InvalidRequest):
            encode_body(OPENAI, "m", chat)


@pytest.mark.parametrize(
    ("kind", "endpoint", "url"),
    [
        ("openai", Endpoint(base_url="http://h/v1"), "http://h/v1/embeddings"),
        (
            "azure",
            Endpoint(base_url="https://r.openai.azure.com", api_version="2024-10-21"),
            "https://r.openai.azure.com/openai/deployments/m/embeddings?api-version=2024-10-21",
        ),
        (
            "azure",
            Endpoint(base_url="https://r.openai.azure.com"),
            "https://r.openai.azure.com/openai/v1/embeddings",
        ),
    ],
)
def test_where_it_goes(kind: str, endpoint: Endpoint, url: str) -> None:
    endpoint = msgspec.structs.replace(endpoint, api_key="k")
    http = dialect_for(kind).encode_embeddings(endpoint, "m", request("one")).http

    assert (http.method, http.url) == ("POST", url)
    assert "k" in (http.headers.get("api-key") or http.headers["authorization"])
    assert http.headers["content-type"] == "application/json"


def test_anthropic_has_none() -> None:
    with pytest.raises(InvalidRequest, match="no embeddings"):
        AnthropicDialect().encode_embeddings(
            Endpoint(base_url="http://h"), "claude", request("one")
        )
    with pytest.raises(ProviderError):
        AnthropicDialect().decode_embeddings(HEAD, b"{}", request("one"))


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    assert decoded(answer(row(1, 0.5), row(0, 0.25)), 2) == [(0.25,), (0.5,)]
    assert decoded(answer(row(None, 0.5), row(None, 0.25)), 2) == [(0.5,), (0.25,)]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_and_packed_numbers_are_the_same_without_loss(
    values: list[float],
) -> None:
    packed = b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    rows = ({"index": 0, "embedding": packed}, row(1, *values))

    assert decoded(answer(*rows), 2) == [tuple(values)] * 2


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (
            {"prompt_tokens": 5, "total_tokens": 5},
            Usage(prompt_tokens=5, completion_tokens=0, total_tokens=5),
        ),
        (
            {"total_tokens": 5},
            Usage(prompt_tokens=5, completion_tokens=0, total_tokens=5),
        ),
        ({"prompt_tokens": 0, "total_tokens": 0}, Usage()),
        (None, Usage()),
    ],
)
def test_there_is_nothing_but_a_prompt_to_count(said: Any, usage: Usage) -> None:
    data = answer(row(0, 1.0), usage=said, model="m-1")
    found = decode_embeddings(data, EmbedAsk(inputs=("x",)), "openai")

    assert (found.usage, found.model, found.content) == (usage, "m-1", None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"nonsense", "cannot be decoded"),
        (b"{}", "none came"),
        (answer(), "0 came"),
        (answer(row(0, 1.0), row(1, 1.0)), "2 came"),
        (answer(row(3, 1.0)), "indices"),
        (answer(row(0)), "empty"),
        (answer({"index": 0}), "empty"),
        (answer({"index": 0, "embedding": ""}), "empty"),
        (answer({"index": 0, "embedding": "AAA="}), "base64"),
        (answer({"index": 0, "embedding": "!"}), "base64"),
        (answer({"index": 0, "embedding": ["a"]}), "cannot be decoded"),
    ],
)
def test_what_is_not_what_was_asked_for_is_the_providers(
    data: bytes, words: str
) -> None:
    with pytest.raises(ProviderResponseError, match=words):
        decoded(data)


def test_vectors_of_several_lengths_are_refused() -> None:
    with pytest.raises(ProviderResponseError, match="one length"):
        decoded(answer(row(0, 1.0), row(1, 1.0, 2.0)), 2)


def test_an_error_inside_an_answer_is_one() -> None:
    with pytest.raises(ProviderError, match="slow down"):
        decoded(b'{"error":{"message":"slow down"}}')


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with suppress(ProviderError):
        decoded(data)


def test_recorded_answers_are_read_whole(shared: Path) -> None:
    path = shared / "recorded" / "exchanges.jsonl"
    if not path.exists():
        pytest.skip(f"recorded traffic not found at {path}; set GITBRIDGE_SHARED")
    rows = exchanges(path, endpoint="embeddings")
    assert rows
    for recorded in rows:
        asked, told = (
            recorded["request"]["body"],
            msgspec.json.decode(body_of(recorded)),
        )
        chat = request(
            asked["input"],
            dimensions=asked.get("dimensions"),
            base64=asked.get("encoding_format") == "base64",
        )
        sent = OpenAIDialect().encode_embeddings(
            Endpoint(base_url="http://h"), asked["model"], chat
        )
        found = OpenAIDialect().decode_embeddings(HEAD, body_of(recorded), chat)
        (vector,) = map(floats, found.vectors)

        assert msgspec.json.decode(sent.http.body) == asked | {
            "input": [asked["input"]]
        }
        raw = told["data"][0]["embedding"]
        if isinstance(raw, str):
            raw = struct.unpack(f"<{len(b64decode(raw)) // 4}f", b64decode(raw))
        assert vector == tuple(raw)
        assert len(vector) == asked.get("dimensions", 1536)
        assert found.usage.prompt_tokens == told["usage"]["prompt_tokens"]
        assert found.usage.completion_tokens == 0
