"""Conversations as the servers that are particular about them take them."""

import pytest

from actors.messages.chat import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    TextPart,
    ToolCall,
)
from actors.wire.call_ids import signed_id
from actors.wire.openai_messages import Json, encode_messages
from actors.wire.presets import GEMINI, LLAMACPP, MISTRAL, OLLAMA, OPENROUTER, VLLM
from actors.wire.quirks import COMPATIBLE, OPENAI, XAI, Quirks

USER = Message("user", "hi")
CALLING = Message("assistant", tool_calls=(ToolCall("call_1", "add", ""),))
ANSWER = Message("tool", "5", tool_call_id="call_1")


def encoded(quirks: Quirks, *messages: Message, model: str = "m") -> list[Json]:
    return encode_messages(quirks, model, messages, [])


def test_all_instructions_become_one_message_where_one_is_wanted() -> None:
    late = Message("developer", (TextPart("c"), ImagePart("u"), TextPart("d")))
    wire = encoded(
        VLLM.quirks, Message("system", "a"), USER, Message("system"), late, USER
    )

    assert wire[0] == {"role": "system", "content": "a\n\n\n\nc\n\nd"}
    assert [message["role"] for message in wire] == ["system", "user", "user"]


def test_a_late_instruction_comes_first_where_one_is_wanted() -> None:
    wire = encoded(VLLM.quirks, USER, Message("system", "a"))

    assert [message["content"] for message in wire] == ["a", "hi"]


@pytest.mark.parametrize("first", [(), (Message("system", "a"),)])
def test_what_is_wanted_already_stays(first: tuple[Message, ...]) -> None:
    roles = [message["role"] for message in encoded(VLLM.quirks, *first, USER)]

    assert roles == [*(["system"] if first else []), "user"]


def test_everybody_else_gets_instructions_where_they_are() -> None:
    wire = encoded(COMPATIBLE, USER, Message("system", "a"), Message("developer", "b"))

    assert [message["role"] for message in wire] == ["user", "system", "system"]


def test_call_and_answer_keep_the_same_id_when_it_is_replaced() -> None:
    calling, answer = encoded(MISTRAL.quirks, CALLING, ANSWER)

    calls = calling["tool_calls"]
    assert isinstance(calls, list)
    assert calls[0]["id"] == answer["tool_call_id"]
    assert len(calls[0]["id"]) == 9
    assert calls[0]["function"] == {"name": "add", "arguments": "{}"}


@pytest.mark.parametrize(
    ("quirks", "field"),
    [
        (OPENROUTER.quirks, "reasoning"),
        (OLLAMA.quirks, "reasoning"),
        (LLAMACPP.quirks, "reasoning_content"),
        (COMPATIBLE, None),
    ],
)
def test_reasoning_goes_back_in_the_field_that_is_declared(
    quirks: Quirks, field: str | None
) -> None:
    (wire,) = encoded(quirks, Message("assistant", "a", reasoning="because"))

    assert {k: v for k, v in wire.items() if k not in ("role", "content")} == (
        {field: "because"} if field else {}
    )


def extra_content(calls: object) -> list[object]:
    assert isinstance(calls, list)
    return [call.get("extra_content") for call in calls]


def test_a_thought_signature_goes_back_with_its_call() -> None:
    signed = signed_id("call_1", "sig+")
    message = Message(
        "assistant",
        tool_calls=(ToolCall(signed, "add"), ToolCall("call_2", "add")),
    )
    calling, answer = encoded(
        GEMINI.quirks,
        message,
        Message("tool", "5", tool_call_id=signed),
        model="gemini-3.8-flash",
    )

    expected = {"google": {"thought_signature": "sig+"}}
    assert extra_content(calling["tool_calls"]) == [expected, None]
    assert answer["tool_call_id"] == "call_1"


def test_calls_that_others_made_say_so_to_models_that_want_signatures() -> None:
    (new,) = encoded(GEMINI.quirks, CALLING, model="gemini-3.8-flash")
    (old,) = encoded(GEMINI.quirks, CALLING, model="gemini-2.5-pro")

    sentinel = {"google": {"thought_signature": "skip_thought_signature_validator"}}
    assert extra_content(new["tool_calls"]) == [sentinel]
    assert extra_content(old["tool_calls"]) == [None]


def test_signatures_go_to_nobody_else() -> None:
    message = Message("assistant", tool_calls=(ToolCall(signed_id("c", "s"), "add"),))
    (wire,) = encoded(OPENAI, message)

    assert wire["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    ]


def test_parts_of_every_kind() -> None:
    parts = (
        TextPart("look"),
        ImagePart("data:image/png;base64,AA==", "low"),
        ImagePart("https://example.com/a.png"),
        AudioPart("AAAA", "wav"),
        FilePart(data="data:application/pdf;base64,AA==", filename="a.pdf"),
        FilePart(file_id="file-1"),
    )

    assert encoded(OPENAI, Message("user", parts))[0]["content"] == [
        {"type": "text", "text": "look"},
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"},
        },
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {
            "type": "file",
            "file": {
                "file_data": "data:application/pdf;base64,AA==",
                "filename": "a.pdf",
            },
        },
        {"type": "file", "file": {"file_id": "file-1"}},
    ]


def test_calls_and_their_results() -> None:
    calls = (ToolCall("c1", "add", '{"a":1}'), ToolCall("c2", "now", ""))

    assert encoded(
        OPENAI,
        Message("assistant", tool_calls=calls),
        Message("tool", "2", tool_call_id="c1", name="add"),
        Message("tool", (TextPart("noon"),), tool_call_id="c2"),
    ) == [
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "add", "arguments": '{"a":1}'},
                },
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "now", "arguments": "{}"},
                },
            ],
        },
        {"role": "tool", "content": "2", "tool_call_id": "c1"},
        {
            "role": "tool",
            "content": [{"type": "text", "text": "noon"}],
            "tool_call_id": "c2",
        },
    ]


def test_messages_without_content_keep_their_place() -> None:
    assert encoded(
        OPENAI,
        Message("assistant", refusal="no"),
        Message("assistant"),
        Message("tool"),
    ) == [
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "assistant", "content": ""},
        {"role": "tool", "content": "", "tool_call_id": ""},
    ]


def test_developer_stays_only_where_it_is_known() -> None:
    developer = Message("developer", "be kind")

    roles = [encoded(q, developer)[0]["role"] for q in (OPENAI, XAI, COMPATIBLE)]

    assert roles == ["developer", "system", "system"]


def test_names_that_are_not_taken_are_left_out_and_said() -> None:
    dropped: list[str] = []
    named = Message("user", "hi", name="ann")

    (wire,) = encode_messages(XAI, "m", (named,), dropped)
    assert (wire, dropped) == ({"role": "user", "content": "hi"}, ["messages.name"])
    assert encoded(OPENAI, named)[0]["name"] == "ann"
