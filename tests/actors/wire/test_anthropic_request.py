"""Neutral requests become Messages bodies; what is refused is left out and said."""

from typing import Any

import msgspec
import pytest

from actors.errors import InvalidRequest
from actors.messages.chat import (
    ChatRequest,
    Message,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolChoice,
)
from actors.wire.anthropic_request import encode_body

HELLO = (Message("user", "hello"),)
PREFILL = (*HELLO, Message("assistant", "It is: \n"))
TOOLS = (Tool("add"),)
CALL = Message("assistant", tool_calls=(ToolCall("c", "add"),))
ANSWERED = (*HELLO, CALL, Message("tool", "1", tool_call_id="c"))
OLD, MIDDLE, NEW = "claude-sonnet-4-5", "claude-opus-4-6", "claude-sonnet-5"


def encode(
    model: str = OLD, *, version: str = "2023-06-01", **fields: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = ChatRequest(**({"messages": HELLO} | fields))
    body, dropped = encode_body(model, request, stream=False, version=version)
    return msgspec.json.decode(body), dropped


def test_the_smallest_request_has_a_cap() -> None:
    assert encode() == (
        {
            "model": OLD,
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "hello"}]}
            ],
            "max_tokens": 16_384,
        },
        (),
    )


def test_streams_are_asked_for() -> None:
    body, _ = encode_body(OLD, ChatRequest(messages=HELLO), stream=True)

    assert msgspec.json.decode(body)["stream"] is True


def test_system_texts_and_instructions_are_joined() -> None:
    messages = (Message("system", "one"), *HELLO, Message("developer", "two"))
    form = ResponseFormat("json_object")
    body, _ = encode(messages=messages, response_format=form)

    assert body["system"].startswith("one\n\ntwo\n\nAnswer with one JSON object")


def test_names_of_speakers_are_left_out() -> None:
    body, dropped = encode(messages=(Message("user", "hi", name="Ann"),))

    assert "name" not in body["messages"][0]
    assert dropped == ("messages.name",)


@pytest.mark.parametrize(
    ("model", "asked", "sent", "dropped"),
    [
        (OLD, 100, 100, ()),
        (OLD, 64_001, 64_000, ("max_tokens>64000",)),
        ("claude-3-haiku-20240307", None, 4096, ()),
        ("claude-3-5-haiku-latest", 9000, 8192, ("max_tokens>8192",)),
        ("claude-opus-5", 200_000, 128_000, ("max_tokens>128000",)),
        ("somebody-elses", 200_000, 200_000, ()),
        ("somebody-elses", None, 16_384, ()),
    ],
)
def test_the_cap_stays_below_the_models_own(
    model: str, asked: int | None, sent: int, dropped: tuple[str, ...]
) -> None:
    body, said = encode(model, max_tokens=asked)

    assert (body["max_tokens"], said) == (sent, dropped)


def test_blank_stop_sequences_are_left_out() -> None:
    body, dropped = encode(stop=("END", "\n", ""))

    assert body["stop_sequences"] == ["END"]
    assert dropped == ("stop",)
    assert encode(stop=("a",)) == ({**encode()[0], "stop_sequences": ["a"]}, ())
    assert "stop_sequences" not in encode(stop=(" ",))[0]


# Sampling


@pytest.mark.parametrize(
    ("model", "heat", "mass", "sent", "dropped"),
    [
        ("claude-3-5-haiku-latest", 0.3, 0.9, {"temperature": 0.3, "top_p": 0.9}, ()),
        (OLD, 0.3, 0.9, {"temperature": 0.3}, ("top_p",)),
        (OLD, 0.3, 1.0, {"temperature": 0.3}, ()),
        (OLD, None, 0.9, {"top_p": 0.9}, ()),
        (OLD, 1.7, None, {"temperature": 1.0}, ("temperature>1",)),
        (MIDDLE, 0.0, None, {"temperature": 0.0}, ()),
    ],
)
def test_sampling_is_sent_where_it_is_taken(
    model: str,
    heat: float | None,
    mass: float | None,
    sent: dict[str, float],
    dropped: tuple[str, ...],
) -> None:
    body, said = encode(model, temperature=heat, top_p=mass)

    assert {k: body[k] for k in ("temperature", "top_p") if k in body} == sent
    assert said == dropped


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-opus-4-7", "2023-06-01"),
        ("claude-opus-4-8", "2023-06-01"),
        ("claude-opus-5", "2023-06-01"),
        ("claude-sonnet-5-5", "2023-06-01"),
        ("claude-haiku-5-5", "2023-06-01"),
        ("claude-fable-5-2", "2023-06-01"),
        (OLD, "2026-10-21"),
        ("claude-3-5-haiku-latest", "2026-10-21"),
    ],
)
def test_trap_12_sampling_is_left_out_where_it_is_refused(
    model: str, version: str
) -> None:
    body, dropped = encode(model, version=version, temperature=0.3, top_p=0.5)

    assert not {"temperature", "top_p"} & body.keys()
    assert dropped == ("temperature", "top_p")


