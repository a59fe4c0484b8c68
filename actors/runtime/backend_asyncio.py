"""The runtime on asyncio. The one file of the actors that may import it."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Self, TypeVar, TypeVarTuple

from actors.runtime.backend import Backend, Future, TaskHandle, TimerHandle

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class AsyncioBackend:
    """The running asyncio loop, uvloop's too."""

    def __init__(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        # uvloop's own time has milliseconds only, on the same clock.
        same = abs(loop.time() - time.monotonic()) < 1.0
        self._now = time.monotonic if same else loop.time
        context = copy_context()
        self._call_soon = partial(loop.call_soon, context=context)
        self._call_later = partial(loop.call_later, context=context)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in tuple(self._tasks):
            task.cancel()

    def now(self) -> float:
        return self._now()

    def future(self) -> Future[T]:
        return self._loop.create_future()

    def call_soon(self, fn: Callable[[*Ts], object], /, *args: *Ts) -> object:
        return self._call_soon(fn, *args)

    def call_later(
        self, delay_s: float, fn: Callable[[*Ts], object], /, *args: *Ts
    ) -> TimerHandle:
        return self._call_later(delay_s, fn, *args)

    def spawn(
        self,
        coro: Coroutine[object, object, object],
        *,
        name: str,
        on_error: Callable[[BaseException], None] | None = None,
        on_done: Callable[[TaskHandle], None] | None = None,
    ) -> TaskHandle:
        task = self._loop.create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(partial(self._settle, on_error, on_done))
        return task

    def _settle(
        self,
        on_error: Callable[[BaseException], None] | None,
        on_done: Callable[[TaskHandle], None] | None,
        task: asyncio.Task[object],
    ) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if on_error is not None:
                on_error(error)
            else:
                self._loop.call_exception_handler(
                    {"message": "unsupervised task", "exception": error, "task": task}
                )

        if on_done is not None:
            on_done(task)


def new_backend() -> Backend:
    return AsyncioBackend()
