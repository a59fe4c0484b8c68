"""Requests in OpenAI's shape are understood, or refused with the path of the field."""

import math

import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import InvalidRequest
from actors.messages.chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    ResponseFormat,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)
from ipc.conversation import CHAT_FIELDS, chat_request

HELLO: dict[str, object] = {"role": "user", "content": "hello"}
TOOL: dict[str, object] = {"type": "function", "function": {"name": "look"}}


def request(**fields: object) -> ChatRequest:
    return chat_request({"messages": [HELLO], **fields})


def message(**fields: object) -> Message:
    return chat_request({"messages": [fields]}).messages[0]


def refused(field: str, **fields: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        request(**fields)
    assert caught.value.field == field
    assert caught.value.got
    assert caught.value.wanted
    return caught.value


def message_refused(field: str, **fields: object) -> InvalidRequest:
    return refused(f"messages[0]{field}", messages=[fields])


# Parameters


def test_a_minimal_request_leaves_everything_else_open() -> None:
    assert request() == ChatRequest(messages=(Message("user", "hello"),))


def test_every_parameter_is_read() -> None:
    full = request(
        max_tokens=10,
        temperature=1,
        top_p=0.5,
        stop=["a", "b"],
        seed=-3,
        tools=[TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
        reasoning_effort="high",
        user="me",
        n=1,
    )

    assert full == ChatRequest(
        messages=(Message("user", "hello"),),
        max_tokens=10,
        temperature=1.0,
        top_p=0.5,
        stop=("a", "b"),
        seed=-3,
        tools=(Tool("look"),),
        tool_choice=ToolChoice("required"),
        parallel_tool_calls=False,
        response_format=ResponseFormat("json_object"),
        reasoning_effort="high",
        user="me",
    )


def test_null_counts_as_left_out() -> None:
    nulls = dict.fromkeys(CHAT_FIELDS - {"messages"})

    assert request(**nulls) == request()


def test_the_newer_name_of_max_tokens_wins() -> None:
    assert request(max_tokens=1, max_completion_tokens=2).max_tokens == 2


def test_one_stop_may_be_a_string() -> None:
    assert request(stop="END").stop == ("END",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", "10"),
        ("max_completion_tokens", 1.5),
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("temperature", math.nan),
        ("top_p", -1),
        ("seed", "x"),
        ("stop", 3),
        ("stop", ""),
        ("tools", {}),
        ("parallel_tool_calls", "yes"),
        ("reasoning_effort", "huge"),
        ("user", 3),
        ("n", 2),
        ("n", True),
        ("functions", []),
        ("function_call", "auto"),
        ("messages", None),
        ("messages", []),
        ("messages", "hello"),
        ("messages[0]", ["x"]),
    ],
)
def test_a_wrong_parameter_is_named(name: str, value: object) -> None:
    if name == "messages[0]":
        refused(name, messages=value)
    else:
        refused(name, **{name: value})


def test_a_wrong_item_of_a_list_is_named() -> None:
    refused("stop[1]", stop=["a", 3])


def test_legacy_functions_are_refused_with_what_to_use() -> None:
    assert "`tools`" in refused("functions", functions=[{"name": "f"}]).message


def test_unknown_fields_are_kept_for_the_provider() -> None:
    body: dict[str, object] = {
        "messages": [HELLO],
        "model": "auto",
        "logit_bias": {"50256": -100},
        "store": None,
    }

    assert chat_request(body, ignore=("model",)).extra == {
        "logit_bias": {"50256": -100}
    }


def test_unknown_fields_must_be_json() -> None:
    refused("top_k", top_k={"a": b"binary"})


# Messages


def test_every_role_is_understood() -> None:
    roles = ("system", "developer", "user", "assistant")
    messages = [{"role": role, "content": "x"} for role in roles]

    assert tuple(m.role for m in request(messages=messages).messages) == roles


def test_a_conversation_with_tools_is_understood() -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "look", "arguments": '{"at":"sky"}'},
    }

    asked = message(role="assistant", content=None, tool_calls=[call], annotations=[])
    answered = message(role="tool", tool_call_id="c1", content="blue", name="look")

    assert asked == Message(
        "assistant", tool_calls=(ToolCall("c1", "look", '{"at":"sky"}'),)
    )
    assert answered == Message("tool", "blue", name="look", tool_call_id="c1")


