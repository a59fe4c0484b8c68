"""What the runtime needs of an event loop: futures, callbacks, timers, tasks.

anyio's own event costs several times a future, hence this thin layer: one shell for
asyncio, which the daemon runs on, and one for trio, whose virtual clock serves tests.
"""

from collections.abc import Callable, Coroutine, Generator
from importlib import import_module
from types import TracebackType
from typing import Protocol, Self, TypeVar, TypeVarTuple

import anyio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class TimerHandle(Protocol):
    """A callback that has been scheduled for later."""

    def cancel(self) -> object:
        """Do not call it; harmless when it has been called."""


class TaskHandle(Protocol):
    """A running coroutine."""

    def cancel(self) -> object:
        """Ask it to stop at its next await; never starts it if it has not started."""

    def done(self) -> bool: ...


class Future(Protocol[T]):
    """A result that comes later, for one waiter.

    A waiter that is cancelled cancels the future: ``done`` becomes true.
    """

    def __await__(self) -> Generator[object, None, T]: ...

    def done(self) -> bool: ...

    def cancelled(self) -> bool: ...

    def result(self) -> T:
        """The result, or its error raised; only once it is done."""

    def set_result(self, result: T, /) -> None:
        """Raises an error when the future is done."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Raises an error when the future is done."""

    def add_done_callback(self, fn: Callable[["Future[T]"], object], /) -> None:
        """Call ``fn(future)`` from the loop once it is done, soon if it is."""


class Backend(Protocol):
    """One event loop. Enter it before use; leaving it cancels what it still runs.

    Callbacks run in the backend's own context: context variables of whoever schedules
    one do not travel with it.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def now(self) -> float:
        """Monotonic seconds, on the loop's clock."""

    def future(self) -> Future[T]: ...

    def call_soon(self, fn: Callable[[*Ts], object], /, *args: *Ts) -> object:
        """Call ``fn(*args)`` in the next turn of the loop, first come first served.

        ``fn`` must not raise.
        """

    def call_later(
        self, delay_s: float, fn: Callable[[*Ts], object], /, *args: *Ts
    ) -> TimerHandle:
        """Call ``fn(*args)`` after ``delay_s`` seconds. ``fn`` must not raise."""

    def spawn(
        self,
        coro: Coroutine[object, object, object],
        *,
        name: str,
        on_error: Callable[[BaseException], None] | None = None,
        on_done: Callable[[TaskHandle], None] | None = None,
    ) -> TaskHandle:
        """Run a coroutine; a cancelled surrounding scope does not reach it.

        ``on_error`` gets what it raises (not its cancellation), then ``on_done`` is
        called in every case. Without ``on_error`` the exception goes to the loop's own
        handler of unexpected errors.
        """


def current_backend() -> Backend:
    """The backend of the running event loop.

    Raises:
        RuntimeError: No event loop is running.
    """
    library = anyio.get_cancelled_exc_class().__module__.partition(".")[0]
    module = import_module(f"actors.runtime.backend_{library}")
    make: Callable[[], Backend] = module.new_backend
    return make()
