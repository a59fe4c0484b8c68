"""Neutral messages become Anthropic's system and turns."""

from typing import Any

import pytest

from actors.errors import InvalidRequest
from actors.messages.chat import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolCall,
)
from actors.wire.anthropic_messages import Conversation, converse

PLACEHOLDER = {"role": "user", "content": [{"type": "text", "text": "."}]}


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def talk(*messages: Message) -> Conversation:
    return converse(messages)


def turns(*messages: Message) -> list[dict[str, Any]]:
    return talk(*messages).turns


def calls(*call_ids: str) -> Message:
    made = tuple(ToolCall(call_id, "add", '{"a":1}') for call_id in call_ids)
    return Message("assistant", tool_calls=made)


def result(call_id: str | None, said: str | tuple[Part, ...] | None) -> Message:
    return Message("tool", said, tool_call_id=call_id)


def refusal(*messages: Message) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        talk(*messages)
    return caught.value


def test_system_and_developer_messages_are_hoisted_in_order() -> None:
    spoken = talk(
        Message("system", "one"),
        Message("user", "hi"),
        Message("developer", (TextPart("two"), TextPart(""))),
        Message("user", "there"),
        Message("system", None),
    )

    assert spoken.system == ["one", "two"]
    assert spoken.turns == [{"role": "user", "content": [text("hi"), text("there")]}]


def test_roles_alternate_and_the_user_begins() -> None:
    assert turns(
        Message("assistant", "a"), Message("assistant", "b"), Message("user", "c")
    ) == [
        PLACEHOLDER,
        {"role": "assistant", "content": [text("a"), text("b")]},
        {"role": "user", "content": [text("c")]},
    ]


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (Message("system", "s"),),
        (Message("user", ""),),
        (Message("user", (TextPart(" \n"),)), Message("assistant", "")),
    ],
)
def test_where_nothing_is_said_a_placeholder_stands(
    messages: tuple[Message, ...],
) -> None:
    assert turns(*messages) == [PLACEHOLDER]


def test_blank_turns_are_skipped() -> None:
    assert turns(
        Message("user", "a"),
        Message("assistant", " "),
        Message("user", "b"),
    ) == [{"role": "user", "content": [text("a"), text("b")]}]


def test_an_assistant_says_text_then_refusal_then_calls() -> None:
    call = ToolCall("c1", "web.search", '{"q":"x"}')
    spoken = turns(
        Message("user", "q"),
        Message("assistant", "t", refusal="no", tool_calls=(call,)),
        result("c1", "42"),
    )

    assert spoken[1]["content"] == [
        text("t"),
        text("no"),
        {
            "type": "tool_use",
            "id": "c1",
            "name": "gbx_web_2esearch",
            "input": {"q": "x"},
        },
    ]


@pytest.mark.parametrize(
    "arguments", ["", "nonsense", "[1]", '{"a":', "[" * 100_000, '{"a":1e999}']
)
def test_arguments_that_are_no_object_are_empty(arguments: str) -> None:
    call = ToolCall("c", "add", arguments)
    spoken = turns(Message("assistant", tool_calls=(call,)), result("c", "1"))

    assert spoken[1]["content"][0]["input"] == {}


def test_results_go_into_one_user_turn_before_what_the_user_says() -> None:
    spoken = turns(
        Message("user", "q"),
        calls("a", "b"),
        Message("user", "between"),
        result("b", "2"),
        Message("system", "s"),
        result("a", (TextPart("1"), ImagePart("https://x/y.png"))),
        Message("user", "after"),
    )

    assert [turn["role"] for turn in spoken] == ["user", "assistant", "user"]
    assert spoken[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "b", "content": "2"},
        {
            "type": "tool_result",
            "tool_use_id": "a",
            "content": [
                text("1"),
                {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            ],
        },
        text("between"),
        text("after"),
    ]


@pytest.mark.parametrize("said", ["", None, (), (TextPart(""),)])
def test_an_empty_result_has_no_content(said: str | tuple[Part, ...] | None) -> None:
    assert turns(calls("a"), result("a", said))[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a"}
    ]


def test_ids_are_cleaned_on_both_sides() -> None:
    spoken = turns(calls("a.b", ""), result("a.b", "1"), result(None, "2"))

    assert [block["id"] for block in spoken[1]["content"]] == ["a_b", "call"]
    assert [block["tool_use_id"] for block in spoken[2]["content"]] == ["a_b", "call"]


