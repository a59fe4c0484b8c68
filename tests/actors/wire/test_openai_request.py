"""Neutral requests become OpenAI bodies; what a model refuses is left out and said."""

from typing import Any

import msgspec
import pytest

from actors.errors import InvalidRequest
from actors.messages.chat import (
    ChatRequest,
    Message,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from actors.wire.openai_request import encode_body
from actors.wire.quirks import COMPATIBLE, OPENAI, XAI, Quirks

HELLO = (Message("user", "hello"),)
TOOLS = (Tool("add", "Adds", {"type": "object", "properties": {}}, strict=True),)


def encode(
    request: ChatRequest,
    model: str = "gpt-4o",
    quirks: Quirks = OPENAI,
    *,
    stream: bool = False,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    body, dropped = encode_body(quirks, model, request, stream=stream)
    return msgspec.json.decode(body), dropped


def body_of(
    request: ChatRequest, model: str = "gpt-4o", quirks: Quirks = OPENAI
) -> dict[str, Any]:
    return encode(request, model, quirks)[0]


def messages_of(*messages: Message, quirks: Quirks = OPENAI) -> list[dict[str, Any]]:
    body: dict[str, list[dict[str, Any]]] = body_of(
        ChatRequest(messages=messages), quirks=quirks
    )
    return body["messages"]


def test_the_smallest_request_holds_nothing_else() -> None:
    assert encode(ChatRequest(messages=HELLO)) == (
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]},
        (),
    )


def test_every_plain_parameter_is_sent() -> None:
    request = ChatRequest(
        messages=HELLO,
        max_tokens=7,
        temperature=0.0,
        top_p=0.5,
        stop=("a", "b"),
        seed=3,
        user="u",
    )

    body, dropped = encode(request)

    assert dropped == ()
    assert body == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "hello"}],
        "max_completion_tokens": 7,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ["a", "b"],
        "seed": 3,
        "user": "u",
    }


def test_compatible_servers_get_max_tokens() -> None:
    body = body_of(ChatRequest(messages=HELLO, max_tokens=7), "m", COMPATIBLE)

    assert body["max_tokens"] == 7
    assert "max_completion_tokens" not in body


def test_xai_gets_neither_names_nor_strict_and_says_so() -> None:
    messages = (Message("user", "a", name="ann"), Message("user", "b", name="bob"))

    body, dropped = encode(ChatRequest(messages=messages, tools=TOOLS), "grok-4.3", XAI)

    assert body["messages"][0] == {"role": "user", "content": "a"}
    assert "strict" not in body["tools"][0]["function"]
    assert dropped == ("messages.name", "tools.strict")


def test_openai_gets_names_and_strict() -> None:
    messages = (Message("user", "a", name="ann"),)

    body, dropped = encode(ChatRequest(messages=messages, tools=TOOLS))

    assert body["messages"][0]["name"] == "ann"
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "add",
                "description": "Adds",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
        }
    ]
    assert dropped == ()


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (
            ToolChoice("function", "add"),
            {"type": "function", "function": {"name": "add"}},
        ),
    ],
)
def test_tool_choices(choice: ToolChoice, wire: object) -> None:
    request = ChatRequest(
        messages=HELLO,
        tools=(Tool("add"),),
        tool_choice=choice,
        parallel_tool_calls=False,
    )
    body = body_of(request)

    assert body["tool_choice"] == wire
    assert body["parallel_tool_calls"] is False
    assert body["tools"] == [{"type": "function", "function": {"name": "add"}}]


def test_tool_settings_without_tools_are_not_sent() -> None:
    request = ChatRequest(
        messages=HELLO, tool_choice=ToolChoice("auto"), parallel_tool_calls=True
    )

    body, dropped = encode(request)

    assert body.keys() == {"model", "messages"}
    assert dropped == ("parallel_tool_calls",)


def test_a_demand_for_tools_that_are_not_there_is_left_to_the_provider() -> None:
    request = ChatRequest(messages=HELLO, tool_choice=ToolChoice("required"))

    assert body_of(request)["tool_choice"] == "required"


@pytest.mark.parametrize(
    ("form", "wire"),
    [
        (ResponseFormat("text"), {"type": "text"}),
        (ResponseFormat("json_object"), {"type": "json_object"}),
        (
            ResponseFormat("json_schema"),
            {"type": "json_schema", "json_schema": {"name": "answer"}},
        ),
        (
            ResponseFormat("json_schema", "n", "d", {"type": "object"}, strict=True),
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "n",
                    "description": "d",
                    "schema": {"type": "object"},
                    "strict": True,
                },
            },
        ),
    ],
)
def test_response_formats(form: ResponseFormat, wire: object) -> None:
    request = ChatRequest(messages=HELLO, response_format=form)

    assert body_of(request)["response_format"] == wire


