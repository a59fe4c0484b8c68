"""The sections, and that the documentation knows every key of them."""

import re
from pathlib import Path

import pytest
from msgspec import Struct, inspect

from daemon.config import Config, ServerConfig
from daemon.config_env import (
    BASE_URL_VARIABLES,
    MODEL_VARIABLES,
    SETTING_VARIABLES,
)
from daemon.exits import ConfigError, Problem

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "configuration.md"


def documented_keys() -> dict[str, set[str]]:
    """Keys by the section whose table they stand in."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in DOCUMENTATION.read_text().splitlines():
        if heading := re.match(r"#+ `\[(.+)\]`", line):
            section = heading[1]
        elif line.startswith("## "):
            section = ""
        elif (row := re.match(r"\| `([a-z_.]+)` \|", line)) and section:
            found.setdefault(section, set()).add(row[1])
    return found


def keys_of(shape: type[Struct], prefix: str = "") -> set[str]:
    """The keys of a section; a table with units of its own is one per inner key."""
    keys = set()
    for field in inspect.type_info(shape).fields:  # type: ignore[attr-defined] # a Struct
        inner = field.type
        if isinstance(inner, inspect.StructType) and field.name in {
            "timeouts",
            "limits",
            "github",
        }:
            keys |= keys_of(inner.cls, f"{field.name}.")
        elif not (
            isinstance(inner, inspect.DictType) and field.name in {"tasks", "types"}
        ):
            keys.add(prefix + field.name)
    return keys


def sections() -> dict[str, type[Struct]]:
    found: dict[str, type[Struct]] = {}
    for field in inspect.type_info(Config).fields:  # type: ignore[attr-defined] # a Struct
        if isinstance(field.type, inspect.StructType):
            found[field.name] = field.type.cls
        elif isinstance(field.type, inspect.DictType):
            name = "models" if field.name == "models" else f"{field.name}.NAME"
            value = field.type.value_type
            assert isinstance(value, inspect.StructType)
            found[name] = value.cls
    return found


@pytest.mark.parametrize("section", sorted(sections()))
def test_the_documentation_has_every_key_and_no_other(section: str) -> None:
    assert documented_keys()[section] == keys_of(sections()[section])


def test_the_documentation_has_every_variable() -> None:
    text = DOCUMENTATION.read_text()
    variables = {*SETTING_VARIABLES, *BASE_URL_VARIABLES.values()}
    variables |= {name for names in MODEL_VARIABLES.values() for name in names}

    assert [name for name in variables if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("listen", "address"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), (None, None)],
)
def test_an_address_in_its_parts(
    listen: str | None, address: tuple[str, int] | None
) -> None:
    assert ServerConfig(listen=listen).listen_address == address


def test_problems_are_sentences() -> None:
    assert Problem("a.b", None, "is missing").sentence() == "a.b: is missing"
    assert (
        Problem("a", "1", "wanted 2", "file").sentence() == "a: got 1, wanted 2 (file)"
    )


def test_an_error_lists_its_problems() -> None:
    error = ConfigError("it has a mistake:", (Problem("a", "1", "wanted 2"),))

    assert str(error) == "it has a mistake:\n  a: got 1, wanted 2"
    assert error.exit_code == 78
