"""The benchmark of webhooks delivers what it says, and measures each."""

from pathlib import Path

import pytest

from benchmarks.webhook import IN_FLIGHT, measure


@pytest.mark.slow
async def test_each_delivery_is_answered_and_measured(tmp_path: Path) -> None:
    alone, busy = await measure(tmp_path, 5)

    assert (alone.in_flight, busy.in_flight) == (0, IN_FLIGHT)
    assert alone.deliveries == busy.deliveries == 5
    assert 0.0 < alone.p50_s <= alone.p99_s <= alone.max_s
