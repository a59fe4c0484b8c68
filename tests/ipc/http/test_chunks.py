"""How a stream looks."""

from typing import Any

from msgspec import structs

from actors.errors import ProviderResponseError
from actors.messages.chat import Delta, ToolCall, ToolCallDelta
from actors.messages.routing import error_info
from ipc.http.chunks import ChunkWriter
from tests.support.fake_service import route_result
from tests.support.http_door import events


def writer(*, include_usage: bool = False) -> ChunkWriter:
    return ChunkWriter("r1", 1_800_000_000, "gpt-4o", include_usage=include_usage)


def one(data: bytes) -> Any:
    (event,) = events(data)
    return event


def delta_of(data: bytes) -> Any:
    return one(data)["choices"][0]["delta"]


def test_a_stream_begins_with_the_role() -> None:
    assert one(writer().first()) == {
        "id": "chatcmpl-r1",
        "object": "chat.completion.chunk",
        "created": 1_800_000_000,
        "model": "gpt-4o",
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": ""},
                "finish_reason": None,
                "logprobs": None,
            }
        ],
    }


def test_a_delta_says_only_what_is_new() -> None:
    assert delta_of(writer().delta(Delta(content="hel"))) == {"content": "hel"}
    assert delta_of(writer().delta(Delta(reasoning="hm", refusal="no"))) == {
        "reasoning_content": "hm",
        "refusal": "no",
    }


def test_the_first_piece_of_a_tool_call_names_it() -> None:
    pieces = (ToolCallDelta(0, "c1", "look"), ToolCallDelta(1, None, None, '{"a'))

    assert delta_of(writer().delta(Delta(tool_calls=pieces)))["tool_calls"] == [
        {
            "index": 0,
            "id": "c1",
            "type": "function",
            "function": {"name": "look", "arguments": ""},
        },
        {"index": 1, "function": {"arguments": '{"a'}},
    ]


def test_a_stream_ends_with_the_reason_and_done() -> None:
    finish, done = events(writer().end(route_result()))

    assert finish["choices"][0]["delta"] == {}
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in finish
    assert done == "[DONE]"


def test_usage_comes_only_when_asked_for_and_says_who_and_how_much() -> None:
    chunks = writer(include_usage=True)
    finish, usage, done = events(chunks.end(route_result()))

    assert one(chunks.first())["usage"] is None
    assert finish["usage"] is None
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 8
    assert usage["x_gitbridge"] == {
        "provider": "openai",
        "model": "gpt-4o",
        "decision": "d1",
        "request": "r1",
        "attempts": 1,
        "cost_usd": 0.000125,
        "cost_source": "table",
        "latency_s": 0.25,
        "time_to_first_token_s": None,
        "overhead_ms": 1.0,
        "cache": "miss",
        "simulated": False,
    }
    assert done == "[DONE]"


def test_a_broken_stream_ends_with_an_error_and_without_done() -> None:
    error = error_info(ProviderResponseError("it broke off", provider="openai"))
    event = one(writer().broken(error))

    assert event["error"]["code"] == "provider_error"
    assert event["error"]["message"] == "it broke off"
    assert event["x_gitbridge"]["provider"] == "openai"


def test_an_answer_that_did_not_stream_is_one_piece() -> None:
    result = structs.replace(
        route_result("all of it"), tool_calls=(ToolCall("c1", "look", "{}"),)
    )

    assert delta_of(writer().whole(result)) == {
        "content": "all of it",
        "tool_calls": [
            {
                "index": 0,
                "id": "c1",
                "type": "function",
                "function": {"name": "look", "arguments": "{}"},
            }
        ],
    }


def test_an_answer_that_says_nothing_has_no_piece() -> None:
    assert writer().whole(structs.replace(route_result(), content=None)) == b""


def test_a_piece_that_names_another_model_renames_the_chunks_after_it() -> None:
    chunks = writer()
    before = one(chunks.delta(Delta("a", model="gpt-4o")))
    named = one(chunks.delta(Delta("b", model="claude")))
    after = one(chunks.delta(Delta("c")))

    assert [each["model"] for each in (before, named, after)] == [
        "gpt-4o",
        "claude",
        "claude",
    ]
