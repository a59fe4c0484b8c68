"""What an actor is: state, a synchronous handler, and tasks of its own."""

from collections.abc import Callable, Coroutine
from typing import Generic, Never, Protocol, TypeVar

from actors.runtime.backend import Backend, TaskHandle, TimerHandle
from actors.runtime.ref import ActorRef, ActorStopped, Inbox, Reply

M_contra = TypeVar("M_contra", contravariant=True)


class Place(Protocol):
    """What a context needs of the place its actor lives in."""

    def crashed(self, context: "ActorContext[Never]", error: BaseException) -> None: ...

    def begin_stop(self) -> None: ...

    def task_ended(self, context: "ActorContext[Never]") -> None: ...


class _OwnTimer:
    """A message to the actor itself, later."""

    __slots__ = ("_handle", "_timers")

    def __init__(self, timers: set["_OwnTimer"]) -> None:
        self._timers = timers
        self._handle: TimerHandle | None = None

    def start(
        self,
        backend: Backend,
        delay_s: float,
        post: Callable[[object], None],
        message: object,
    ) -> None:
        self._timers.add(self)
        self._handle = backend.call_later(delay_s, self._fire, post, message)

    def cancel(self) -> None:
        self._timers.discard(self)
        if self._handle is not None:
            self._handle.cancel()

    def _fire(self, post: Callable[[object], None], message: object) -> None:
        if self in self._timers:
            self._timers.discard(self)
            post(message)


class ActorContext(Generic[M_contra]):
    """One life of an actor: its tasks and timers, which end with it.

    Attributes:
        name: The child's id.
        ref: Its own address; unlike others' refs it is heard while the actor drains.
        backend: The event loop.
    """

    def __init__(self, inbox: Inbox, place: Place) -> None:
        self.name = inbox.name
        self.ref: ActorRef[M_contra] = ActorRef(inbox, own=True)
        self.backend = inbox.backend
        self._inbox = inbox
        self._place = place
        self._tasks: dict[TaskHandle, str] = {}
        self._timers: set[_OwnTimer] = set()
        self._over = False

    def now(self) -> float:
        """Loop time in seconds."""
        return self.backend.now()

    def spawn(
        self, coro: Coroutine[object, object, object], *, name: str | None = None
    ) -> TaskHandle:
        """Run a coroutine as part of this actor.

        It is cancelled when the actor stops or crashes; an exception in it crashes the
        actor.

        Raises:
            ActorStopped: This life of the actor is over; the coroutine is closed.
        """
        label = name or str(getattr(coro, "__name__", "task"))
        if self._over:
            coro.close()
            raise ActorStopped(f"{self.name} is over and starts no {label}")

        task = self.backend.spawn(
            coro,
            name=f"{self.name}:{label}",
            on_error=self._task_failed,
            on_done=self._task_done,
        )
        self._tasks[task] = label
        return task

    def call_later(self, delay_s: float, message: M_contra) -> TimerHandle:
        """Send ``message`` to this actor in ``delay_s`` seconds.

        It always fits into the mailbox, and never reaches a later life.
        """
        timer = _OwnTimer(self._timers)
        if not self._over:
            timer.start(self.backend, delay_s, self._inbox.post_own, message)

        return timer

    def stop(self) -> None:
        """Stop this actor in an orderly way, soon."""
        if not self._over:
            self._place.begin_stop()

    @property
    def busy(self) -> tuple[str, ...]:
        """Names of the tasks that run."""
        return tuple(self._tasks.values())

    def close(self) -> None:
        """Cancel every task and timer; nothing new is started."""
        self._over = True
        for timer in tuple(self._timers):
            timer.cancel()

        for task in tuple(self._tasks):
            task.cancel()

    def _task_failed(self, error: BaseException) -> None:
        self._place.crashed(self, error)

    def _task_done(self, task: TaskHandle) -> None:
        self._tasks.pop(task, None)
        self._place.task_ended(self)


class Actor(Generic[M_contra]):
    """Subclass this: state in attributes, changed by ``handle`` and its own tasks only.

    Attributes:
        context: Bound before ``on_start``; not there yet in ``__init__``.
    """

    context: ActorContext[M_contra]

    def on_start(self) -> None:
        """Begin this life. An exception here is a crash."""

    def handle(self, message: M_contra, reply: Reply) -> None:
        """Handle one message, without waiting for anything.

        ``reply`` may be kept and answered later, by a task for example.
        """
        raise NotImplementedError

    def on_stop(self) -> None:
        """End this life, whatever ended it: its tasks are over. Errors are contained.

        Not called when ``on_start`` failed.
        """
