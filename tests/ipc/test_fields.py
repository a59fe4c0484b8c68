"""What came is said in a few words, and nothing that is not JSON is passed on."""

import math

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import InvalidRequest
from ipc import fields

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (1.5, "1.5"),
        ("bot", '"bot"'),
        ("x" * 100, '"' + "x" * 60 + '"… (100 characters)'),
        ("\ud800", '"?"'),
        ([1, 2], "an array of 2"),
        ((1,), "an array of 1"),
        ({"a": 1}, "an object with 1 fields"),
        (b"\x00\x01", "2 bytes of binary data"),
        (1 << 5000, "an integer of 5001 bits"),
        (msgspec.msgpack.Ext(1, b""), "a value of type Ext"),
    ],
    ids=repr,
)
def test_values_are_shown_in_a_few_words(value: object, words: str) -> None:
    assert fields.shown(value) == words


@pytest.mark.slow
@given(JSON_VALUES)
@settings(max_examples=100)
def test_showing_is_short_and_always_possible(value: object) -> None:
    words = fields.shown(value)

    words.encode()
    assert len(words) < 150


def test_errors_carry_path_value_and_what_was_wanted() -> None:
    error = fields.wrong("a.b", 3, "a string")

    assert (error.field, error.got, error.wanted) == ("a.b", "3", "a string")
    assert error.message == "a.b: got 3, wanted a string"


def test_missing_and_unsupported_fields_have_words_of_their_own() -> None:
    assert fields.missing("a", "a string").message == "a is missing, wanted a string"
    assert fields.unsupported("a", 1).message == "a is not supported yet"
    advised = fields.unsupported("a", 1, "use b").message
    assert advised == "a is not supported yet; use b"


def test_the_nearest_name_is_a_hint() -> None:
    assert fields.nearest("prompd", ("prompt", "model")) == "; did you mean prompt?"
    assert fields.nearest("zzzz", ("prompt", "model")) == ""


@pytest.mark.parametrize("value", [1, None, [], b"x"], ids=repr)
def test_text_must_be_a_string(value: object) -> None:
    with pytest.raises(InvalidRequest, match="wanted a string"):
        fields.text(value, "f")
    with pytest.raises(InvalidRequest, match="not empty"):
        fields.name(value, "f")


def test_a_name_is_not_empty() -> None:
    assert fields.name("x", "f") == "x"
    assert fields.text("", "f") == ""
    with pytest.raises(InvalidRequest):
        fields.name("", "f")


def test_booleans_are_not_numbers_nor_the_other_way_round() -> None:
    assert fields.boolean(True, "f")
    for read in (fields.integer, lambda v, f: fields.number(v, f, 0)):
        with pytest.raises(InvalidRequest):
            read(True, "f")
    with pytest.raises(InvalidRequest):
        fields.boolean(1, "f")


@pytest.mark.parametrize("value", [0, 1 << 63, "3", 2.0, None], ids=repr)
def test_integers_are_whole_and_in_range(value: object) -> None:
    with pytest.raises(InvalidRequest, match="an integer of at least 1"):
        fields.integer(value, "f", 1)


def test_an_integer_that_is_too_large_is_told_so() -> None:
    with pytest.raises(InvalidRequest, match="an integer that fits 64 bits"):
        fields.integer(1 << 63, "f")


def test_integers_may_be_negative_where_nothing_says_otherwise() -> None:
    assert fields.integer(-5, "f") == -5
    with pytest.raises(InvalidRequest, match=r"an integer$"):
        fields.integer("x", "f")


@pytest.mark.parametrize(
    "value", [-0.1, 2.1, math.nan, math.inf, "1", None, 10**400], ids=repr
)
def test_numbers_are_finite_and_in_range(value: object) -> None:
    with pytest.raises(InvalidRequest, match="a number from 0 to 2"):
        fields.number(value, "f", 0, 2)


def test_an_open_range_has_no_infinity_in_it() -> None:
    assert fields.number(5, "f", 0) == 5.0
    with pytest.raises(InvalidRequest, match="a number of at least 0"):
        fields.number(math.inf, "f", 0)
    with pytest.raises(InvalidRequest):
        fields.number(10**400, "f", 0)


def test_a_choice_names_its_options() -> None:
    assert fields.choice("a", "f", ("a", "b")) == "a"
    for value in ("c", None, 1, ["a"]):
        with pytest.raises(InvalidRequest, match="one of a, b"):
            fields.choice(value, "f", ("a", "b"))


def test_arrays_and_objects() -> None:
    assert fields.array([1], "f") == [1]
    assert fields.mapping({"a": 1}, "f") == {"a": 1}
    with pytest.raises(InvalidRequest, match="an array"):
        fields.array({}, "f")
    values: list[object] = [[], {1: 2}, {None: 1}]
    for value in values:
        with pytest.raises(InvalidRequest, match="an object"):
            fields.mapping(value, "f")


@pytest.mark.slow
@given(JSON_VALUES)
@settings(max_examples=100)
def test_what_passes_as_plain_survives_json(value: object) -> None:
    try:
        passed = fields.plain(value, "f")
    except InvalidRequest:
        return

    msgspec.json.decode(msgspec.json.encode(passed))


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, b"x", {1: 2}, msgspec.msgpack.Ext(1, b""), {"a": [b""]}],
    ids=repr,
)
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match="wanted JSON"):
        fields.plain(value, "f")


def test_nesting_is_bounded() -> None:
    deep: object = 1
    for _ in range(fields.MAX_DEPTH - 1):
        deep = [deep]

    assert fields.plain(deep, "f") is deep
    with pytest.raises(InvalidRequest, match="nested at most 100 deep"):
        fields.plain([deep], "f")


def test_a_plain_object_is_copied() -> None:
    given = {"a": {"b": [1, None, 2.5, "x"]}}

    copy = fields.plain_object(given, "f")

    assert copy == given
    assert copy is not given
