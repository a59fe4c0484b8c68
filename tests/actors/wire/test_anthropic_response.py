"""Messages bodies and models lists become neutral answers."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import (
    ProviderError,
    ProviderModelNotFound,
    ProviderOverloaded,
    ProviderResponseError,
)
from actors.messages.chat import Completion, ModelInfo, ToolCall
from actors.wire.anthropic_names import ANSWER_TOOL
from actors.wire.anthropic_response import (
    decode_message,
    decode_model_list,
    input_text,
)

USAGE = {"input_tokens": 3, "output_tokens": 4, "service_tier": "standard"}


def text(said: object) -> dict[str, object]:
    return {"type": "text", "text": said}


def use(name: str, given_input: object, call_id: object = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given_input}


def decoded(*blocks: object, stop: object = "end_turn", **fields: object) -> Completion:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5-20251101",
        "content": list(blocks),
        "stop_reason": stop,
        "usage": USAGE,
    }
    return decode_message(msgspec.json.encode(message | fields))


def test_an_answer_says_everything_it_says() -> None:
    completion = decoded(text("hello"))

    assert completion.content == "hello"
    assert completion.finish_reason == "stop"
    assert completion.model == "claude-opus-4-5-20251101"
    assert completion.response_id == "msg_1"
    assert completion.service_tier == "standard"
    assert completion.usage.total_tokens == 7
    assert (completion.reasoning, completion.refusal) == (None, None)
    assert completion.tool_calls == ()


def test_trap_14_thinking_may_come_before_and_between_texts() -> None:
    completion = decoded(
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        text("a"),
        {"type": "thinking", "thinking": "mm", "signature": "s"},
        text("b"),
        {"type": "thinking", "thinking": "", "signature": "s"},
    )

    assert (completion.content, completion.reasoning) == ("ab", "Hmmm")


def test_tools_are_called_with_json() -> None:
    completion = decoded(
        text("wait"),
        use("add", {"a": [1, 2.5], "b": "ü"}),
        use("gbx_web_2esearch", {}, "toolu_2"),
        {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {}},
        stop="tool_use",
    )

    assert completion.content == "wait"
    assert completion.finish_reason == "tool_calls"
    assert completion.tool_calls == (
        ToolCall("toolu_1", "add", '{"a":[1,2.5],"b":"ü"}'),
        ToolCall("toolu_2", "web.search", "{}"),
    )


def test_calls_without_text_have_no_content() -> None:
    completion = decoded(use("add", None, None))

    assert completion.content is None
    assert completion.tool_calls == (ToolCall("toolu_0", "add", "{}"),)
    assert decoded().content == ""


def test_the_answer_tool_is_the_content() -> None:
    completion = decoded(use(ANSWER_TOOL, {"city": "Bonn"}), stop="tool_use")

    assert completion.content == '{"city":"Bonn"}'
    assert (completion.finish_reason, completion.tool_calls) == ("stop", ())


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "stop"),
        ("new_reason", "stop"),
        (None, "stop"),
        (5, "stop"),
    ],
)
def test_stop_reasons_are_translated(stop: object, finish: str) -> None:
    assert decoded(text("a"), stop=stop).finish_reason == finish


@pytest.mark.parametrize(
    ("stop", "finish"), [("tool_use", "tool_calls"), ("max_tokens", "length")]
)
def test_calls_decide_unless_the_answer_was_cut(stop: str, finish: str) -> None:
    assert decoded(use("add", {}), stop=stop).finish_reason == finish


def test_a_refusal_says_why() -> None:
    details = {"type": "refusal", "category": "x", "explanation": "I must not."}
    completion = decoded(stop="refusal", stop_details=details)

    assert completion.refusal == "I must not."
    assert completion.content is None
    assert completion.finish_reason == "content_filter"
    assert decoded(stop="refusal", stop_details=None).content == ""


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error"}}', ProviderOverloaded),
        (b'{"error":{"type":"not_found_error"}}', ProviderModelNotFound),
        (b'{"type":"error"}', ProviderError),
        (b'{"type":"message"}', ProviderResponseError),
        (b'{"content":"text"}', ProviderResponseError),
        (b"[]", ProviderResponseError),
        (b"<html>", ProviderResponseError),
        (b"", ProviderResponseError),
        (b"[" * 100_000, ProviderResponseError),
    ],
)
def test_what_is_no_answer_is_an_error(body: bytes, error: type[ProviderError]) -> None:
    with pytest.raises(error):
        decode_message(body)


def test_input_that_cannot_be_written_again_is_an_error() -> None:
    with pytest.raises(ProviderResponseError):
        input_text("\ud800")


def test_nonsense_in_blocks_is_passed_over() -> None:
    completion = decoded(None, 5, {}, text(None), text(7), {"type": ["text"]}, usage=3)

    assert completion.content == ""
    assert completion.usage.total_tokens is None


_VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "text", "id", "name", "input", "usage", "error"]),
            inner | st.sampled_from(["text", "tool_use", "thinking", "error"]),
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(_VALUE, st.lists(_VALUE, max_size=3))
@settings(max_examples=100)
def test_anything_decodes_or_is_a_provider_error(
    value: object, blocks: list[object]
) -> None:
    for answer in (value, {"content": blocks, "usage": value, "stop_details": value}):
        with suppress(ProviderError):
            decode_message(msgspec.json.encode(answer))


# Models


def test_models_say_their_limits() -> None:
    rows = [
        {
            "type": "model",
            "id": "claude-opus-5",
            "max_input_tokens": 1_000_000,
            "max_tokens": 128_000,
            "retires_at": "2027-01-01T00:00:00Z",
        },
        {"id": "claude-x", "max_input_tokens": 0, "max_tokens": None},
        {"id": ""},
        None,
    ]

    assert decode_model_list(msgspec.json.encode({"data": rows})) == (
        ModelInfo(
            id="claude-opus-5",
            context_window=1_000_000,
            max_output_tokens=128_000,
            retires_at="2027-01-01T00:00:00Z",
        ),
        ModelInfo(id="claude-x"),
    )


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"data":{}}', b"x"])
def test_what_is_no_models_list_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderResponseError):
        decode_model_list(body)


def test_an_error_instead_of_a_list_is_raised() -> None:
    with pytest.raises(ProviderOverloaded):
        decode_model_list(b'{"type":"error","error":{"type":"overloaded_error"}}')
