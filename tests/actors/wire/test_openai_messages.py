"""Conversations as the servers that are particular about them take them."""

import pytest

from actors.messages.chat import FilePart, ImagePart, Message, TextPart, ToolCall
from actors.wire.call_ids import signed_id
from actors.wire.openai_messages import Json, encode_messages
from actors.wire.presets import GEMINI, LLAMACPP, MISTRAL, OLLAMA, OPENROUTER, VLLM
from actors.wire.quirks import COMPATIBLE, OPENAI, Quirks

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


def test_files_by_id_keep_only_what_they_have() -> None:
    (wire,) = encoded(OPENAI, Message("user", (FilePart(file_id="f"),)))

    assert wire["content"] == [{"type": "file", "file": {"file_id": "f"}}]
