"""A place in the tree: actors live and die in it one after another.

Life of a place::

    down --start--> running --stop--> draining --nothing left--> ending --> down
                       |                  |                        ^
                       +---- crash, cancel (draining: timeout) ----+

Everything here happens in callbacks of the loop: nothing waits, except whoever awaits
``stop`` or ``cancel``.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Literal, Never, Protocol

from msgspec import Struct

from actors.messages.lifecycle import ExitReason
from actors.runtime.actor import Actor, ActorContext
from actors.runtime.backend import Backend, Future, TimerHandle
from actors.runtime.mailbox import Mailbox, Overflow
from actors.runtime.ref import ActorRef, Envelope, Inbox, Reply
from actors.runtime.restart import RestartPolicy

BATCH = 64  # messages handled before the loop gets a turn
UNWIND_S = 5.0  # a cancelled task that takes longer to end is left behind

Phase = Literal["down", "running", "draining", "ending"]


class ChildSpec(Struct, frozen=True, kw_only=True):
    """How to start, restart and stop an actor.

    ``id`` is its name, unique in its system. ``restart``: ``permanent`` always,
    ``transient`` after a crash, ``temporary`` never. ``shutdown_s`` bounds the drain of
    an orderly stop in seconds; 0 cancels at once. ``mailbox`` counts messages.
    """

    id: str
    factory: Callable[[], Actor[Never]]
    restart: RestartPolicy = "permanent"
    shutdown_s: float = 5.0
    mailbox: int = 1024
    overflow: Overflow = "reject"


Handler = Callable[[object, Reply], None]


class Exit(Struct, frozen=True):
    """How a life ended."""

    reason: ExitReason
    error: BaseException | None = None


class Parent(Protocol):
    """Who hears of a child's end."""

    def child_exited(self, child: "Child", ended: Exit) -> None: ...


class Child(Protocol):
    """What supervisors supervise: actors and other supervisors.

    Attributes:
        lives: How often it has been started.
        wanted: It should be running; false once it has ended for good.
    """

    name: str
    policy: RestartPolicy
    lives: int
    wanted: bool

    @property
    def down(self) -> bool: ...

    def start(self) -> BaseException | None:
        """Start it; return what kept it from starting. It has ended then."""

    async def stop(self) -> None:
        """End it in an orderly way; return when it is down."""

    async def cancel(self) -> None:
        """End it at once; return when it is down."""


class Host(Protocol):
    """What the whole tree shares."""

    @property
    def backend(self) -> Backend: ...

    def exited(self, name: str, ended: Exit, notes: Sequence[str] = ()) -> None:
        """Tell the listener that a life is over."""

    def restarted(self, child: Child, ended: Exit) -> None:
        """Tell the listener that a child runs again, and what had ended it."""

    def spawn(self, coro: Coroutine[object, object, None], name: str) -> None:
        """Run a supervisor's own work."""

    def claim(self, name: str) -> None:
        """Reserve a name; raises ``ValueError`` when it is taken."""

    def release(self, name: str) -> None: ...


def _nobody(message: object, reply: Reply) -> None:
    """Handle nothing: no actor lives here."""


