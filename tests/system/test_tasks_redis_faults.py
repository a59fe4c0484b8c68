"""Redis is killed, frozen, failed over or not there at all while a daemon works on tasks.

Requests are answered as before, calls of the queue fail at once, work goes on by itself,
and no task whose submission was acknowledged is lost.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import cast

import anyio
import pytest

from tests.support.conditions import ask, until_cleared, until_raised
from tests.support.daemon_process import DaemonProcess, assert_well, prepared_daemon
from tests.support.outages import outages
from tests.support.redis_server import RedisServer, redis_server, wanted_program
from tests.support.redis_sets import sentinel_set, wait_for
from tests.support.waiting import eventually
from tests.support.wire_client import WireClient, wire_client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LEASE_S = 2.0
PAUSE_S = 0.01
FAST_S = 2.0
"""A call of the queue has failed by then: its time-out is a second."""

BACK_S = 40.0


def queue(url: str) -> str:
    return f"""
[queue]
backend = "redis"
url = "{url}"
lease_s = {LEASE_S}
max_attempts = 100
"""


@dataclass
class Submitter:
    """Submits one task after the other, and remembers what it was told."""

    acknowledged: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    async def run(self, client: WireClient) -> None:
        while True:
            await self.submit(client)
            await anyio.sleep(PAUSE_S)

    async def submit(self, client: WireClient) -> bool:
        begun = monotonic()
        exchange = await client.call("tasks.submit", {"prompt": "hi"})
        self.slowest_s = max(self.slowest_s, monotonic() - begun)
        if exchange.error is None:
            self.acknowledged.append(str(exchange.result["task_id"]))
            return True
        data = cast("dict[str, object]", exchange.error["data"])
        self.refusals.append(str(data["kind"]))
        return False

    async def go_on(self, more: int = 5) -> None:
        """Wait until more of them were acknowledged."""
        wanted = len(self.acknowledged) + more

        async def there() -> bool:
            return len(self.acknowledged) >= wanted

        await eventually(there, BACK_S)


async def all_done(client: WireClient, task_ids: list[str]) -> None:
    params = {"task_ids": task_ids[:1000], "timeout_s": 60}
    result = (await client.call("tasks.wait", params, timeout_s=70.0)).result
    tasks = cast("list[dict[str, object]]", result["tasks"])
    assert Counter(task["state"] for task in tasks) == {"done": len(task_ids)}


@asynccontextmanager
async def at_work(
    tmp_path: Path, url: str, more: str = ""
) -> AsyncIterator[tuple[DaemonProcess, WireClient]]:
    async with outages() as world:
        with prepared_daemon(tmp_path, f"{queue(url)}{more}\n{world.config}") as daemon:
            await daemon.start()
            async with wire_client(daemon.socket) as client:
                yield daemon, client
            assert await daemon.stop() == 0
            assert_well(daemon)


def recorded_once(daemon: DaemonProcess) -> None:
    ends = Counter(
        line["task_id"]
        for line in daemon.all_logs()
        if line["event"] == "task_attempt_ended" and line["state"] == "done"
    )
    assert max(ends.values()) == 1


async def killed(server: RedisServer) -> None:
    server.kill()
    await anyio.sleep(1.0)
    await asyncio.to_thread(server.start)


async def restarted(server: RedisServer) -> None:
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)


async def frozen(server: RedisServer) -> None:
    server.freeze()
    await anyio.sleep(3.0)
    server.thaw()


@pytest.mark.parametrize("fault", [killed, restarted, frozen])
async def test_nothing_acknowledged_is_lost_and_work_goes_on(
    tmp_path: Path, fault: Callable[[RedisServer], Coroutine[object, object, None]]
) -> None:
    submitter = Submitter()
    with redis_server(tmp_path / "redis") as server:
        async with at_work(tmp_path, server.url) as (daemon, client):
            async with anyio.create_task_group() as group:
                group.start_soon(submitter.run, client)
                await submitter.go_on()
                async with anyio.create_task_group() as both:
                    both.start_soon(fault, server)
                    both.start_soon(ask, client)
                await submitter.go_on()
                group.cancel_scope.cancel()
            await all_done(client, submitter.acknowledged)
            recorded_once(daemon)
    assert set(submitter.refusals) <= {"overloaded"}
    assert submitter.slowest_s < FAST_S


async def test_a_fail_over_is_followed(tmp_path: Path) -> None:
    """Nothing acknowledged is lost: the replica had it before."""
    submitter = Submitter()
    with sentinel_set(tmp_path / "redis") as (master, replica, url):
        async with at_work(tmp_path, url, "replicas = 1") as (daemon, client):
            async with anyio.create_task_group() as group:
                group.start_soon(submitter.run, client)
                await submitter.go_on(20)
                master.kill()
                await ask(client)
                await asyncio.to_thread(
                    wait_for, replica, "role:master", "info", "replication"
                )
                await asyncio.to_thread(master.start)  # as the replica of the other
                await submitter.go_on(20)
                group.cancel_scope.cancel()
            await all_done(client, submitter.acknowledged)
            recorded_once(daemon)
    assert submitter.refusals
    assert set(submitter.refusals) == {"overloaded"}
    assert submitter.slowest_s < FAST_S


async def test_a_daemon_starts_without_redis_and_works_once_it_is_there(
    tmp_path: Path,
) -> None:
    server = RedisServer(tmp_path / "redis", program=wanted_program())
    submitter = Submitter()
    try:
        async with at_work(tmp_path, server.url) as (_, client):
            await ask(client)
            assert not await submitter.submit(client)
            await until_raised(client, "queue_unavailable")
            await asyncio.to_thread(server.start)
            await eventually(lambda: submitter.submit(client), BACK_S)
            await all_done(client, submitter.acknowledged)
            await until_cleared(client, "queue_unavailable", "redis_away")
    finally:
        server.kill()
    assert submitter.slowest_s < FAST_S
