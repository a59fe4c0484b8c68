"""The configuration as text."""

from decimal import Decimal

import pytest

from daemon.cli.render.settings import KeySource, Setting, settings, toml_value
from daemon.cli.render.table import no_colours


def test_each_value_has_its_origin() -> None:
    shown = settings(
        [
            Setting("routing.strategy", "cost", "environment SMARTROUTER_STRATEGY"),
            Setting("server.drain_s", 30.0, "default"),
        ],
        [KeySource("openai", "environment OPENAI_API_KEY"), KeySource("local", None)],
        no_colours,
    ).splitlines()

    assert shown[1].split(maxsplit=2) == [
        "routing.strategy", '"cost"', "environment SMARTROUTER_STRATEGY",
    ]  # fmt: skip
    assert shown[2].split() == ["server.drain_s", "30", "default"]
    assert " ".join(shown[3].split()) == "key of openai *** environment OPENAI_API_KEY"
    assert " ".join(shown[4].split()) == "key of local - -"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "true"),
        (30.0, "30"),
        (0.5, "0.5"),
        ("a", '"a"'),
        (("a", 1), '["a", 1]'),
        ([], "[]"),
        ({"a": 1}, "{ a = 1 }"),
        ({}, "{}"),
        (Decimal("2.50"), "2.50"),
        (Decimal("1E-7"), "0.0000001"),
    ],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    assert toml_value(value) == text