def test_defaults_that_are_refused_are_not_missed() -> None:
    body, dropped = encode(NEW, temperature=1.0, top_p=1)

    assert "temperature" not in body
    assert dropped == ()


def test_thinking_leaves_no_room_for_sampling() -> None:
    body, dropped = encode(temperature=0.3, reasoning_effort="low")

    assert body["thinking"]["type"] == "enabled"
    assert "temperature" not in body
    assert dropped == ("temperature",)


# Reasoning


@pytest.mark.parametrize(
    ("effort", "cap", "budget", "sent_cap"),
    [
        ("minimal", None, 1024, 17_408),
        ("low", 64_000, 2048, 64_000),
        ("medium", 64_000, 10_000, 64_000),
        ("high", None, 16_384, 32_768),
        ("max", 100_000, 32_000, 64_000),
        ("high", 4000, 3000, 4000),
        ("high", 1200, 1024, 1200),
        ("high", 1025, 1024, 1025),
    ],
)
def test_older_models_think_within_a_budget_below_the_cap(
    effort: Any, cap: int | None, budget: int, sent_cap: int
) -> None:
    body, _ = encode(reasoning_effort=effort, max_tokens=cap)

    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert body["max_tokens"] == sent_cap > budget


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 1024},
        {"tools": TOOLS, "tool_choice": ToolChoice("required")},
        {"tools": TOOLS, "messages": ANSWERED},
        {"messages": PREFILL},
    ],
)
def test_a_budget_that_would_be_refused_is_left_out(fields: dict[str, Any]) -> None:
    body, dropped = encode(reasoning_effort="high", **fields)

    assert "thinking" not in body
    assert dropped == ("reasoning_effort",)


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        (MIDDLE, "minimal", "low"),
        (MIDDLE, "medium", "medium"),
        (MIDDLE, "xhigh", "max"),
        ("claude-opus-4-7", "xhigh", "xhigh"),
        (NEW, "max", "max"),
    ],
)
def test_newer_models_are_told_an_effort(model: str, effort: Any, sent: str) -> None:
    body, dropped = encode(model, reasoning_effort=effort)

    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["output_config"] == {"effort": sent}
    assert dropped == ()


def test_a_forced_call_leaves_only_the_effort() -> None:
    choice = ToolChoice("required")
    body, dropped = encode(
        NEW, reasoning_effort="high", tools=TOOLS, tool_choice=choice
    )

    assert "thinking" not in body
    assert body["output_config"] == {"effort": "high"}
    assert dropped == ()


@pytest.mark.parametrize(
    ("model", "thinking", "effort", "dropped"),
    [
        ("claude-3-5-haiku-latest", None, None, ()),
        (OLD, None, None, ()),
        ("claude-opus-4-8", None, None, ()),
        (NEW, "disabled", None, ()),
        ("claude-haiku-5-5", "disabled", None, ()),
        ("claude-sonnet-5-5", "between_tools", None, ()),
        ("claude-opus-5-5", None, "low", ("reasoning_effort",)),
        ("claude-fable-5", None, "low", ("reasoning_effort",)),
    ],
)
def test_no_reasoning_is_as_little_as_the_model_can(
    model: str, thinking: str | None, effort: str | None, dropped: tuple[str, ...]
) -> None:
    body, said = encode(model, reasoning_effort="none")

    assert body.get("thinking", {}).get("type") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert said == dropped


