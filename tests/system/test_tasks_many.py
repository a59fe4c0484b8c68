"""Many tasks, lap after lap: all are done, and memory stays flat.

``GITBRIDGE_LONG=1`` makes it 100,000 tasks.
"""

import os
from pathlib import Path
from typing import cast

import pytest

from tests.support.daemon_process import assert_well, daemon_process
from tests.support.outages import outages
from tests.support.wire_client import WireClient, wire_client

BATCH = 500
LAPS = 200 if "GITBRIDGE_LONG" in os.environ else 8
GROWTH = 16 * 2**20
"""Bytes over all laps but the first: caches fill, and the ledger's database grows."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 15 * LAPS)]


async def lap(client: WireClient, number: int) -> None:
    batch = {"tasks": [{"prompt": f"{number}-{each}"} for each in range(BATCH)]}
    kept = (await client.call("tasks.submit", batch)).result
    which = {"batch_id": kept["batch_id"], "timeout_s": 60}
    waited = (await client.call("tasks.wait", which, timeout_s=70.0)).result
    tasks = cast("list[dict[str, object]]", waited["tasks"])
    assert len(tasks) == BATCH
    assert {task["state"] for task in tasks} == {"done"}


async def test_memory_stays_flat_over_many_tasks(tmp_path: Path, queue: str) -> None:
    async with outages() as world:
        config = f"{queue}concurrency = 32\nkeep_s = 30\n{world.config}"
        async with daemon_process(tmp_path, config) as daemon:
            async with wire_client(daemon.socket) as client:
                await lap(client, 0)
                before, _ = daemon.memory()
                for number in range(1, LAPS):
                    await lap(client, number)
                after, _ = daemon.memory()
            assert await daemon.stop() == 0
            assert_well(daemon)
    assert after - before < GROWTH
