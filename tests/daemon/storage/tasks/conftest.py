"""The stores of tasks, each made empty; what holds for one must hold for all of them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from actors.messages.tasks import TaskStore
from daemon.storage.tasks.sqlite import SqliteTasks
from tests.support.memory_tasks import MemoryTasks

STORES: dict[str, Callable[[Path], TaskStore]] = {
    "memory": lambda _: MemoryTasks(),
    "sqlite": SqliteTasks,
}


@pytest.fixture(params=STORES)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[TaskStore]:
    made = STORES[request.param](tmp_path)
    yield made
    await made.close()
