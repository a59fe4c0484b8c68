"""Several daemons work on the tasks in one Redis."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from daemon.ids import utc
from daemon.simulator import Latency
from tests.support.daemon_process import DaemonProcess, assert_well, prepared_daemon
from tests.support.outages import outages
from tests.support.redis_server import redis_server
from tests.support.waiting import eventually
from tests.support.wire_client import WireClient, wire_client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LEASE_S = 2.0
TASKS = 40


@asynccontextmanager
async def two_daemons(
    tmp_path: Path, *, latency_s: float
) -> AsyncIterator[tuple[DaemonProcess, DaemonProcess]]:
    """Each with a state folder of its own; both have started."""
    async with outages() as world:
        for provider in world.providers.values():
            await provider.change(latency=Latency(latency_s, 0.0))
        with redis_server(tmp_path / "redis") as server:
            queue = (
                f'[queue]\nbackend = "redis"\nurl = "{server.url}"\n'
                f"lease_s = {LEASE_S}\nconcurrency = 4\nmax_attempts = 100\n"
            )
            folders = tmp_path / "one", tmp_path / "two"
            for folder in folders:
                folder.mkdir()
            with (
                prepared_daemon(folders[0], queue + world.config) as one,
                prepared_daemon(folders[1], queue + world.config) as two,
            ):
                await one.start()
                await two.start()
                yield one, two


async def submit(client: WireClient) -> list[str]:
    """A batch of them, with one handle."""
    tasks = [{"prompt": f"question {number}"} for number in range(TASKS)]
    result = (await client.call("tasks.submit", {"tasks": tasks})).result
    kept = cast("list[dict[str, object]]", result["tasks"])
    return [str(each["task_id"]) for each in kept]


async def ended(client: WireClient, task_ids: list[str]) -> list[dict[str, object]]:
    params = {"task_ids": task_ids, "timeout_s": 60}
    result = (await client.call("tasks.wait", params, timeout_s=70.0)).result
    assert result["done"]
    return cast("list[dict[str, object]]", result["tasks"])


def worked(daemon: DaemonProcess) -> Counter[object]:
    """The tasks whose end it wrote down."""
    return Counter(line["task_id"] for line in daemon.logs("task_attempt_ended"))


async def test_what_one_submits_both_work_on_and_either_answers_for(
    tmp_path: Path,
) -> None:
    async with two_daemons(tmp_path, latency_s=0.2) as (one, two):
        async with wire_client(one.socket) as ours, wire_client(two.socket) as theirs:
            task_ids = await submit(ours)
            tasks = await ended(theirs, task_ids)
        for daemon in (one, two):
            assert await daemon.stop() == 0
            assert_well(daemon)
    ends = worked(one) + worked(two)
    assert {task["state"] for task in tasks} == {"done"}
    assert set(ends) == set(task_ids)
    assert set(ends.values()) == {1}
    assert min(len(worked(one)), len(worked(two))) >= TASKS // 8


async def test_what_one_leaves_behind_the_other_ends(tmp_path: Path) -> None:
    async with two_daemons(tmp_path, latency_s=0.4) as (one, two):
        async with wire_client(one.socket) as ours, wire_client(two.socket) as theirs:
            task_ids = await submit(ours)

            async def at_work() -> bool:
                return len(one.logs("task_attempt_ended")) > 0

            await eventually(at_work, 20.0)
            await one.kill()
            killed = utc()
            tasks = await ended(theirs, task_ids)
        assert await two.stop() == 0
        assert_well(two)
    orphans = [task for task in tasks if cast("int", task["attempts"]) > 1]
    assert {task["state"] for task in tasks} == {"done"}
    assert orphans
    assert len(orphans) <= 4  # as many as it worked on at once
    started = max(cast("float", task["started_at"]) for task in orphans)
    assert started - killed <= LEASE_S + 2.0  # once one of four places is free
