"""Putting a streamed answer together, within a bound."""

import pytest

from actors.errors import ProviderResponseError
from actors.messages.chat import ToolCall
from actors.wire.assembly import Assembly


def test_pieces_add_up() -> None:
    answer = Assembly()
    for piece in ("Gr", "üß", "e 😀"):
        answer.add_text("content", piece)
    answer.add_text("reasoning", "hm")

    assert answer.content() == "Grüße 😀"
    assert answer.text("reasoning") == "hm"
    assert answer.text("refusal") is None
    assert answer.text_bytes == len("Grüße 😀hm".encode())


def test_line_endings_stay_as_they_came() -> None:
    answer = Assembly()
    answer.add_text("content", "a\r\nb\rc\n")

    assert answer.content() == "a\r\nb\rc\n"


def test_calls_are_kept_apart_by_position() -> None:
    answer = Assembly()
    first, second = answer.open_call("a", "f"), answer.open_call("b", "")
    answer.add_arguments(first, '{"x":')
    answer.name_call(second, "g")
    answer.add_arguments(first, "1}")

    assert answer.calls() == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))
    assert (answer.call_count, answer.call_name(1)) == (2, "g")


def test_no_text_is_empty_text_unless_something_stands_for_it() -> None:
    empty, calling, refusing = Assembly(), Assembly(), Assembly()
    calling.open_call("a", "f")
    refusing.add_text("refusal", "no")

    assert [x.content() for x in (empty, calling, refusing)] == ["", None, None]


def test_an_endless_answer_is_refused() -> None:
    answer = Assembly(100)
    answer.add_text("content", "é" * 50)

    with pytest.raises(ProviderResponseError, match="longer than 100 bytes"):
        answer.add_text("content", "x")


def test_endless_calls_are_refused() -> None:
    answer = Assembly(10_000)
    for number in range(19):
        answer.open_call(str(number), "f")

    with pytest.raises(ProviderResponseError):
        answer.open_call("19", "f")
