"""The root of the tree: starts supervisors, ends everything, tells what happens."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
from msgspec import Struct

from actors.messages.lifecycle import ActorExited, ActorRestarted
from actors.runtime.backend import Backend, Future, current_backend
from actors.runtime.cell import ActorCell
from actors.runtime.ref import ActorRef
from actors.runtime.supervisor import Supervisor, SupervisorSpec
from actors.runtime.tree import Child, Exit, error_text

Event = ActorExited | ActorRestarted


class ActorStatistics(Struct, frozen=True, kw_only=True):
    """What an actor's mailbox looks like now, and what it has lost so far."""

    actor: str
    running: bool
    depth: int
    high_water: int
    dropped: int
    rejected: int
    restarts: int


class ActorSystem:
    """A running tree of actors: ``async with ActorSystem() as system``.

    Leaving the block stops everything in an orderly way; leaving it with an exception
    or a cancellation cancels everything.

    Args:
        backend: The event loop; that of the running one when left out.
        on_event: Hears of every exit and restart. What it raises is dropped.
        on_crash: Hears of every crash with the exception itself, for its traceback.
    """

    def __init__(
        self,
        backend: Backend | None = None,
        *,
        on_event: Callable[[Event], object] | None = None,
        on_crash: Callable[[str, BaseException], object] | None = None,
    ) -> None:
        self._given = backend
        self._backend: Backend | None = None
        self._on_event = on_event
        self._on_crash = on_crash
        self._names: set[str] = set()
        self._roots: list[Supervisor] = []
        self._failure: BaseException | None = None
        self._watchers: list[Future[None]] = []
        self._watched = False

    async def __aenter__(self) -> Self:
        self._backend = self._given or current_backend()
        await self._backend.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc is None:
                await self.stop()
        finally:
            with anyio.CancelScope(shield=True):
                for root in reversed(self._roots):
                    await root.cancel()

            await self.backend.__aexit__(exc_type, exc, traceback)

        if exc is None and self._failure is not None and not self._watched:
            raise self._failure

    @property
    def backend(self) -> Backend:
        """Raises ``RuntimeError`` before the system is entered."""
        if self._backend is None:
            msg = "enter the actor system first: async with ActorSystem() as system"
            raise RuntimeError(msg)

        return self._backend

    def start(self, spec: SupervisorSpec) -> Supervisor:
        """Start a tree; several are stopped in reverse order.

        Raises:
            ValueError: A name is taken.
            RuntimeError: The system has not been entered.
            Exception: Whatever an ``on_start`` raised; the rest is cancelled then.
        """
        _ = self.backend  # which raises before the system is entered
        names = set(self._names)
        try:
            self.claim(spec.id)
            root = Supervisor(spec, self, self)
        except ValueError:
            self._names = names
            raise

        self._roots.append(root)
        error = root.start()
        if error is not None:
            root.wanted = False
            self._names = names
            raise error

        return root

    async def stop(self) -> None:
        """Stop every tree in an orderly way, the last started first."""
        for root in reversed(self._roots):
            await root.stop()

    @property
    def failed(self) -> Future[None]:
        """Await it to be told: raises ``RestartsExceeded`` once a root gives up.

        Each access gives a new future, so that each has one waiter.
        """
        self._watched = True
        watcher: Future[None] = self.backend.future()
        if self._failure is not None:
            watcher.set_exception(self._failure)
        else:
            self._watchers = [w for w in self._watchers if not w.done()]
            self._watchers.append(watcher)

        return watcher

    def ref(self, name: str) -> ActorRef[object]:
        """The ref of an actor anywhere in the system.

        Raises:
            LookupError: There is none.
        """
        for cell in self._cells():
            if cell.name == name:
                return cell.ref

        msg = f"there is no actor {name}"
        raise LookupError(msg)

    def statistics(self) -> tuple[ActorStatistics, ...]:
        """Every actor's mailbox, in starting order."""
        return tuple(
            ActorStatistics(
                actor=cell.name,
                running=cell.ref.running,
                depth=len(cell.mailbox),
                high_water=cell.mailbox.high_water,
                dropped=cell.mailbox.dropped,
                rejected=cell.mailbox.rejected,
                restarts=max(0, cell.lives - 1),
            )
            for cell in self._cells()
        )

    def child_exited(self, child: Child, ended: Exit) -> None:
        """A root has ended; a failure of the system, unless it never started."""
        if ended.error is not None and child.wanted:
            self._fail(ended.error)

    def exited(self, name: str, ended: Exit, notes: Sequence[str] = ()) -> None:
        error = ended.error
        parts = [error_text(error), *notes] if error is not None else list(notes)
        text = "; ".join(parts) or None
        self._emit(ActorExited(actor=name, reason=ended.reason, error=text))
        if error is not None and self._on_crash is not None:
            with suppress(Exception):
                self._on_crash(name, error)

    def restarted(self, child: Child, ended: Exit) -> None:
        error = None if ended.error is None else error_text(ended.error)
        self._emit(
            ActorRestarted(actor=child.name, restarts=child.lives - 1, error=error)
        )

    def spawn(self, coro: Coroutine[object, object, None], name: str) -> None:
        """Run a supervisor's own work; a bug in it is a failure of the system."""
        self.backend.spawn(coro, name=f"{name}:repair", on_error=self._fail)

    def claim(self, name: str) -> None:
        if name in self._names:
            msg = f"there is a {name} already"
            raise ValueError(msg)

        self._names.add(name)

    def release(self, names: list[str]) -> None:
        self._names.difference_update(names)

    def _cells(self) -> list[ActorCell]:
        return [cell for root in self._roots for cell in root.actors()]

    def _emit(self, event: Event) -> None:
        if self._on_event is not None:
            with suppress(Exception):
                self._on_event(event)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            for watcher in self._watchers:
                if not watcher.done():
                    watcher.set_exception(error)
