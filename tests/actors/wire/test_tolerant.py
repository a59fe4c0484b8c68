"""Careless JSON: repaired where the meaning is clear, one error otherwise."""

import contextlib

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.json import Decoder

from actors.errors import ProviderResponseError
from actors.wire.tolerant import ANY, count, decode, mapping, sequence, text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'"\\ud83d"', "\ufffd"),
        (b'"a\\uDE00b"', "a\ufffdb"),
        (b'"\\ud83d\\ude00 \\ud83d"', "😀 \ufffd"),
        (b'"\\\\ud83d \\ud83d"', "\\ud83d \ufffd"),
        (b'"\\n\\ude00"', "\n\ufffd"),
        (b'"caf\xe9"', "caf\ufffd"),
        (b'\n \r\n {"a": 1} ', {"a": 1}),
    ],
)
def test_broken_text_is_replaced_not_refused(body: bytes, expected: object) -> None:
    assert decode(ANY, body, "it") == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"a":', b"[" * 100_000, b"1" * 5000, b'"\\ud83d', b"NaN"],
)
def test_what_is_no_json_is_a_response_error(body: bytes) -> None:
    with pytest.raises(ProviderResponseError, match="it cannot be decoded"):
        decode(ANY, body, "it")


def test_a_wrong_type_is_a_response_error() -> None:
    with pytest.raises(ProviderResponseError):
        decode(Decoder(list[int]), b'{"a": 1}', "it")


@given(st.binary(max_size=60))
@settings(max_examples=100)
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with contextlib.suppress(ProviderResponseError):
        decode(ANY, b'"' + body + b'"', "it")


def test_text_is_text_that_is_not_empty() -> None:
    assert [text(x) for x in ("a", "", None, 1, ["a"])] == ["a", None, None, None, None]


def test_count_takes_whole_numbers_only() -> None:
    given_values: list[object] = [0, 7, 7.0, 7.5, -1, True, "7", None, {}]

    counts = [count(value) for value in given_values]

    assert counts == [0, 7, 7, None, None, None, None, None, None]


def test_containers_of_the_wrong_type_are_empty() -> None:
    assert (mapping([1]), mapping({"a": 1})) == ({}, {"a": 1})
    assert (sequence({"a": 1}), sequence([1])) == ([], [1])
