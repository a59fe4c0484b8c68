"""The stores of tasks against the one in memory, in any order of calls."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from typing_extensions import override

from actors.messages.tasks import TaskStore
from daemon.redis_address import parse_redis_url
from daemon.storage.redis.link import RedisLink
from daemon.storage.redis.tasks.store import RedisTasks
from daemon.storage.tasks.sqlite import SqliteTasks
from tests.support.redis_server import RedisServer, redis_server
from tests.support.task_machine import TaskMachine

MEMORY = Path("/dev/shm")
"""Where a commit need not wait for a disk."""

SETTINGS = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),  # to make a story shorter takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)


class SqliteMachine(TaskMachine):
    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        super().__init__()

    @override
    async def make(self) -> TaskStore:
        return SqliteTasks(self._folder)

    @override
    async def unmake(self, *, for_good: bool) -> None:
        if for_good:
            shutil.rmtree(self._folder)


def test_sqlite() -> None:
    run_state_machine_as_test(SqliteMachine, settings=SETTINGS)


_prefixes = itertools.count()


class RedisMachine(TaskMachine):
    """With keys of its own for every story, on one server."""

    url = ""

    def __init__(self) -> None:
        self._prefix = f"story{next(_prefixes)}"
        super().__init__()

    @override
    async def make(self) -> TaskStore:
        self._over = asyncio.Event()
        linked: asyncio.Future[RedisLink] = asyncio.get_running_loop().create_future()
        self._held = asyncio.ensure_future(self._hold(linked))
        return RedisTasks(await linked)

    async def _hold(self, linked: asyncio.Future[RedisLink]) -> None:
        address = parse_redis_url(self.url)
        # The loop stands still between calls: nothing may be late because of that.
        async with RedisLink(address, prefix=self._prefix, timeout_s=60.0) as link:
            linked.set_result(link)
            await self._over.wait()

    @override
    async def unmake(self, *, for_good: bool) -> None:
        del for_good  # the server keeps it
        self._over.set()
        await self._held


@pytest.fixture
def server() -> Iterator[RedisServer]:
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    with redis_server(folder) as running:
        yield running
    shutil.rmtree(folder)


def test_redis(server: RedisServer) -> None:
    RedisMachine.url = server.url
    run_state_machine_as_test(RedisMachine, settings=SETTINGS)
