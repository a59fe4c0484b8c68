"""Ids of tool calls fit where they go, and bring signatures back."""

import re

import pytest
from hypothesis import given, strategies as st

from actors.wire.call_ids import (
    fitting_id,
    invented_id,
    signature_in,
    signed_id,
    unsigned_id,
)
from actors.wire.quirks import ToolIds

NINE = ToolIds(r"[a-zA-Z0-9]{9}", 9)


@pytest.mark.parametrize("call_id", ["abcDEF123", "000000000"])
def test_ids_a_server_takes_stay(call_id: str) -> None:
    assert fitting_id(call_id, NINE) == call_id


def test_any_id_is_taken_where_nothing_is_declared() -> None:
    assert fitting_id("anything at all", None) == "anything at all"


@given(st.text())
def test_other_ids_are_made_fitting_and_always_the_same(call_id: str) -> None:
    made = fitting_id(call_id, NINE)

    assert re.fullmatch(NINE.pattern, made)
    assert fitting_id(call_id, NINE) == made
    assert fitting_id(made, NINE) == made


def test_different_ids_stay_different() -> None:
    made = {fitting_id(f"call_{number}", NINE) for number in range(1000)}

    assert len(made) == 1000


def test_long_ids_can_be_made() -> None:
    assert len(fitting_id("x" * 50, ToolIds(".{0,40}", 24))) == 24


@given(st.text(min_size=1), st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_signature_comes_back_from_the_id(response_id: str, signature: str) -> None:
    call_id = invented_id(response_id, 3)
    signed = signed_id(call_id, signature)

    assert unsigned_id(signed) == (call_id, signature)
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", signed)


def test_ids_without_a_signature_are_left_alone() -> None:
    assert signed_id("call_1", None) == "call_1"
    assert unsigned_id("call_1") == ("call_1", None)


@pytest.mark.parametrize("broken", ["a", "____", "é", "_w"])
def test_a_spoilt_signature_is_none(broken: str) -> None:
    assert unsigned_id(f"call_1__sig__{broken}") == ("call_1", None)


@pytest.mark.parametrize(
    "extra",
    [
        *(None, "x", [], {"google": 1}, {"google": {}}),
        {"google": {"thought_signature": 1}},
        {"google": {"thought_signature": "s" * 20_000}},
    ],
)
def test_what_is_no_signature_is_none(extra: object) -> None:
    assert signature_in(extra) is None


def test_a_signature_is_found() -> None:
    assert signature_in({"google": {"thought_signature": "AVSo+/="}}) == "AVSo+/="
