"""``kill -9`` of a daemon that works on tasks, again and again on what one store keeps.

Every task whose submission was acknowledged is done in the end, and its result recorded
once. ``GITBRIDGE_KILLS`` sets how often, ``GITBRIDGE_LONG=1`` makes it a thousand times.
"""

import os
from collections import Counter
from pathlib import Path
from random import Random
from typing import cast

import anyio
import pytest

from daemon.ids import utc
from daemon.simulator import Latency
from tests.support.daemon_process import DaemonProcess, assert_well, prepared_daemon
from tests.support.outages import outages
from tests.support.wire_client import WireClient, wire_client

KILLS = int(
    os.environ.get(
        "GITBRIDGE_KILLS", "1000" if "GITBRIDGE_LONG" in os.environ else "25"
    )
)
SEED = int(os.environ.get("GITBRIDGE_SEED", "1"))
LEASE_S = 1.0
SOON = f"lease_s = {LEASE_S}\nmax_attempts = 100\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 8 * KILLS)]


async def submit_until_killed(
    daemon: DaemonProcess, random: Random, acknowledged: list[str]
) -> None:
    """Submit, and kill the daemon at any moment of it."""
    async with wire_client(daemon.socket) as client, anyio.create_task_group() as group:
        group.start_soon(submit, client, acknowledged)
        await anyio.sleep(random.uniform(0.0, 0.25))
        daemon.kill_now()
        group.cancel_scope.cancel()
    await daemon.kill()


async def submit(client: WireClient, acknowledged: list[str]) -> None:
    for number in range(40):
        params = {"prompt": f"question {number}", "priority": "high"}
        exchange = await client.call("tasks.submit", params)
        if exchange.reply is not None and exchange.error is None:
            acknowledged.append(str(exchange.result["task_id"]))


async def all_ended(client: WireClient, task_ids: list[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for start in range(0, len(task_ids), 500):
        params = {"task_ids": task_ids[start : start + 500], "timeout_s": 60}
        result = (await client.call("tasks.wait", params, timeout_s=70.0)).result
        assert result["done"]
        found += cast("list[dict[str, object]]", result["tasks"])
    return found


async def test_no_acknowledged_task_is_lost_and_no_result_recorded_twice(
    tmp_path: Path, queue: str
) -> None:
    random = Random(SEED)
    acknowledged: list[str] = []
    async with outages() as world:
        with prepared_daemon(tmp_path, f"{queue}{SOON}{world.config}") as daemon:
            for _ in range(KILLS):
                await daemon.start()
                await submit_until_killed(daemon, random, acknowledged)
                assert_well(daemon)
            await daemon.start()
            async with wire_client(daemon.socket) as client:
                tasks = await all_ended(client, acknowledged)
            assert await daemon.stop() == 0
            assert_well(daemon)
            ends = Counter(
                line["task_id"]
                for line in daemon.all_logs()
                if line["event"] == "task_attempt_ended" and line["state"] == "done"
            )
    assert len(acknowledged) > KILLS
    assert len(set(acknowledged)) == len(acknowledged)
    assert {task["state"] for task in tasks} == {"done"}
    assert max(ends.values()) == 1


async def test_an_orphan_is_resumed_within_its_lease_and_a_second(
    tmp_path: Path, queue: str
) -> None:
    async with outages() as world:
        for provider in world.providers.values():
            await provider.change(latency=Latency(1.0, 0.0))
        with prepared_daemon(tmp_path, f"{queue}{SOON}{world.config}") as daemon:
            await daemon.start()
            async with wire_client(daemon.socket) as client:
                kept = (await client.call("tasks.submit", {"prompt": "hi"})).result
                await anyio.sleep(0.5)
            await daemon.kill()
            killed = utc()
            await daemon.start()
            async with wire_client(daemon.socket) as client:
                (task,) = await all_ended(client, [str(kept["task_id"])])
    assert task["state"] == "done"
    assert task["attempts"] == 2
    started = cast("float", task["started_at"])
    assert started - killed <= LEASE_S + 1.0


async def test_a_daemon_that_stops_gives_back_what_it_works_on(
    tmp_path: Path, queue: str
) -> None:
    async with outages() as world:
        for provider in world.providers.values():
            await provider.change(latency=Latency(1.0, 0.0))
        config = f"{queue}lease_s = 3600\n{world.config}"
        with prepared_daemon(tmp_path, config) as daemon:
            await daemon.start()
            async with wire_client(daemon.socket) as client:
                kept = (await client.call("tasks.submit", {"prompt": "hi"})).result
                await anyio.sleep(0.5)
            assert await daemon.stop() == 0
            await daemon.start()
            async with wire_client(daemon.socket) as client:
                (task,) = await all_ended(client, [str(kept["task_id"])])
            assert await daemon.stop() == 0
    assert (task["state"], task["attempts"]) == ("done", 1)
