"""Work away from the event loop, or that goes on when nobody waits for it any more."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar, TypeVarTuple

import anyio.to_thread

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Finisher:
    """Runs jobs one at a time, each to its end.

    anyio's shields do not hold against the cancellation of the task itself, hence a
    task of its own for each job.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Event] = set()

    async def run(self, job: Coroutine[object, object, T]) -> T:
        """Run the job; a cancelled caller leaves it running."""
        ended = asyncio.Event()

        def end(task: asyncio.Task[T]) -> None:
            self._running.discard(ended)
            ended.set()
            if not task.cancelled():
                task.exception()  # seen: perhaps nobody waits for it any more

        task = asyncio.ensure_future(self._alone(job))
        self._running.add(ended)
        task.add_done_callback(end)
        return await asyncio.shield(task)

    async def finished(self) -> None:
        """Wait for the jobs that were started so far."""
        for ended in tuple(self._running):
            await ended.wait()

    async def _alone(self, job: Coroutine[object, object, T]) -> T:
        async with self._lock:
            return await job


async def in_thread(work: Callable[[*Ts], T], *arguments: *Ts) -> T:
    """Do something that blocks, or takes long, in a thread."""
    return await anyio.to_thread.run_sync(work, *arguments)