def test_empty_arguments_are_an_empty_object() -> None:
    call = {"id": "c1", "function": {"name": "look", "arguments": ""}}

    assert message(role="assistant", tool_calls=[call]).tool_calls == (
        ToolCall("c1", "look"),
    )


def test_parts_of_every_kind_are_understood() -> None:
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "http://x/y", "detail": "low"}},
        {"type": "image_url", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f1", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "data:x"}},
    ]

    assert message(role="user", content=parts).content == (
        TextPart("see"),
        ImagePart("http://x/y", "low"),
        ImagePart("data:image/png;base64,AA=="),
        AudioPart("AA==", "wav"),
        FilePart(file_id="f1", filename="a.pdf"),
        FilePart(data="data:x"),
    )


def test_refusals_come_as_a_field_or_as_a_part() -> None:
    part = {"type": "refusal", "refusal": "no"}

    assert message(role="assistant", refusal="no") == Message(
        "assistant", "", refusal="no"
    )
    assert message(role="assistant", content=[part]) == Message(
        "assistant", "", refusal="no"
    )


def test_reasoning_text_is_kept_under_both_its_names() -> None:
    for name in ("reasoning_content", "reasoning"):
        kept = message(role="assistant", content="x", **{name: "hm"})
        assert kept.reasoning == "hm"


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        (".role", {"content": "x"}),
        (".role", {"role": "bot", "content": "x"}),
        (".role", {"role": "function", "content": "x", "name": "f"}),
        (".content", {"role": "user"}),
        (".content", {"role": "user", "content": 3}),
        (".content", {"role": "user", "content": []}),
        (".content[0]", {"role": "user", "content": ["x"]}),
        (".content[0].type", {"role": "user", "content": [{"type": "video"}]}),
        (".content[0].type", {"role": "user", "content": [{"type": "refusal"}]}),
        (".content[0].type", {"role": "system", "content": [{"type": "image_url"}]}),
        (".content[0].text", {"role": "user", "content": [{"type": "text"}]}),
        (
            ".content[0].text",
            {"role": "user", "content": [{"type": "text", "text": 1}]},
        ),
        (".content[0].image_url", {"role": "user", "content": [{"type": "image_url"}]}),
        (
            ".content[0].image_url.url",
            {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
        ),
        (
            ".content[0].input_audio.format",
            {
                "role": "user",
                "content": [{"type": "input_audio", "input_audio": {"data": "x"}}],
            },
        ),
        (
            ".content[0].file",
            {"role": "user", "content": [{"type": "file", "file": {}}]},
        ),
        (".tool_call_id", {"role": "tool", "content": "x"}),
        (".name", {"role": "user", "content": "x", "name": 3}),
        (".refusal", {"role": "assistant", "refusal": 3}),
        (".tool_calls", {"role": "user", "content": "x", "tool_calls": [{}]}),
        (".tool_calls", {"role": "assistant", "tool_calls": {"a": 1}}),
        (".tool_calls[0].id", {"role": "assistant", "tool_calls": [{"function": {}}]}),
        (".tool_calls[0].function", {"role": "assistant", "tool_calls": [{"id": "1"}]}),
        (
            ".tool_calls[0].type",
            {"role": "assistant", "tool_calls": [{"type": "custom"}]},
        ),
        (
            ".tool_calls[0].function.arguments",
            {
                "role": "assistant",
                "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {}}}],
            },
        ),
        (".function_call", {"role": "assistant", "function_call": {"name": "f"}}),
    ],
)
def test_a_wrong_message_is_named(field: str, fields: dict[str, object]) -> None:
    message_refused(field, **fields)


# Tools and formats


def test_a_whole_tool_is_understood() -> None:
    schema: dict[str, object] = {"type": "object", "properties": {}}
    function = {
        "name": "look",
        "description": "Look.",
        "parameters": schema,
        "strict": True,
    }

    tools = request(tools=[{"type": "function", "function": function}]).tools

    assert tools == (Tool("look", "Look.", schema, strict=True),)


