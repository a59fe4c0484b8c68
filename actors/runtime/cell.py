"""A place in the tree: actors live and die in it one after another.

Life of a place::

    down --start--> running --stop--> draining --nothing left--> ending --> down
                       |                  |                        ^
                       +---- crash, cancel (draining: timeout) ----+

Everything here happens in callbacks of the loop: nothing waits, except whoever awaits
``stop`` or ``cancel``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Never

from actors.runtime.actor import Actor, ActorContext
from actors.runtime.mailbox import Mailbox
from actors.runtime.ref import ActorRef, Envelope, Inbox, Reply
from actors.runtime.tree import ChildSpec, Exit, Host, Parent, Phase, describe

if TYPE_CHECKING:
    from actors.runtime.backend import Future, TimerHandle

BATCH = 64  # messages handled before the loop gets a turn
UNWIND_S = 5.0  # a cancelled task that takes longer to end is left behind

Handler = Callable[[object, Reply], None]


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

    def names(self) -> list[str]:
        return [self.name]

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