class ActorCell:
    """The place of one actor."""

    def __init__(self, spec: ChildSpec, host: Host, parent: Parent) -> None:
        self.name = spec.id
        self.policy = spec.restart
        self.lives = 0
        self.wanted = False
        self._spec = spec
        self._host = host
        self._parent = parent
        self._phase: Phase = "down"
        self._mailbox: Mailbox[Envelope] = Mailbox(spec.mailbox, spec.overflow)
        self._inbox = Inbox(spec.id, host.backend, self._mailbox, self._drain)
        self._actor: Actor[Never] | None = None
        self._handle: Handler = _nobody
        self._context: ActorContext[object] | None = None
        self._exit = Exit("stopped")
        self._deadline: TimerHandle | None = None
        self._waiters: list[Future[None]] = []
        self.ref: ActorRef[object] = ActorRef(self._inbox)

    @property
    def down(self) -> bool:
        return self._phase == "down"

    @property
    def mailbox(self) -> Mailbox[Envelope]:
        return self._mailbox

    def start(self) -> BaseException | None:
        self.lives += 1
        self.wanted = True
        self._phase = "running"
        self._inbox.gate = "open"
        self._context = ActorContext(self._inbox, self)
        try:
            actor = self._spec.factory()
            actor.context = self._context
            actor.on_start()
        except Exception as error:  # noqa: BLE001 - contained: it is the actor's crash
            self._end(Exit("crashed", error))
            return error

        self._actor = actor
        # What a ref may carry is checked where the ref is handed out.
        self._handle = actor.handle  # type: ignore[assignment]  # see above
        return None

    async def stop(self) -> None:
        if self._spec.shutdown_s <= 0:
            self._end(Exit("cancelled"))
        else:
            self.begin_stop()

        await self._ended()

    async def cancel(self) -> None:
        self._end(Exit("cancelled"))
        await self._ended()

    def begin_stop(self) -> None:
        """Close the door; end when the mailbox is empty and every ask is answered."""
        if self._phase != "running":
            return

        self._phase = "draining"
        self._inbox.gate = "own"
        backend = self._host.backend
        self._deadline = backend.call_later(
            self._spec.shutdown_s, self._end, Exit("stopped")
        )
        for reply in self._inbox.pending:
            reply.when_settled(self._end_if_drained)

        backend.call_soon(self._end_if_drained)

    def crashed(self, context: ActorContext[Never], error: BaseException) -> None:
        if context is self._context:
            self._end(Exit("crashed", error))

    def task_ended(self, context: ActorContext[Never]) -> None:
        over = self._phase == "ending" and context is self._context
        if over and not context.busy:
            self._finish()

    def _drain(self) -> None:
        take, handle = self._mailbox.take, self._handle
        for _ in range(BATCH):
            envelope = take()
            if envelope is None:
                break

            try:
                handle(*envelope)
            except Exception as error:  # noqa: BLE001 - contained: the actor's crash
                self._inbox.drained()
                self._end(Exit("crashed", error))
                return
        else:
            self._inbox.schedule()
            return

        self._inbox.drained()
        self._end_if_drained()

    def _end_if_drained(self) -> None:
        if self._phase != "draining" or self._mailbox:
            return

        if not any(reply.wanted for reply in self._inbox.pending):
            self._end(Exit("stopped"))

    def _end(self, ended: Exit) -> None:
        if self._phase not in {"running", "draining"} or self._context is None:
            return

        self._phase = "ending"
        self._exit = ended
        self._cancel_deadline()
        self._inbox.shut(f"{self.name} {describe(ended)}")
        self._context.close()
        if self._context.busy:
            self._deadline = self._host.backend.call_later(UNWIND_S, self._finish)
        else:
            self._finish()

    def _finish(self) -> None:
        if self._phase != "ending" or self._context is None:
            return

        self._cancel_deadline()
        notes = [f"left behind: {name}" for name in self._context.busy]
        actor, self._actor, self._context = self._actor, None, None
        if actor is not None:
            try:
                actor.on_stop()
            except Exception as error:  # noqa: BLE001 - contained: it ends anyway
                notes.append(f"on_stop: {type(error).__name__}: {error}")

        self._phase = "down"
        self._host.exited(self.name, self._exit, notes)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

        self._waiters.clear()
        self._parent.child_exited(self, self._exit)

    async def _ended(self) -> None:
        if not self.down:
            waiter: Future[None] = self._host.backend.future()
            self._waiters.append(waiter)
            await waiter

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def error_text(error: BaseException) -> str:
    """The exception's type and text."""
    return f"{type(error).__name__}: {error}"


def describe(ended: Exit) -> str:
    """How a life ended, for people."""
    if ended.error is None:
        return f"was {ended.reason}"

    return f"{ended.reason} ({error_text(ended.error)})"