def test_ids_used_again_in_a_later_turn_are_told_apart() -> None:
    spoken = turns(calls("x"), result("x", "1"), calls("x"), result("x", "2"))

    assert spoken[3]["content"][0]["id"] == "x_2"
    assert spoken[4]["content"][0]["tool_use_id"] == "x_2"


@pytest.mark.parametrize("after", [(), (Message("user", "go on"),)])
def test_a_call_without_result_gets_an_error(after: tuple[Message, ...]) -> None:
    spoken = turns(calls("a", "b"), result("b", "2"), *after)
    content = spoken[2]["content"]

    assert content[0] == {"type": "tool_result", "tool_use_id": "b", "content": "2"}
    assert (content[1]["tool_use_id"], content[1]["is_error"]) == ("a", True)
    assert content[2:] == ([text("go on")] if after else [])


def test_calls_of_neighbouring_assistant_messages_are_answered_together() -> None:
    spoken = turns(calls("a"), calls("b"), result("a", "1"), result("b", "2"))

    assert [turn["role"] for turn in spoken] == ["user", "assistant", "user"]
    assert len(spoken[2]["content"]) == 2


@pytest.mark.parametrize(
    "messages",
    [
        (result("a", "1"),),
        (calls("a"), result("b", "1")),
        (calls("a"), result("a", "1"), result("a", "2")),
        (calls("a"), Message("user", "x"), Message("assistant", "y"), result("a", "1")),
    ],
)
def test_a_result_without_a_call_is_refused(messages: tuple[Message, ...]) -> None:
    error = refusal(*messages)

    assert error.field == f"messages[{len(messages) - 1}].tool_call_id"


def test_it_is_known_how_the_conversation_ends() -> None:
    assert talk(Message("user", "a"), Message("assistant", "b")).prefilled
    assert not talk(Message("user", "a")).prefilled
    assert talk(calls("a"), result("a", "1"), Message("user", "b")).answers_tools
    assert talk(calls("a")).answers_tools
    later = (Message("assistant", "done"), Message("user", "thanks"))
    assert not talk(calls("a"), result("a", "1"), *later).answers_tools
    assert talk(Message("user", "a", name="Ann")).names
    assert not talk(Message("user", "a")).names


def test_images_are_split_into_type_and_data() -> None:
    parts = (
        TextPart("what?"),
        ImagePart("data:image/png;base64,AAAA", "high"),
        ImagePart("DATA:image/jpg;name=x;base64,BBBB"),
        ImagePart("HTTPS://x/y"),
    )

    assert [b.get("source") for b in turns(Message("user", parts))[0]["content"]] == [
        None,
        {"type": "base64", "media_type": "image/png", "data": "AAAA"},
        {"type": "base64", "media_type": "image/jpeg", "data": "BBBB"},
        {"type": "url", "url": "HTTPS://x/y"},
    ]


@pytest.mark.parametrize("filename", [None, "a.pdf"])
def test_pdf_files_become_documents(filename: str | None) -> None:
    part = FilePart("data:application/pdf;base64,JVBE", filename=filename)
    block = turns(Message("user", (part,)))[0]["content"][0]

    assert block["type"] == "document"
    assert block["source"] == {
        "type": "base64",
        "media_type": "application/pdf",
        "data": "JVBE",
    }
    assert block.get("title") == filename


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (AudioPart("AAAA", "wav"), ""),
        (ImagePart("data:image/tiff;base64,AAAA"), ".image_url.url"),
        (ImagePart("data:image/png,AAAA"), ".image_url.url"),
        (ImagePart("data:image/png;base64"), ".image_url.url"),
        (ImagePart("ftp://x/y"), ".image_url.url"),
        (FilePart(file_id="file-1"), ".file.file_id"),
        (FilePart("data:text/plain;base64,AAAA"), ".file.file_data"),
        (FilePart("JVBERi0"), ".file.file_data"),
    ],
)
def test_what_has_no_form_here_is_refused_by_its_field(part: Part, field: str) -> None:
    error = refusal(Message("system", "s"), Message("user", (TextPart("a"), part)))

    assert error.field == "messages[1].content[1]" + field
    assert error.wanted


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_only_users_and_tools_show_images(role: Any) -> None:
    error = refusal(Message(role, (ImagePart("https://x/y"),)))

    assert error.field == "messages[0].content[0]"
