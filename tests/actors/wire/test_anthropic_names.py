"""Names and ids fit Anthropic's alphabet, and names come back as they were."""

import re

import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import InvalidRequest
from actors.wire.anthropic_names import ANSWER_TOOL, CallIds, neutral_name, wire_name

ALLOWED = re.compile(r"[a-zA-Z0-9_-]{1,128}")


@pytest.mark.parametrize("name", ["get_weather", "a", "A-b_9", "x" * 128])
def test_allowed_names_stay_as_they_are(name: str) -> None:
    assert wire_name(name, "f") == name
    assert neutral_name(name) == name


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("web.search", "gbx_web_2esearch"),
        ("a b", "gbx_a_20b"),
        ("é", "gbx__c3_a9"),
        ("", "gbx_"),
        ("gbx_x", "gbx_gbx_5fx"),
    ],
)
def test_other_names_are_escaped(name: str, wire: str) -> None:
    assert wire_name(name, "f") == wire
    assert neutral_name(wire) == name


@given(st.text(max_size=9).filter(lambda name: name.isprintable()))
@settings(max_examples=100)
def test_every_name_is_allowed_and_comes_back(name: str) -> None:
    wire = wire_name(name, "f")

    assert ALLOWED.fullmatch(wire)
    assert neutral_name(wire) == name
    assert wire != ANSWER_TOOL


def test_a_name_that_cannot_fit_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidRequest) as caught:
        wire_name("x" * 129, "tools[3].function.name")

    assert caught.value.field == "tools[3].function.name"


def test_a_name_that_was_not_escaped_here_stays() -> None:
    assert neutral_name("gbx__ff") == "gbx__ff"
    assert neutral_name("gbx_\ud800") == "?"


def test_ids_are_cleaned_and_unique() -> None:
    ids = CallIds()

    assert ids.open("call.1") == "call_1"
    assert ids.open("call_1") == "call_1_2"
    assert ids.open("call:1") == "call_1_3"
    assert ids.open("") == "call"
    assert ids.open("") == "call_2"
    assert ids.open("toolu_01") == "toolu_01"


def test_ids_are_the_same_each_time_a_conversation_is_sent() -> None:
    given_ids = ["a.b", "a.b", "", "x"]

    def sent() -> list[str]:
        ids = CallIds()
        return [ids.open(call_id) for call_id in given_ids]

    assert sent() == sent()


def test_results_find_their_calls_by_id_then_in_order() -> None:
    ids = CallIds()
    first, second = ids.open("same"), ids.open("same")

    assert ids.answer("same") == first
    assert ids.answer("same") == second
    assert ids.answer("same") is None
    assert ids.answer("other") is None


def test_abandoned_calls_are_named_once() -> None:
    ids = CallIds()
    ids.open("a")
    ids.open("b")
    ids.answer("a")

    assert ids.abandon() == ["b"]
    assert ids.abandon() == []
    assert ids.answer("b") is None


def test_many_calls_of_one_id_take_linear_time() -> None:
    ids = CallIds()
    wires = {ids.open("x") for _ in range(20_000)}

    assert len(wires) == 20_000
