"""Where conversations are at home."""

import pytest

from actors.messages.chat import ChatRequest, ImagePart, Message, TextPart, Usage
from actors.messages.routing import Target
from actors.policy.affinity import (
    DEFAULT_LIFETIME_S,
    KEPT_CONVERSATIONS,
    KEPT_MODELS,
    MIN_TOKENS,
    Conversations,
    conversation_key,
)
from actors.policy.rank_input import Cached

A, B = Target("a", "m"), Target("b", "m")
KEY = b"conversation"


def chat(*turns: tuple[str, str]) -> ChatRequest:
    return ChatRequest(
        messages=tuple(Message(role=role, content=text) for role, text in turns)  # type: ignore[arg-type]  # a test's own words
    )


SYSTEM, FIRST = ("system", "Be brief."), ("user", "What is a lease?")


def test_every_turn_of_a_conversation_has_the_same_key() -> None:
    first = conversation_key(chat(SYSTEM, FIRST))
    later = conversation_key(
        chat(SYSTEM, FIRST, ("assistant", "A permit."), ("user", "For how long?"))
    )

    assert first == later


@pytest.mark.parametrize(
    "other",
    [
        chat(("system", "Be long."), FIRST),
        chat(SYSTEM, ("user", "What is a fence?")),
        chat(FIRST),
        chat(("developer", "Be brief."), FIRST),
        chat(SYSTEM, ("user", FIRST[1] + "x" * 9000)),
    ],
)
def test_other_beginnings_have_other_keys(other: ChatRequest) -> None:
    assert conversation_key(other) != conversation_key(chat(SYSTEM, FIRST))


def test_long_texts_that_differ_late_differ_by_length() -> None:
    one = chat(("user", "x" * 10_000))
    two = chat(("user", "x" * 10_001))

    assert conversation_key(one) != conversation_key(two)


def test_parts_and_empty_messages_have_keys_too() -> None:
    message = Message(
        role="user", content=(TextPart("hi \udc80"), ImagePart("data:,x"))
    )
    empty = ChatRequest(messages=(Message(role="assistant"),))

    assert conversation_key(ChatRequest(messages=(message,)))
    assert conversation_key(empty) == conversation_key(empty)


def used(prompt: int | None, cached: int | None = None) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=10, cached_tokens=cached)


def test_it_is_at_home_where_it_was_answered_last_for_a_while() -> None:
    homes = Conversations()
    homes.answered(KEY, A, "openai", used(5000), 0.0)
    homes.answered(KEY, B, "openai", used(6000), 10.0)

    assert homes.home(KEY, 10.0) == Cached(B, 0)
    assert homes.home(KEY, 309.9) is not None
    assert homes.home(KEY, 310.0) is None
    assert homes.home(b"another", 10.0) is None


def test_nothing_is_credited_before_a_model_reported_cached_tokens() -> None:
    homes = Conversations()
    for turn in range(5):
        homes.answered(KEY, A, "openai", used(5000, None), float(turn))

    assert homes.home(KEY, 5.0) == Cached(A, 0)


def test_the_credit_follows_what_is_really_reported() -> None:
    homes = Conversations()
    homes.answered(KEY, A, "openai", used(4000, 0), 0.0)
    homes.answered(KEY, A, "openai", used(5000, 3200), 1.0)
    assert homes.home(KEY, 2.0) == Cached(A, 4000)  # 80 % of the prompt before

    for turn in range(40):
        homes.answered(KEY, A, "openai", used(5000, 0), 2.0 + turn)

    home = homes.home(KEY, 50.0)
    assert home is not None
    assert home.tokens < 5


def test_a_model_never_gets_more_credit_than_the_prompt_is_long() -> None:
    homes = Conversations()
    homes.answered(KEY, A, "openai", used(2000), 0.0)
    homes.answered(KEY, A, "openai", used(9000, 8800), 1.0)

    assert homes.home(KEY, 2.0) == Cached(A, 9000)


def test_only_a_return_to_a_cache_that_lives_teaches() -> None:
    homes = Conversations()
    homes.answered(KEY, A, "openai", used(5000), 0.0)
    homes.answered(KEY, B, "openai", used(5000, 5000), 1.0)
    homes.answered(KEY, B, "openai", used(5000, 5000), 2.0 + DEFAULT_LIFETIME_S)

    assert homes.home(KEY, 3.0 + DEFAULT_LIFETIME_S) == Cached(B, 0)


@pytest.mark.parametrize("prompt", [None, MIN_TOKENS - 1])
def test_short_prompts_are_cached_nowhere(prompt: int | None) -> None:
    homes = Conversations()
    homes.answered(KEY, A, "openai", used(prompt), 0.0)

    assert homes.home(KEY, 0.0) is None


def test_memory_is_bounded() -> None:
    homes = Conversations()
    for number in range(KEPT_CONVERSATIONS + 100):
        key, target = b"%d" % number, Target("p", f"m{number % (KEPT_MODELS + 50)}")
        homes.answered(key, target, "other", used(2000), 0.0)
        homes.answered(key, target, "other", used(2000, 1000), 0.0)

    assert len(homes._homes) == KEPT_CONVERSATIONS
    assert len(homes._shares) == KEPT_MODELS
    assert homes.home(b"0", 0.0) is None
