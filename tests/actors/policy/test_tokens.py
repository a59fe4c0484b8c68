"""Estimates of prompt tokens before a call."""

import pytest
from hypothesis import given, settings, strategies as st

from actors.messages.chat import (
    AudioPart,
    ChatRequest,
    EmbedAsk,
    FilePart,
    ImagePart,
    Message,
    ResponseFormat,
    TextPart,
    Tool,
    ToolCall,
)
from actors.policy.tokens import (
    estimate_prompt_tokens,
    longest_input,
    prompt_chars,
    upper_bound_prompt_tokens,
)

KINDS = ["openai", "xai", "anthropic", "compatible", "mistral", "deepseek"]
TOOL = Tool(name="weather", parameters={"type": "object", "properties": {}})


def ask(*messages: Message, **more: object) -> ChatRequest:
    return ChatRequest(messages=messages, **more)  # type: ignore[arg-type]  # per test


def user(text: str) -> Message:
    return Message(role="user", content=text)


def test_text_counts_a_token_for_four_bytes() -> None:
    assert estimate_prompt_tokens(ask(user("a" * 400)), "openai") == 100 + 4 + 3


def test_bytes_count_not_characters() -> None:
    assert estimate_prompt_tokens(ask(user("ä" * 200)), "openai") == 100 + 4 + 3


def test_anthropic_tokenises_denser() -> None:
    assert estimate_prompt_tokens(ask(user("a" * 400)), "anthropic") == 128


def test_xai_adds_a_hidden_prompt() -> None:
    assert estimate_prompt_tokens(ask(user("a" * 400)), "xai") == 107 + 180


def test_tools_cost_their_schema_and_the_hidden_prompt() -> None:
    plain = estimate_prompt_tokens(ask(user("hi")), "openai")
    tooled = ask(user("hi"), tools=(TOOL,))
    openai = estimate_prompt_tokens(tooled, "openai")

    assert 17 < openai - plain < 80
    assert estimate_prompt_tokens(tooled, "mistral") == openai + 50
    assert estimate_prompt_tokens(tooled, "deepseek") == openai + 270
    assert estimate_prompt_tokens(tooled, "anthropic") > openai + 600


def test_every_text_of_a_turn_is_counted() -> None:
    turn = Message(
        role="assistant",
        content=(TextPart("a" * 40), ImagePart("https://example.test/i.png")),
        tool_calls=(ToolCall("1", "f" * 8, "x" * 32),),
        reasoning="r" * 40,
        refusal="n" * 40,
    )

    assert estimate_prompt_tokens(ask(turn), "openai") == 40 + 800 + 4 + 3


def test_a_turn_of_tool_calls_only_has_no_text() -> None:
    turn = Message(role="assistant", tool_calls=(ToolCall("1", "abcd", "{}  "),))

    assert estimate_prompt_tokens(ask(turn), "openai") == 2 + 4 + 3


def test_inline_media_does_not_count_by_its_bytes() -> None:
    media = (
        ImagePart("data:image/png;base64," + "A" * 1_000_000),
        AudioPart("A" * 1_000_000, "wav"),
        FilePart(data="data:application/pdf;base64," + "A" * 1_000_000),
    )
    request = ask(Message(role="user", content=media))

    assert estimate_prompt_tokens(request, "openai") < 3000
    assert upper_bound_prompt_tokens(request, "openai") < 7000


def test_the_upper_bound_follows_its_formula() -> None:
    request = ask(user('say "hi"\n' * 3))

    # 27 bytes, 9 escapes and 28 of JSON around them; 100 and 10 for the one message.
    assert upper_bound_prompt_tokens(request, "openai") == 110 + 22
    assert upper_bound_prompt_tokens(request, "anthropic") == 110 + 26
    assert upper_bound_prompt_tokens(request, "xai") == 110 + 22 + 250


def test_a_schema_and_tools_raise_the_upper_bound() -> None:
    plain = upper_bound_prompt_tokens(ask(user("hi")), "openai")
    schema = ResponseFormat(type="json_schema", schema={"type": "object"})
    unschemed = ResponseFormat(type="json_object")

    shaped = upper_bound_prompt_tokens(ask(user("hi"), response_format=schema), "x")
    loose = upper_bound_prompt_tokens(ask(user("hi"), response_format=unschemed), "x")
    tooled = upper_bound_prompt_tokens(ask(user("hi"), tools=(TOOL,)), "openai")

    assert loose == plain
    assert shaped > plain + 150
    assert tooled > plain + 700


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=2000), turns=st.integers(1, 5), tools=st.booleans())
@settings(deadline=None, max_examples=30)
def test_the_estimate_stays_below_the_upper_bound(
    kind: str, text: str, turns: int, tools: bool
) -> None:
    request = ask(*[user(text)] * turns, tools=(TOOL,) if tools else ())

    estimate = estimate_prompt_tokens(request, kind)

    assert 0 < estimate <= upper_bound_prompt_tokens(request, kind)


def test_a_lone_surrogate_breaks_nothing() -> None:
    request = ask(user("\ud800 broken"))

    assert estimate_prompt_tokens(request, "openai") > 0
    assert upper_bound_prompt_tokens(request, "openai") > 0


def test_characters_of_a_prompt_are_those_of_its_texts() -> None:
    messages = (
        Message("system", "abc"),
        Message("user", (TextPart("de"), ImagePart("https://x.example/y.png"))),
        Message("assistant", None),
    )

    assert prompt_chars(ChatRequest(messages=messages)) == 5


def test_what_is_embedded_is_measured_without_the_frame_of_a_chat() -> None:
    embed = EmbedAsk(inputs=("x" * 400, (1, 2, 3), "ä" * 20))
    request = ChatRequest(messages=(), embed=embed)

    assert prompt_chars(request) == 420
    assert estimate_prompt_tokens(request, "openai") == 100 + 3 + 10 + 3
    assert longest_input(embed) == 100
    assert longest_input(EmbedAsk(inputs=((1, 2, 3), "x"))) == 3
