"""What the doors hold of the queue."""

from collections.abc import Callable, Sequence
from itertools import islice

import anyio

from actors.messages.tasks import (
    FINAL,
    NewTask,
    QueueStats,
    Submitted,
    Task,
    TaskChange,
    TaskPage,
    TaskQuery,
    TaskStore,
)
from actors.runtime import ActorRef, ActorStopped, AskTimeout, MailboxFull
from actors.task_queue.messages import CancelWork, Give, QueueMessage, Ring

LOOK_S = 2.0
"""How often to look at tasks that are waited for: news of others may be lost."""

LOOK_ROWS = 50
"""At how many of them at once: a large batch is not read again and again."""

GIVE_S = 8.0


class _Waiter:
    """``left`` has not ended as far as is known; ``told`` of them may have."""

    def __init__(self, task_ids: Sequence[str]) -> None:
        self.left = dict.fromkeys(task_ids)
        self.told = list(self.left)
        self.news = anyio.Event()

    def hear(self, task_id: str) -> None:
        if task_id in self.left:
            self.told.append(task_id)
            self.news.set()

    def look_at(self) -> list[str]:
        """Those that may have ended; where none is told of, the longest unseen."""
        found = self.told or list(islice(self.left, LOOK_ROWS))
        self.told = []
        self.news = anyio.Event()
        for each in found:  # to the end of the line
            if each in self.left:
                self.left[each] = self.left.pop(each)
        return found


class TaskQueueHandle:
    """Submit, look at, wait for, cancel.

    Args:
        ref: The queue's actor.
        store: What keeps the tasks.
        utc: Epoch seconds.
    """

    def __init__(
        self,
        ref: ActorRef[QueueMessage],
        store: TaskStore,
        utc: Callable[[], float],
    ) -> None:
        self._ref = ref
        self._store = store
        self._utc = utc
        self._waiters: set[_Waiter] = set()
        store.listen(self._heard)

    async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
        """Keep them, all or none; then they survive ``kill -9``."""
        try:
            return await self._store.submit(tasks)
        finally:
            self._ref.tell(Ring())  # where it failed: so that the queue finds out why

    async def get(self, task_id: str) -> Task | None:
        return await self._store.get(task_id)

    async def find(self, query: TaskQuery) -> TaskPage:
        return await self._store.find(query)

    async def cancel(self, task_id: str) -> Task | None:
        """Cancel it; the upstream call too, where it is in work."""
        task = await self._store.cancel(task_id, self._utc())
        if task is not None and task.cancel_wanted:
            self._ref.tell(CancelWork(task_id))
        return task

    async def retry(self, task_id: str) -> Task | None:
        task = await self._store.retry(task_id, self._utc())
        self._ref.tell(Ring())
        return task

    async def stats(self) -> QueueStats:
        return await self._store.stats(self._utc())

    async def wait(self, task_ids: Sequence[str], timeout_s: float) -> bool:
        """Wait until all of them have ended; whether they have, in time."""
        waiter = _Waiter(task_ids)
        self._waiters.add(waiter)
        try:
            with anyio.move_on_after(timeout_s):
                while waiter.left:
                    await self._look(waiter)
        finally:
            self._waiters.discard(waiter)
        return not waiter.left

    async def _look(self, waiter: _Waiter) -> None:
        for task_id in waiter.look_at():
            if await self._ended(task_id):
                waiter.left.pop(task_id, None)
        if waiter.left:
            with anyio.move_on_after(LOOK_S):
                await waiter.news.wait()

    async def give_back(self) -> None:
        """Claim nothing more and give back what is in work; others may have it then."""
        with anyio.move_on_after(GIVE_S):
            try:
                await self._ref.ask(Give(), timeout_s=GIVE_S)
            except (ActorStopped, AskTimeout, MailboxFull):
                return  # its leases run out

    async def _ended(self, task_id: str) -> bool:
        task = await self._store.get(task_id)
        return task is None or task.state in FINAL

    def _heard(self, change: TaskChange) -> None:
        if change.state in FINAL:
            for waiter in self._waiters:
                waiter.hear(change.task_id)
        elif change.state in {"queued", "waiting"}:
            self._ref.tell(Ring())
        elif change.cancel_wanted:  # whoever wants it may be with another daemon
            self._ref.tell(CancelWork(change.task_id))
