"""When a line is overloaded: by waits over a whole interval, and only while it grows."""

import pytest

from actors.policy.codel import INTERVAL_S, CoDel, target_s


def interval(
    codel: CoDel, *, arrived: int, served: int, longest: list[float], now: float
) -> bool:
    """The verdict after an interval that ends now."""
    for _ in range(arrived):
        codel.arrived()
    for _ in range(served):
        codel.served()
    for each in longest[:-1]:
        codel.look(each, now - 0.1)
    codel.look(longest[-1], now)
    return codel.overloaded


def formed() -> CoDel:
    """A line that has been there for an interval."""
    codel = CoDel()
    codel.begin(0.0)
    codel.look(9.0, INTERVAL_S)
    return codel


@pytest.mark.parametrize(
    ("patience_s", "expected"), [(600.0, 0.5), (5.0, 0.5), (2.0, 0.2), (-1.0, 0.0)]
)
def test_the_target_is_half_a_second_or_a_tenth_of_the_time_there_is(
    patience_s: float, expected: float
) -> None:
    assert target_s(patience_s) == pytest.approx(expected)


def test_an_interval_in_which_somebody_always_waited_too_long_is_an_overload() -> None:
    codel = formed()

    assert not interval(codel, arrived=9, served=2, longest=[3.0, 1.1], now=9.9)
    assert interval(codel, arrived=0, served=0, longest=[1.1], now=10.0)


def test_one_moment_without_a_late_one_shows_that_it_is_none() -> None:
    assert not interval(
        formed(), arrived=9, served=2, longest=[30.0, 1.0, 30.0], now=10.0
    )


@pytest.mark.parametrize(
    ("arrived", "served", "overloaded"),
    [(0, 0, False), (0, 2, False), (1, 2, False), (2, 2, True), (1, 0, True)],
)
def test_a_backlog_that_shrinks_is_worked_off_and_not_shed(
    arrived: int, served: int, overloaded: bool
) -> None:
    verdict = interval(
        formed(), arrived=arrived, served=served, longest=[30.0], now=10.0
    )

    assert verdict == overloaded


def test_the_burst_that_forms_a_line_is_no_overload() -> None:
    codel = CoDel()
    codel.begin(0.0)

    assert not interval(codel, arrived=80, served=0, longest=[20.0], now=10.0)


def test_an_overload_ends_with_the_first_good_interval_or_an_empty_line() -> None:
    codel = formed()
    assert interval(codel, arrived=2, served=1, longest=[5.0], now=10.0)
    assert not interval(codel, arrived=2, served=1, longest=[0.5], now=15.0)

    assert interval(codel, arrived=2, served=1, longest=[5.0], now=20.0)
    codel.begin(21.0)
    assert not codel.overloaded
    assert not interval(codel, arrived=2, served=1, longest=[5.0], now=26.0)
