"""Chat completion bodies and models lists, from careful and careless servers."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import (
    ProviderError,
    ProviderOverloaded,
    ProviderResponseError,
    ProviderServerError,
)
from actors.messages.chat import Completion, ModelInfo, ToolCall, Usage
from actors.wire.call_ids import invented_id
from actors.wire.openai_response import (
    arguments_text,
    decode_completion,
    decode_model_list,
    finish_reason,
)


def answer(message: object, finish: object = "stop", **fields: object) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        **fields,
    }
    return msgspec.json.encode(body)


def decoded(message: object, finish: object = "stop", **fields: object) -> Completion:
    return decode_completion(answer(message, finish, **fields), "openai")


def call(call_id: object, name: object, arguments: object) -> object:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def test_a_plain_answer() -> None:
    message = {"role": "assistant", "content": "Hi 😀", "refusal": None}

    assert decoded(message, service_tier="default") == Completion(
        content="Hi 😀",
        finish_reason="stop",
        model="gpt-4o-mini-2024-07-18",
        usage=Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7),
        response_id="chatcmpl-1",
        service_tier="default",
    )


def test_several_calls() -> None:
    calls = [call("a", "add", '{"x":1}'), call("b", "now", "")]
    completion = decoded({"content": None, "tool_calls": calls}, "tool_calls")

    assert completion.content is None
    assert completion.tool_calls == (
        ToolCall("a", "add", '{"x":1}'),
        ToolCall("b", "now", "{}"),
    )


def test_a_forced_call_that_ends_with_stop_is_still_a_call() -> None:
    completion = decoded({"content": "", "tool_calls": [call("a", "f", "{}")]}, "stop")

    assert completion.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "has_calls", "expected"),
    [
        ("stop", False, "stop"),
        ("eos", False, "stop"),
        ("length", True, "length"),
        ("model_length", False, "length"),
        ("content_filter", False, "content_filter"),
        ("sensitive", False, "content_filter"),
        ("tool_calls", False, "stop"),
        ("function_call", True, "tool_calls"),
        ("", True, "tool_calls"),
        (None, False, "stop"),
        (7, True, "tool_calls"),
        ("something_new", False, "stop"),
    ],
)
def test_finish_reasons(reason: object, *, has_calls: bool, expected: str) -> None:
    assert finish_reason(reason, has_calls=has_calls) == expected


def test_a_refusal_is_not_content() -> None:
    completion = decoded({"content": None, "refusal": "I can't"})

    assert (completion.content, completion.refusal) == (None, "I can't")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_has_two_names(field: str) -> None:
    assert decoded({"content": "4", field: "2+2"}).reasoning == "2+2"


def test_content_may_be_a_list_of_typed_parts() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, 7]},
        {"type": "text", "text": "yes"},
        None,
    ]
    completion = decoded({"content": content})

    assert (completion.content, completion.reasoning) == ("yes", "hm")


@pytest.mark.parametrize("content", [[], 7, {"a": 1}])
def test_content_of_a_wrong_type_is_none(content: object) -> None:
    assert decoded({"content": content}).content is None


def test_the_choice_with_index_0_counts_wherever_it_stands() -> None:
    choices = [
        {"index": 1, "message": {"content": "b"}, "finish_reason": "length"},
        {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
    ]

    completion = decoded(None, choices=choices)

    assert (completion.content, completion.finish_reason) == ("a", "stop")


@pytest.mark.parametrize("call_id", ["", None, 7])
def test_a_call_without_an_id_gets_one_that_stays_the_same(call_id: object) -> None:
    calls = [call(call_id, "f", "{}"), call(call_id, "g", "{}")]
    first = decoded({"tool_calls": calls}).tool_calls
    again = decoded({"tool_calls": calls}).tool_calls

    assert first == again
    assert [x.id for x in first] == ["call_chatcmpl-1_0", "call_chatcmpl-1_1"]


@pytest.mark.parametrize(
    ("response_id", "expected"),
    [
        (None, "call_3"),
        ("a b/c:é", "call_abc_3"),
        ("x" * 100, "call_" + "x" * 33 + "_3"),
    ],
)
def test_invented_ids_are_ids_that_openai_takes_back(
    response_id: str | None, expected: str
) -> None:
    assert invented_id(response_id, 3) == expected


def test_legacy_function_calls_are_tool_calls() -> None:
    legacy = {"name": "f", "arguments": "{}"}
    completion = decoded({"content": None, "function_call": legacy}, "function_call")

    assert completion.tool_calls == (ToolCall("call_chatcmpl-1_0", "f", "{}"),)
    assert completion.finish_reason == "tool_calls"


def test_a_call_without_a_function_is_left_out() -> None:
    assert decoded({"content": "a", "tool_calls": [{"id": "x"}]}).tool_calls == ()


def test_arguments_may_come_as_json() -> None:
    assert arguments_text({"a": [1, None]}) == '{"a":[1,null]}'
    assert [arguments_text(x) for x in (None, "")] == ["", ""]


def test_arguments_that_cannot_be_written_again_are_a_response_error() -> None:
    nested: object = 1
    for _ in range(100_000):
        nested = [nested]

    with pytest.raises(ProviderResponseError):
        arguments_text(nested)


def test_details_of_a_wrong_type_do_not_spoil_an_answer() -> None:
    completion = decoded(
        {"content": "a", "refusal": 7, "reasoning": {"x": 1}, "tool_calls": None},
        None,
        id=7,
        model=None,
        usage={"prompt_tokens": "many", "prompt_tokens_details": [1]},
        service_tier=[],
    )

    assert completion == Completion(content="a", finish_reason="stop")


@pytest.mark.parametrize("usage", [None, [], "x"])
def test_no_usage_is_unknown(usage: object) -> None:
    assert decoded({"content": "a"}, usage=usage).usage == Usage()


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (
            b'{"error":{"message":"busy","code":503}}',
            ProviderOverloaded,
            "503: busy",
        ),
        (
            answer({"content": "half"}, error={"message": "boom", "code": 502}),
            ProviderServerError,
            "502: boom",
        ),
        (b'[{"error":"boom"}]', ProviderServerError, "boom"),
        (answer({"content": ""}, "error"), ProviderServerError, "broke the answer off"),
        (
            answer({"content": "half"}, "insufficient_system_resource"),
            ProviderServerError,
            "broke the answer off: insufficient_system_resource",
        ),
        (b'{"type":"error"}', ProviderServerError, "without words"),
        (
            answer(None, choices=[{"error": {"message": "boom", "code": 502}}]),
            ProviderServerError,
            "502: boom",
        ),
    ],
)
def test_errors_inside_a_200_body_are_raised(
    body: bytes, error: type[ProviderError], words: str
) -> None:
    with pytest.raises(error, match=words):
        decode_completion(body, "openai")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b"[]",
        b"null",
        b'{"choices":[]}',
        b'{"choices":null}',
        b'{"choices":[{"index":0}]}',
        b'{"choices":{"0":1}}',
        b'{"choices":[7]}',
        b'{"choices":[{"message":"x"}]}',
        b'{"a":' + b"[" * 100_000,
        answer({"content": "whole"})[:-1],
    ],
)
def test_what_is_no_answer_is_a_response_error(body: bytes) -> None:
    with pytest.raises(ProviderResponseError):
        decode_completion(body, "openai")


def test_leading_whitespace_and_half_an_emoji_are_tolerated() -> None:
    body = b"\n\n  " + answer({"content": "X"}).replace(b"X", b"a\\ud83d")

    assert decode_completion(body, "openai").content == "a\ufffd"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {
                "object": "list",
                "data": [
                    {"id": "gpt-5", "shutdown_date": "2026-12-11"},
                    {"id": "m", "context_length": 8192, "max_completion_tokens": 10},
                    {"id": "v", "max_model_len": 4096, "shutdown_date": 1765411200},
                    {"id": ""},
                    {"object": "model"},
                    None,
                ],
            },
            (
                ModelInfo(id="gpt-5", retires_at="2026-12-11"),
                ModelInfo(id="m", context_window=8192, max_output_tokens=10),
                ModelInfo(id="v", context_window=4096, retires_at="1765411200"),
            ),
        ),
        ({"models": [{"id": "grok-4.3", "version": "1"}]}, (ModelInfo(id="grok-4.3"),)),
        ([{"id": "a"}], (ModelInfo(id="a"),)),
        ({"data": None}, ()),
        ({"data": []}, ()),
    ],
)
def test_models_lists(body: object, expected: tuple[ModelInfo, ...]) -> None:
    assert decode_model_list(msgspec.json.encode(body)) == expected


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"data":7}', b'"x"'])
def test_what_is_no_models_list_is_a_response_error(body: bytes) -> None:
    with pytest.raises(ProviderResponseError):
        decode_model_list(body)


def test_an_error_instead_of_a_models_list_is_raised() -> None:
    with pytest.raises(ProviderError, match="no key"):
        decode_model_list(b'{"error":{"message":"no key","code":401}}')


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("choices", "message", "content", "tool_calls", "function"),
                    *("name", "arguments", "finish_reason", "usage", "error", "id"),
                    *("index", "thinking", "text", "data", "type", "function_call"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.binary(max_size=60) | _JSON.map(msgspec.json.encode))
@settings(max_examples=100)
def test_arbitrary_bodies_raise_only_provider_errors(body: bytes) -> None:
    for decode in (lambda raw: decode_completion(raw, "xai"), decode_model_list):
        try:
            decode(body)
        except ProviderError as error:
            assert error.message  # noqa: PT017 - either outcome is fine
