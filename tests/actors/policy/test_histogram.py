"""Quantiles within the stated error, over any adding and removing."""

from math import ceil

import pytest
from hypothesis import given, strategies as st

from actors.policy.histogram import (
    LONGEST_S,
    RELATIVE_ERROR,
    SHORTEST_S,
    LogHistogram,
)

durations = st.floats(SHORTEST_S, LONGEST_S)


def nearest_rank(values: list[float], share: float) -> float:
    return sorted(values)[ceil(share * len(values)) - 1]


def test_nothing_added_has_no_quantiles() -> None:
    assert LogHistogram().quantiles(0.5, 0.99) == ()


@given(st.lists(durations, min_size=1), st.data())
def test_quantiles_are_within_the_stated_error(
    values: list[float], data: st.DataObject
) -> None:
    histogram = LogHistogram()
    for value in values:
        histogram.add(value)
    gone = data.draw(st.integers(0, len(values) - 1))
    for value in values[:gone]:
        histogram.remove(value)

    shares = (0.01, 0.5, 0.5, 0.95, 0.99, 1.0)
    found = histogram.quantiles(*shares)

    assert RELATIVE_ERROR <= 0.02
    assert histogram.count == len(values) - gone
    assert found == pytest.approx(
        tuple(nearest_rank(values[gone:], share) for share in shares),
        rel=RELATIVE_ERROR + 1e-9,
    )


@pytest.mark.parametrize(
    ("duration_s", "seen_as_s"),
    [(0.0, SHORTEST_S), (-1.0, SHORTEST_S), (1e9, LONGEST_S)],
)
def test_durations_outside_the_range_are_clamped(
    duration_s: float, seen_as_s: float
) -> None:
    histogram = LogHistogram()

    histogram.add(duration_s)

    assert histogram.quantiles(1.0) == pytest.approx((seen_as_s,), rel=0.0101)


def test_memory_is_one_count_per_occupied_bin() -> None:
    histogram = LogHistogram()
    for n in range(10_000):
        histogram.add(n / 100)
    for n in range(10_000):
        histogram.remove(n / 100)

    assert histogram.count == 0
    assert not histogram._bins
    with pytest.raises(KeyError):
        histogram.remove(1.0)
