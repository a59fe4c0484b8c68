"""The stores of tasks, each made empty; what holds for one must hold for all of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from actors.messages.tasks import TaskStore
from daemon.redis_address import parse_redis_url
from daemon.storage.redis.link import RedisLink
from daemon.storage.redis.tasks.store import RedisTasks
from daemon.storage.tasks.sqlite import SqliteTasks
from tests.support.memory_tasks import MemoryTasks
from tests.support.redis_server import redis_server


@asynccontextmanager
async def in_memory(_: Path) -> AsyncIterator[TaskStore]:
    yield MemoryTasks()


@asynccontextmanager
async def in_sqlite(folder: Path) -> AsyncIterator[TaskStore]:
    store = SqliteTasks(folder)
    yield store
    await store.close()


@asynccontextmanager
async def in_redis(folder: Path) -> AsyncIterator[TaskStore]:
    with redis_server(folder / "redis") as server:
        async with RedisLink(parse_redis_url(server.url)) as link:
            yield RedisTasks(link)


STORES: dict[str, Callable[[Path], AbstractAsyncContextManager[TaskStore]]] = {
    "memory": in_memory,
    "sqlite": in_sqlite,
    "redis": in_redis,
}


@pytest.fixture(params=STORES)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[TaskStore]:
    async with STORES[request.param](tmp_path) as made:
        yield made
