"""The benchmark of the stores of tasks measures what it says."""

from pathlib import Path

import pytest

from benchmarks.task_store import CLAIMS, STORES, measure


@pytest.mark.parametrize("store", STORES)
async def test_every_size_is_measured_with_so_many_waiting(
    tmp_path: Path, store: str
) -> None:
    figures = await measure(store, tmp_path, (CLAIMS, 2 * CLAIMS))

    assert figures.store == store
    assert [size.waiting for size in figures.sizes] == [CLAIMS, 2 * CLAIMS]
    assert figures.submitted_per_s > 0.0
    assert figures.worked_per_s > 0.0
    assert figures.growth == figures.sizes[1].claim_us / figures.sizes[0].claim_us
