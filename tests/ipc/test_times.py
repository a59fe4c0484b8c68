"""Points in time as people type them."""

import pytest

from actors.errors import InvalidRequest
from ipc.times import parse_since

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, None),
        (12.5, 12.5),
        ("90s", NOW - 90),
        ("1800000000", NOW),
        (" 1799999999.5", NOW - 0.5),
        ("20270115", NOW - 8 * 3600),
        ("2w", NOW - 14 * 86400),
        ("2027-01-15", NOW - 8 * 3600),
        ("2027-01-15T08:00:00+00:00", NOW),
    ],
)
def test_since_is_read_in_all_its_forms(
    text: float | str | None, wanted: float | None
) -> None:
    assert parse_since(text, NOW) == wanted


@pytest.mark.parametrize("text", ["yesterday", "24", "1800000000000", "1e9", "-1", ""])
def test_a_since_that_is_no_time_says_what_was_wanted(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_since(text, NOW)

    assert caught.value.field == "since"
    assert "7d" in (caught.value.wanted or "")


@pytest.mark.parametrize(
    "value", ["99999999d", "9" * 400 + "w", 1e300, float("-inf"), float("nan")]
)
def test_a_since_outside_the_calendar_is_refused(value: float | str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_since(value, NOW)

    assert caught.value.field == "since"
    assert "outside the years 1 to 9999" in caught.value.message
