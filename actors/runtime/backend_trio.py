"""The runtime on trio: for tests in virtual time, so plain rather than fast.

trio has no loop callbacks: one task, the pump, runs what ``call_soon`` and
``call_later`` have queued, in order.
"""

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import inf
from types import TracebackType
from typing import Generic, Self, TypeVar, TypeVarTuple

import trio

from actors.runtime.backend import Backend, Future, TaskHandle, TimerHandle

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Timer:
    """A queued callback."""

    __slots__ = ("call", "cancelled")

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _Task:
    """A task with its own scope, deaf to the scopes around it."""

    __slots__ = ("finished", "scope")

    def __init__(self) -> None:
        self.scope = trio.CancelScope(shield=True)
        self.finished = False

    def cancel(self) -> None:
        self.scope.cancel()

    def done(self) -> bool:
        return self.finished


class TrioFuture(Generic[T]):
    """A result that comes later, for one waiter."""

    __slots__ = ("_backend", "_callbacks", "_cancelled", "_error", "_value", "_waiter")

    def __init__(self, backend: "TrioBackend") -> None:
        self._backend = backend
        self._callbacks: list[Callable[[Future[T]], object]] | None = []
        self._cancelled = False
        self._error: BaseException | None = None
        self._value: list[T] = []  # empty, or the one result
        self._waiter: trio.lowlevel.Task | None = None

    def __await__(self) -> Generator[object, None, T]:
        return self._wait().__await__()

    def done(self) -> bool:
        return self._callbacks is None

    def cancelled(self) -> bool:
        return self._cancelled

    def result(self) -> T:
        if self._error is not None:
            raise self._error

        if not self._value:
            msg = "the future's waiter was cancelled"
            raise RuntimeError(msg)

        return self._value[0]

    def set_result(self, result: T, /) -> None:
        self._settle()
        self._value.append(result)

    def set_exception(self, exception: BaseException, /) -> None:
        self._settle()
        self._error = exception

    def add_done_callback(self, fn: Callable[[Future[T]], object], /) -> None:
        if self._callbacks is None:
            self._backend.call_soon(fn, self)
        else:
            self._callbacks.append(fn)

    async def _wait(self) -> T:
        if not self.done():
            if self._waiter is not None:
                msg = "a future has one waiter"
                raise RuntimeError(msg)

            self._waiter = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)

        return self.result()

    def _abort(self, _: Callable[[], None]) -> trio.lowlevel.Abort:
        self._waiter = None
        self._cancelled = True
        self._settle()
        return trio.lowlevel.Abort.SUCCEEDED

    def _settle(self) -> None:
        callbacks, self._callbacks = self._callbacks, None
        if callbacks is None:
            msg = "the future is done"
            raise RuntimeError(msg)

        for fn in callbacks:
            self._backend.call_soon(fn, self)

        if self._waiter is not None:
            trio.lowlevel.reschedule(self._waiter)
            self._waiter = None


class TrioBackend:
    """The running trio loop."""

    def __init__(self) -> None:
        self._ready: deque[_Timer] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._serial = count()
        self._lot = trio.lowlevel.ParkingLot()
        self._pumping = trio.CancelScope(shield=True)
        self._tasks: set[_Task] = set()
        self._manager = trio.open_nursery()
        self._nursery: trio.Nursery | None = None

    async def __aenter__(self) -> Self:
        self._nursery = await self._manager.__aenter__()
        self._nursery.start_soon(self._pump, name="runtime pump")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()

        self._pumping.cancel()
        # The exception passes by the nursery, which would wrap it in a group.
        await self._manager.__aexit__(None, None, None)

    def now(self) -> float:
        return trio.current_time()

    def future(self) -> Future[T]:
        return TrioFuture(self)

    def call_soon(self, fn: Callable[[*Ts], object], /, *args: *Ts) -> object:
        self._ready.append(_Timer(partial(fn, *args)))
        self._lot.unpark()
        return None

    def call_later(
        self, delay_s: float, fn: Callable[[*Ts], object], /, *args: *Ts
    ) -> TimerHandle:
        timer = _Timer(partial(fn, *args))
        heappush(self._timers, (self.now() + delay_s, next(self._serial), timer))
        self._lot.unpark()
        return timer

    def spawn(
        self,
        coro: Coroutine[object, object, object],
        *,
        name: str,
        on_error: Callable[[BaseException], None] | None = None,
        on_done: Callable[[TaskHandle], None] | None = None,
    ) -> TaskHandle:
        if self._nursery is None:
            coro.close()
            msg = "enter the backend first"
            raise RuntimeError(msg)

        task = _Task()
        self._tasks.add(task)
        self._nursery.start_soon(self._run, task, coro, on_error, on_done, name=name)
        return task

    async def _run(
        self,
        task: _Task,
        coro: Coroutine[object, object, object],
        on_error: Callable[[BaseException], None] | None,
        on_done: Callable[[TaskHandle], None] | None,
    ) -> None:
        try:
            if task.scope.cancel_called:
                coro.close()
            else:
                with task.scope:
                    await coro
        except Exception as error:
            if on_error is None:
                raise

            task.finished = True
            on_error(error)
        finally:
            task.finished = True
            self._tasks.discard(task)
            if on_done is not None:
                on_done(task)

    async def _pump(self) -> None:
        with self._pumping:
            while True:
                self._take_due()
                for _ in range(len(self._ready)):
                    timer = self._ready.popleft()
                    if not timer.cancelled:
                        timer.call()

                if self._ready:
                    await trio.lowlevel.checkpoint()
                else:
                    with trio.move_on_at(self._next_deadline()):
                        await self._lot.park()

    def _take_due(self) -> None:
        now = self.now()
        while self._next_deadline() <= now:
            self._ready.append(heappop(self._timers)[2])

    def _next_deadline(self) -> float:
        while self._timers and self._timers[0][2].cancelled:
            heappop(self._timers)

        return self._timers[0][0] if self._timers else inf


def new_backend() -> Backend:
    return TrioBackend()
