"""Money as integers: exact both ways."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from actors.messages.chat import Usage
from actors.messages.consensus import ConsensusInfo
from daemon.storage.rows import attempt_rows, dollars, pico_dollars, request_row
from tests.support.records import attempt, record


@pytest.mark.parametrize(
    ("usd", "pico"),
    [
        ("0", 0),
        ("0.000000000001", 1),
        ("0.0000000000005", 0),
        ("0.0000000000015", 2),
        ("12.5", 12_500_000_000_000),
        ("-0.25", -250_000_000_000),
        ("1000", 10**15),
        ("1000.01", None),
        ("NaN", None),
        ("-Infinity", None),
    ],
)
def test_dollars_become_pico_dollars(usd: str, pico: int | None) -> None:
    assert pico_dollars(Decimal(usd)) == pico


def test_what_is_unknown_stays_unknown() -> None:
    assert pico_dollars(None) is None


@given(st.integers(-(10**27), 10**27))
def test_pico_dollars_become_exact_dollars_in_plain_notation(pico: int) -> None:
    amount = dollars(pico)

    assert amount * 10**12 == pico
    assert "E+" not in str(amount)


@given(st.integers(-(10**15), 10**15))
def test_both_ways_is_the_identity(pico: int) -> None:
    assert pico_dollars(dollars(pico)) == pico


def test_ten_dollars_have_no_exponent() -> None:
    assert str(dollars(10 * 10**12)) == "10"


def test_numbers_that_cannot_be_true_are_unknown_and_break_no_insert() -> None:
    huge = attempt("a", usage=Usage(2**70, -(2**70), 5))
    nan = msgspec.structs.replace(huge, started_at=float("nan"))
    (row,) = attempt_rows(record(1, attempts=(nan,)))
    whole = request_row(record(1, at=float("nan")), b"")

    assert row[7] == 0.0
    assert row[9:12] == [None, None, 5]
    assert whole[2] == 0.0


def test_a_round_counts_the_calls_of_its_members() -> None:
    info = ConsensusInfo(
        method="majority",
        kind="number",
        rule="x",
        agreement=1.0,
        confidence=None,
        winner=0,
        groups=(("a", "b"),),
        ballots=(),
        calls=3,
    )
    alone = record(1, attempts=())
    together = replace(alone, consensus=info)
    calls = [request_row(each, b"")[12] for each in (record(1), alone, together)]

    assert calls == [1, 0, 3]