@pytest.mark.parametrize("kind", [{}, {"type": None}])
def test_a_function_need_not_say_that_it_is_one(kind: dict[str, object]) -> None:
    tools = request(tools=[{"function": {"name": "look"}} | kind]).tools

    assert tools == (Tool("look"),)


@pytest.mark.parametrize(
    ("field", "tool"),
    [
        ("tools[0]", "look"),
        ("tools[0].type", {"type": "web_search"}),
        ("tools[0].type", {"type": "custom", "function": {"name": "look"}}),
        ("tools[0].type", {}),
        ("tools[0].function", {"type": "function"}),
        ("tools[0].function.name", {"type": "function", "function": {}}),
        (
            "tools[0].function.parameters",
            {"type": "function", "function": {"name": "f", "parameters": []}},
        ),
        (
            "tools[0].function.strict",
            {"type": "function", "function": {"name": "f", "strict": 1}},
        ),
    ],
)
def test_a_wrong_tool_is_named(field: str, tool: object) -> None:
    refused(field, tools=[tool])


def test_every_choice_of_tools_is_understood() -> None:
    named = {"type": "function", "function": {"name": "look"}}

    choices = [
        request(tools=[TOOL], tool_choice=choice).tool_choice
        for choice in ("auto", "none", "required", named)
    ]

    assert choices == [
        ToolChoice("auto"),
        ToolChoice("none"),
        ToolChoice("required"),
        ToolChoice("function", "look"),
    ]


def test_a_choice_without_tools_is_dropped_or_refused() -> None:
    assert request(tool_choice="none").tool_choice is None
    assert request(tool_choice="auto").tool_choice is None
    refused("tool_choice", tool_choice="required")


@pytest.mark.parametrize(
    ("field", "choice"),
    [
        ("tool_choice", "any"),
        ("tool_choice", 3),
        ("tool_choice.type", {"type": "allowed_tools"}),
        ("tool_choice.function", {"type": "function"}),
        ("tool_choice.function.name", {"type": "function", "function": {"name": ""}}),
    ],
)
def test_a_wrong_choice_is_named(field: str, choice: object) -> None:
    refused(field, tools=[TOOL], tool_choice=choice)


def test_a_schema_for_the_answer_is_understood() -> None:
    shape = {"name": "s", "description": "d", "schema": {"a": 1}, "strict": True}

    whole = request(response_format={"type": "json_schema", "json_schema": shape})
    bare = request(
        response_format={"type": "json_schema", "json_schema": {"name": "s"}}
    )

    assert whole.response_format == ResponseFormat(
        "json_schema", "s", "d", {"a": 1}, strict=True
    )
    assert bare.response_format == ResponseFormat("json_schema", "s")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", "json"),
        ("response_format.type", {}),
        ("response_format.type", {"type": "xml"}),
        ("response_format.json_schema", {"type": "json_schema"}),
        (
            "response_format.json_schema.name",
            {"type": "json_schema", "json_schema": {}},
        ),
        (
            "response_format.json_schema.schema",
            {"type": "json_schema", "json_schema": {"name": "s", "schema": "x"}},
        ),
    ],
)
def test_a_wrong_format_is_named(field: str, value: object) -> None:
    refused(field, response_format=value)


# Anything at all


def outcome(body: dict[str, object]) -> ChatRequest | InvalidRequest:
    try:
        return chat_request(body)
    except InvalidRequest as error:
        return error


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["user", "tool", "text", "function", "file", "json_schema"])
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "text",
                    "tool_calls",
                    "function",
                    "name",
                    "id",
                    "file",
                    "image_url",
                    "json_schema",
                    "schema",
                    "tool_call_id",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from([*sorted(CHAT_FIELDS), "logprobs"]), ANYTHING, max_size=4
    ),
    st.lists(ANYTHING, max_size=3),
)
@settings(max_examples=300)
def test_whatever_comes_is_understood_or_refused(
    body: dict[str, object], messages: list[object]
) -> None:
    for candidate in (body, {**body, "messages": messages}):
        error = outcome(candidate)
        if isinstance(error, InvalidRequest):
            assert error.field
            assert len(error.message) < 500
