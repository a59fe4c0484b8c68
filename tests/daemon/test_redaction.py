"""No key and no prompt gets through, whatever carries it."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st
from typing_extensions import override

from daemon.credentials import Secret
from daemon.redaction import HIDDEN, MASK, SCANNED_CHARS, Redactor

KEY = "sk-proj-AbCdEf0123456789_-xyz"


class Carrier(msgspec.Struct):
    note: str
    api_key: str


class Rude:
    @override
    def __str__(self) -> str:
        raise RuntimeError


def cleaned(event: dict[str, object], *secrets: str) -> dict[str, object]:
    return dict(Redactor(secrets)(None, "info", event))


@pytest.mark.parametrize(
    "value",
    [
        f"use {KEY} now",
        [f"{KEY}"],
        {"a": {"b": (f"x{KEY}",)}},
        {KEY: 1},
        {f"x {KEY}"},
        KEY.encode(),
        ValueError(f"bad {KEY}"),
        Carrier(note=f"see {KEY}", api_key="other"),
        Carrier(note="fine", api_key=KEY),
    ],
)
def test_a_known_key_is_masked_wherever_it_stands(value: object) -> None:
    assert KEY not in msgspec.json.encode(cleaned({"x": value}, KEY)).decode()


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("sk-abcdefgh12345678", "sk-***"),
        ("sk-ant-api03-abcdefgh", "sk-ant-***"),
        ("key=xai-abcdefgh12345678.", "key=xai-***."),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("authorization: BEARER abc", "authorization: BEARER ***"),
        ('{"x-api-key": "abc"}', '{"x-api-key": "***"}'),
        ("X-API-KEY: abc", "X-API-KEY: ***"),
        ("gsk_abcdefgh1234", "gsk_***"),
    ],
)
def test_what_looks_like_a_key_is_masked_too(text: str, safe: str) -> None:
    assert Redactor().text(text) == safe


@pytest.mark.parametrize(
    "text", ["task-0123456789abcdef", "risk-management-plan", "a desk-top computer"]
)
def test_words_that_are_no_keys_stay(text: str) -> None:
    assert Redactor().text(text) == text


def test_the_longer_of_two_keys_goes_first() -> None:
    assert Redactor(["abcd", "abcdefgh"]).text("abcdefgh") == MASK


def test_words_too_short_to_be_keys_are_not_masked() -> None:
    assert Redactor(["a", ""]).text("a cat") == "a cat"


def test_keys_can_be_added_later() -> None:
    redactor = Redactor()
    redactor.add("hunter22")
    redactor.add("hunter22")

    assert redactor.text("it is hunter22") == "it is ***"


@pytest.mark.parametrize("name", ["api_key", "Authorization", "password", "token"])
def test_fields_that_are_called_like_secrets_are_masked(name: str) -> None:
    assert cleaned({name: "plain"}) == {name: MASK}
    assert cleaned({"headers": {name: "plain"}}) == {"headers": {name: MASK}}


@pytest.mark.parametrize("name", ["prompt", "messages", "content", "completion"])
def test_prompts_are_hidden_unless_wanted(name: str) -> None:
    event: dict[str, object] = {name: ["hello"]}

    assert cleaned(event) == {name: HIDDEN}
    assert Redactor(prompts=True)(None, "info", event) == {name: ["hello"]}


def test_plain_values_stay_as_they_are() -> None:
    event: dict[str, object] = {
        "a": 1, "b": 1.5, "c": None, "d": True, "e": [Decimal("0.1")], "f": "text",
    }  # fmt: skip
    assert cleaned(event) == event


def test_values_without_a_shape_become_text() -> None:
    found = cleaned({"a": Rude(), "b": Secret("x"), "c": {1: Rude}})

    assert found["a"] == "<Rude>"
    assert found["b"] == MASK


def test_endless_values_end() -> None:
    deep: list[object] = []
    deep.append(deep)

    assert "(too deep)" in str(cleaned({"x": deep}))


def test_long_texts_are_cut_before_they_are_searched() -> None:
    assert len(Redactor().text("x" * (SCANNED_CHARS + 5))) == SCANNED_CHARS


@given(
    st.recursive(
        st.just(KEY) | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=3) | st.just(KEY), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_no_nesting_carries_a_key_through(value: object) -> None:
    assert KEY not in repr(cleaned({"x": value}, KEY))


SECRET = 'quo"ted\\key'
PIECES = st.sampled_from(
    [SECRET, "sk-abcdefgh", "Bearer x", "pi-", "a", '"', "\\", "é"]
)


@given(
    st.dictionaries(
        st.sampled_from(["model", "user", "error", "prompt", "api_key", "Password"]),
        st.lists(PIECES).map("".join) | st.integers() | st.none() | st.lists(PIECES),
    )
)
def test_what_is_found_clean_as_a_line_has_nothing_to_redact(
    event: dict[str, object],
) -> None:
    redactor = Redactor([SECRET])
    line = msgspec.json.encode(event)
    if redactor.is_plain(event) and redactor.is_clean(line):
        assert redactor(None, "info", event) == event


def test_a_key_that_json_cannot_hold_leaves_no_line_clean() -> None:
    redactor = Redactor(["half\ud800"])

    assert not redactor.is_clean(b'{"a":1}')


def test_usual_lines_are_found_clean_whichever_fields_come_again() -> None:
    redactor = Redactor([KEY])
    for _ in range(2):
        assert redactor.is_plain({"user": "me", "cost_usd": Decimal(1), "error": None})
        assert not redactor.is_plain({"user": "me", "prompt": "hello"})
    assert redactor.is_clean(b'{"user":"me"}')
