"""What the doors hold of the queue."""

from collections.abc import Callable, Sequence

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

GIVE_S = 8.0


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
        self._news: set[anyio.Event] = set()
        store.listen(self._heard)

    async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
        """Keep them, all or none; then they survive ``kill -9``."""
        kept = await self._store.submit(tasks)
        self._ref.tell(Ring())
        return kept

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
        left = set(task_ids)
        with anyio.move_on_after(timeout_s):
            while True:
                news = anyio.Event()
                self._news.add(news)
                try:
                    left = {each for each in left if not await self._ended(each)}
                    if not left:
                        break
                    with anyio.move_on_after(LOOK_S):
                        await news.wait()
                finally:
                    self._news.discard(news)
        return not left

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
            for news in self._news:
                news.set()
        elif change.state in {"queued", "waiting"}:
            self._ref.tell(Ring())