def test_a_schema_is_refused_where_none_is_taken() -> None:
    quirks = msgspec.structs.replace(COMPATIBLE, kind="x", json_schema=False)
    request = ChatRequest(messages=HELLO, response_format=ResponseFormat("json_schema"))

    with pytest.raises(InvalidRequest, match="x takes no JSON schema"):
        encode_body(quirks, "m", request, stream=False)


def test_no_effort_is_said_in_the_servers_own_fields() -> None:
    quirks = msgspec.structs.replace(COMPATIBLE, reasoning_off={"think": False})
    request = ChatRequest(messages=HELLO, reasoning_effort="none")

    body = body_of(request, "m", quirks)

    assert body["think"] is False
    assert "reasoning_effort" not in body


def test_streams_always_ask_for_usage() -> None:
    extra: dict[str, object] = {"stream_options": {"include_obfuscation": False}}
    body, _ = encode(ChatRequest(messages=HELLO, extra=extra), stream=True)
    bare, _ = encode(
        ChatRequest(messages=HELLO, extra={"stream_options": 7}), stream=True
    )

    assert body["stream"] is True
    assert body["stream_options"] == {
        "include_obfuscation": False,
        "include_usage": True,
    }
    assert bare["stream_options"] == {"include_usage": True}


def test_plain_requests_and_servers_without_it_get_no_stream_options() -> None:
    request = ChatRequest(messages=HELLO, extra={"stream_options": {}})
    old = msgspec.structs.replace(COMPATIBLE, stream_usage=False)

    assert "stream_options" not in body_of(request)
    assert "stream_options" not in encode(request, "m", old, stream=True)[0]


def test_extra_fields_pass_through_but_cannot_change_what_is_asked() -> None:
    extra: dict[str, object] = {
        "verbosity": "low",
        "metadata": {"a": "b"},
        "n": 1,
        "model": "other",
        "messages": [],
        "stream": True,
        "temperature": 1.5,
    }
    request = ChatRequest(messages=HELLO, temperature=0.5, extra=extra)

    assert body_of(request) == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "hello"}],
        "verbosity": "low",
        "metadata": {"a": "b"},
        "n": 1,
        "temperature": 0.5,
    }
    assert "stream" in request.extra


@pytest.mark.parametrize(
    ("effort", "dropped"),
    [(None, ()), ("none", ()), ("high", ("reasoning_effort",))],
)
def test_tools_switch_reasoning_off_where_the_two_exclude_each_other(
    effort: Any, dropped: tuple[str, ...]
) -> None:
    request = ChatRequest(
        messages=HELLO, tools=TOOLS, reasoning_effort=effort, temperature=0.5
    )

    body, got = encode(request, "gpt-5.4-mini")

    assert body["reasoning_effort"] == "none"
    assert body["temperature"] == 0.5
    assert got == dropped


def test_tools_and_reasoning_go_together_before_that() -> None:
    request = ChatRequest(messages=HELLO, tools=TOOLS, reasoning_effort="high")

    assert encode(request, "gpt-5")[0]["reasoning_effort"] == "high"


def test_models_without_tools_on_this_endpoint_are_refused_at_once() -> None:
    with pytest.raises(InvalidRequest, match="only through the Responses API"):
        encode(ChatRequest(messages=HELLO, tools=TOOLS), "gpt-6.2-sol")


@pytest.mark.parametrize(
    "request_",
    [
        ChatRequest(messages=(Message("user", "half a \ud83d"),)),
        ChatRequest(messages=HELLO, extra={"x": object()}),
        ChatRequest(messages=HELLO, extra={"n": 2}),
    ],
)
def test_what_cannot_be_carried_is_the_callers_fault(request_: ChatRequest) -> None:
    with pytest.raises(InvalidRequest):
        encode(request_)


def test_bottomless_schemas_are_the_callers_fault() -> None:
    schema: dict[str, object] = {}
    for _ in range(100_000):
        schema = {"items": schema}

    with pytest.raises(InvalidRequest, match="no JSON"):
        encode(ChatRequest(messages=HELLO, tools=(Tool("f", parameters=schema),)))
