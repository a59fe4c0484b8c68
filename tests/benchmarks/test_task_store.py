"""The benchmark of the store of tasks measures what it says."""

from pathlib import Path

from benchmarks.task_store import CLAIMS, measure


async def test_every_size_is_measured_with_so_many_waiting(tmp_path: Path) -> None:
    figures = await measure(tmp_path, (CLAIMS, 2 * CLAIMS))

    assert [size.waiting for size in figures.sizes] == [CLAIMS, 2 * CLAIMS]
    assert figures.submitted_per_s > 0.0
    assert figures.growth == figures.sizes[1].claim_us / figures.sizes[0].claim_us
