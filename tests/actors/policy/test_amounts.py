"""Money and time as they are said in errors and reasons."""

from decimal import Decimal

import pytest

from actors.policy.amounts import dollars, fitting, lasting


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("0.0", "$0"),
        ("1E-7", "$0.0000001"),
        ("0.00001200", "$0.000012"),
        ("0.00000003333333333333333333", "$0.0000000333"),
        ("0.00123456", "$0.00123456"),
        ("0.0123456789", "$0.0123457"),
        ("100", "$100"),
        ("1234567", "$1234570"),
    ],
)
def test_money_has_no_zeros_behind_and_no_exponent(amount: str, said: str) -> None:
    assert dollars(Decimal(amount)) == said


@pytest.mark.parametrize(
    ("span_s", "said"),
    [
        (0.2512, "0.251 s"),
        (2.0, "2 s"),
        (39.8694, "39.9 s"),
        (99.99, "100 s"),
        (3600.4, "3600 s"),
        (86400.0, "86400 s"),
    ],
)
def test_time_never_has_an_exponent(span_s: float, said: str) -> None:
    assert lasting(span_s) == said


@pytest.mark.parametrize(
    ("room", "prompt", "each", "tokens", "most"),
    [
        ("1", "0.4", "0.1", 7, 6),
        ("1", "0.4", "0.11", 7, 5),
        ("1", "0.4", "0.1", 6, None),  # it fits as it is
        ("1", "0.95", "0.1", 7, None),
        ("1", "2", "0.1", 7, None),
        ("-1", "0", "0.1", 7, None),
        ("1", "2", "0", 7, None),
    ],
)
def test_an_answer_that_fits_is_shorter_and_not_empty(
    room: str, prompt: str, each: str, tokens: int, most: int | None
) -> None:
    said = fitting(Decimal(room), Decimal(prompt), Decimal(each), tokens)

    assert said == (
        f" (it would fit with max_tokens of at most {most})" if most else ""
    )
