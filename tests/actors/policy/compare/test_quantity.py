from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from actors.policy.compare.quantity import (
    Quantity,
    only_quantity,
    quantities,
    same_quantity,
)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("42", 42.0, ""),
        ("-3.5", -3.5, ""),
        ("1,234.5", 1234.5, ""),
        (".5", 0.5, ""),
        ("1e-3", 0.001, ""),
        ("6.02 x 10^23", 6.02e23, ""),
        (r"1.6 \times 10^{-19} C", 1.6e-19, "C"),
        ("3/4", 0.75, ""),
        (r"\frac{3}{4}", 0.75, ""),
        (r"-\dfrac{1}{2}", -0.5, ""),
        ("50%", 50.0, "%"),
        (r"50\%", 50.0, "%"),
        ("$12.50", 12.5, "usd"),
        ("\u20ac3", 3.0, "eur"),
        (r"38.7 \text{ cm}", 38.7, "cm"),
        ("9.8 m/s^2", 9.8, "m/s^2"),
        ("$42$", 42.0, ""),
        ("= 7.", 7.0, ""),
    ],
)
def test_a_number_is_read_however_it_is_written(
    text: str, value: float, unit: str
) -> None:
    found = only_quantity(text)

    assert found is not None
    assert found.value == pytest.approx(value)
    assert found.unit == unit


@pytest.mark.parametrize(
    "text", ["", "forty-two", "42 and 43", "about 42", "1/0", r"\frac{1}{0}", "1e999"]
)
def test_what_is_not_one_number_is_none(text: str) -> None:
    assert only_quantity(text) is None


def test_all_numbers_of_a_text_come_in_order() -> None:
    found = quantities("From 3 km to 5.5 km in 2 hours, or 1/0 of it.")

    assert [each.value for each in found] == [3.0, 5.5, 2.0]
    assert [each.unit for each in found] == ["km", "km", "hours"]


def test_a_word_after_a_number_is_no_unit() -> None:
    assert quantities("42 is it") == [Quantity(42.0)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Quantity(1.0), Quantity(1.0000000001)),
        (Quantity(5.0, "km"), Quantity(5.0)),
        (Quantity(50.0, "%"), Quantity(0.5)),
        (Quantity(0.5), Quantity(50.0, "%")),
        (Quantity(50.0, "%"), Quantity(50.0)),
        (Quantity(0.0), Quantity(0.0)),
    ],
)
def test_equal_quantities(one: Quantity, other: Quantity) -> None:
    assert same_quantity(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Quantity(1.0), Quantity(1.001)),
        (Quantity(5.0, "km"), Quantity(5.0, "m")),
        (Quantity(50.0, "%"), Quantity(50.0, "m")),
        (Quantity(1.0), Quantity(-1.0)),
    ],
)
def test_unequal_quantities(one: Quantity, other: Quantity) -> None:
    assert not same_quantity(one, other)


@given(st.decimals(-(10**9), 10**9, places=3))
def test_a_decimal_reads_back_as_itself(value: Decimal) -> None:
    found = only_quantity(f"{value:,}")

    assert found is not None
    assert found.value == pytest.approx(float(value))


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    quantities(text)
    only_quantity(text)


@pytest.mark.parametrize("text", ["1e400", "1e310", "9 x 10^308", "0e400", "1e٣٣٣"])
def test_a_number_beyond_all_floats_is_none(text: str) -> None:
    assert only_quantity(text) is None
    assert quantities(text) == []
