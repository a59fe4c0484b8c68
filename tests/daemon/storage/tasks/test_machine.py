"""The stores of tasks against the one in memory, in any order of calls."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from typing_extensions import override

from actors.messages.tasks import TaskStore
from daemon.storage.tasks.sqlite import SqliteTasks
from tests.support.task_machine import TaskMachine

MEMORY = Path("/dev/shm")
"""Where a commit need not wait for a disk."""

SETTINGS = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
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
    async def unmake(self) -> None:
        shutil.rmtree(self._folder)


SqliteMachine.TestCase.settings = SETTINGS
TestSqlite = SqliteMachine.TestCase