def test_models_that_cannot_think_are_not_asked_to() -> None:
    body, dropped = encode("claude-3-5-haiku-latest", reasoning_effort="high")

    assert "thinking" not in body
    assert dropped == ("reasoning_effort",)


# Tools, shapes, prefill


def test_tools_and_choice_are_in_the_body() -> None:
    body, _ = encode(tools=TOOLS, tool_choice=ToolChoice("auto"))

    assert body["tools"][0]["name"] == "add"
    assert body["tool_choice"] == {"type": "auto"}


def test_shape_and_effort_share_the_output_config() -> None:
    schema: dict[str, object] = {"type": "object", "properties": {"a": {"minimum": 1}}}
    form = ResponseFormat("json_schema", schema=schema)
    body, dropped = encode(NEW, response_format=form, reasoning_effort="low")

    assert body["output_config"]["effort"] == "low"
    assert body["output_config"]["format"]["schema"]["properties"] == {"a": {}}
    assert dropped == ("response_format.schema.minimum",)


def test_a_prefill_ends_without_white_space() -> None:
    body, dropped = encode(messages=PREFILL)

    assert body["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "It is:"}],
    }
    assert dropped == ()


@pytest.mark.parametrize("model", [MIDDLE, "claude-opus-4-7", "claude-fable-5"])
def test_models_that_refuse_a_prefill_are_asked_to_go_on(model: str) -> None:
    body, dropped = encode(model, messages=PREFILL)

    assert body["messages"][-1]["role"] == "user"
    assert body["messages"][-2]["role"] == "assistant"
    assert dropped == ("prefill",)


def test_and_refused_where_the_answer_must_go_on_word_for_word() -> None:
    with pytest.raises(InvalidRequest, match="does not go on"):
        encode(MIDDLE, messages=PREFILL, continues=True)
    body, _ = encode(messages=PREFILL, continues=True)

    assert body["messages"][-1]["role"] == "assistant"


# Everything else


def test_what_has_no_place_here_is_said_and_never_sent() -> None:
    extra = {
        "presence_penalty": 0.5,
        "frequency_penalty": 0,
        "logit_bias": {"1": 2},
        "logprobs": None,
        "verbosity": "low",
        "stream_options": {"include_usage": True},
        "stream": True,
        "model": "x",
        "messages": [1],
        "n": 1,
    }
    body, dropped = encode(seed=0, extra=extra)

    assert body == encode()[0]
    assert dropped == ("seed", "logit_bias", "presence_penalty", "verbosity")


@pytest.mark.parametrize(
    ("fields", "sent", "dropped"),
    [
        ({"user": "u-1"}, {"user_id": "u-1"}, ()),
        ({"extra": {"safety_identifier": "s"}}, {"user_id": "s"}, ()),
        ({"user": "ann@example.com"}, None, ("user",)),
        ({"user": "+1 (555) 010-9999"}, None, ("user",)),
        ({"user": "x" * 257}, None, ("user",)),
        ({"user": ""}, None, ()),
        ({"extra": {"safety_identifier": 5}}, None, ()),
    ],
)
def test_users_are_named_only_by_opaque_ids(
    fields: dict[str, Any], sent: object, dropped: tuple[str, ...]
) -> None:
    body, said = encode(**fields)

    assert (body.get("metadata"), said) == (sent, dropped)


@pytest.mark.parametrize(
    ("tier", "sent", "dropped"),
    [
        ("auto", "auto", ()),
        ("default", "standard_only", ()),
        ("flex", None, ("service_tier",)),
        (["auto"], None, ("service_tier",)),
        (None, None, ()),
    ],
)
def test_service_tiers_have_other_names(
    tier: object, sent: str | None, dropped: tuple[str, ...]
) -> None:
    body, said = encode(extra={"service_tier": tier})

    assert (body.get("service_tier"), said) == (sent, dropped)


def test_several_choices_are_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(extra={"n": 2})

    assert caught.value.field == "n"


NESTED: dict[str, object] = {}
for _ in range(5000):
    NESTED = {"items": NESTED}


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": (Message("user", "\ud800"),)},
        {"tools": (Tool("\ud800"),)},
        {"tools": (Tool("a", parameters={"type": object()}),)},
        {"response_format": ResponseFormat("json_schema", schema=NESTED)},
    ],
)
def test_what_is_no_json_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        encode(**fields)
