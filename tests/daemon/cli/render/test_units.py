"""Numbers as people read them."""

from decimal import Decimal

import pytest

from daemon.cli.render.units import (
    count,
    decimals,
    moment,
    money,
    name_of,
    seconds,
    share,
)


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "-"),
        (Decimal(0), "$0"),
        (Decimal("12.345"), "$12.34"),
        (Decimal("0.5"), "$0.5000"),
        (Decimal("0.0123"), "$0.0123"),
        (Decimal("0.0000045"), "$0.00000450"),
    ],
)
def test_money(usd: Decimal | None, text: str) -> None:
    assert money(usd) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0 µs"),
        (0.00085, "850 µs"),
        (0.0123, "12 ms"),
        (1.337, "1.34 s"),
        (65, "1 m 05 s"),
        (3600 * 3 + 60 * 20, "3 h 20 m"),
        (86400 * 2 + 3600 * 4, "2 d 4 h"),
    ],
)
def test_durations(value: float | None, text: str) -> None:
    assert seconds(value) == text


def test_what_is_not_known_is_a_dash() -> None:
    assert [share(None), count(None), decimals(None), moment(None)] == ["-"] * 4
    assert name_of(None, "m") == "-"


def test_what_is_known() -> None:
    assert share(0.987) == "98.7%"
    assert count(12345) == "12,345"
    assert decimals(0.5) == "0.500"
    assert moment(0) == "1970-01-01 00:00:00Z"
    assert (name_of("p", None), name_of("p", ""), name_of("p", "m")) == (
        "p",
        "p",
        "p/m",
    )
