"""The walk over a parsed file: what fits, and the words for what does not."""

import tomllib
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from msgspec import Meta, Struct

from daemon.config import Config
from daemon.config_check import problems_of, shown


class Inner(Struct, frozen=True):
    need: int
    list_of: tuple[Annotated[str, Meta(min_length=1)], ...] = ()


class Shape(Struct, frozen=True, kw_only=True):
    on: bool = False
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    ratio: Annotated[float, Meta(gt=0, le=1)] = 0.5
    name: Annotated[str, Meta(pattern="^[a-z]+$")] | None = None
    word: Literal["a", "b"] = "a"
    mixed: Literal["auto"] | Annotated[int, Meta(ge=0)] = "auto"
    money: Decimal = Decimal(0)
    inner: Inner | None = None
    many: dict[str, Inner] = {}


def sentences(text: str) -> list[str]:
    found = problems_of(tomllib.loads(text), Shape, {})
    return [each.sentence() for each in found]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "on = true",
        "count = 9",
        "ratio = 1",
        'name = "abc"',
        'word = "b"',
        'mixed = "auto"',
        "mixed = 0",
        "money = 0.1",
        "inner = { need = 1, list_of = ['x'] }",
        "[many.x]\nneed = 1",
    ],
)
def test_what_fits_is_no_problem(text: str) -> None:
    assert sentences(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("on = 1", "on: got 1, wanted true or false"),
        ("count = 0", "count: got 0, wanted a whole number of at least 1 and up to 9"),
        ("count = 10", "count: got 10, wanted a whole number of at least 1 and up to 9"),
        ("count = 1.5", "count: got 1.5, wanted a whole number of at least 1 and up to 9"),
        ("count = true", "count: got true, wanted a whole number of at least 1 and up to 9"),
        ("ratio = 0", "ratio: got 0, wanted a number above 0 and up to 1"),
        ("ratio = nan", "ratio: got nan, wanted a number above 0 and up to 1"),
        ("ratio = inf", "ratio: got inf, wanted a number above 0 and up to 1"),
        ('name = "A"', 'name: got "A", wanted text matching ^[a-z]+$'),
        ("name = 5", "name: got 5, wanted text matching ^[a-z]+$"),
        ('word = "c"', 'word: got "c", wanted one of "a", "b"'),
        ("mixed = -1", 'mixed: got -1, wanted a whole number of at least 0 or "auto"'),
        ("money = -1", "money: got -1, wanted a number of at least 0 (US dollars)"),
        ("inner = 3", "inner: got 3, wanted a table"),
        ("inner = {}", "inner.need: is missing, wanted a whole number"),
        ("many = 3", "many: got 3, wanted a table"),
        ("many.x = []", "many.x: got a list, wanted a table"),
        ("inner = { need = 1, list_of = 'x' }", 'inner.list_of: got "x", wanted a list'),
        (
            "inner = { need = 1, list_of = [''] }",
            'inner.list_of[0]: got "", wanted text',
        ),
        ("on = 2026-01-01", 'on: got "2026-01-01", wanted true or false'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_key_value_and_wish(
    text: str, said: str
) -> None:
    found = sentences(text)
    if "mixed" in said:  # the order within a union is msgspec's
        said = said.replace('a whole number of at least 0 or "auto"', "")
        assert found[0].startswith(said)
    else:
        assert found == [said]


def test_unknown_keys_name_the_nearest_known_one() -> None:
    found = sentences("cuont = 1")

    assert found[0].startswith("cuont: got 1, unknown key; did you mean count? known")


def test_an_unknown_table_is_not_spilled() -> None:
    assert sentences("zzz = { a = 1 }")[0].startswith(
        "zzz: got a table, unknown key; k"
    )


def test_the_origin_of_a_value_is_said() -> None:
    found = problems_of({"on": 1}, Shape, {"on": "environment ON"})
    assert found[0].sentence().endswith("wanted true or false (environment ON)")


def test_values_are_shown_short() -> None:
    assert len(shown("x" * 1000)) == 60
    assert shown(1.5) == "1.5"


@pytest.mark.parametrize(
    ("value", "key"),
    [("sk-abc", "x"), ("word", "providers.x.api_key"), ("word", "token"), (["s"], "x")],
)
def test_what_may_be_a_key_is_not_shown(value: object, key: str) -> None:
    assert shown(value, key) == "(a value that is not shown)"


def test_the_name_of_a_key_file_is_shown() -> None:
    assert shown("/etc/key", "providers.x.api_key_file") == '"/etc/key"'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Config.__struct_fields__, "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from([*Config.__struct_fields__]), VALUES, max_size=4)
)
def test_what_passes_the_walk_can_be_converted(data: dict[str, object]) -> None:
    if not problems_of(data, Config, {}):
        assert isinstance(msgspec.convert(data, Config), Config)
