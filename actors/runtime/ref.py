"""Talking to an actor: refs, replies, and the inbox both meet at."""

from collections.abc import Callable
from math import inf
from typing import Generic, Literal, Protocol, TypeVar

from actors.errors import OurError, Overloaded
from actors.runtime.backend import Backend, Future, TimerHandle
from actors.runtime.mailbox import Mailbox

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")

TIMER_SLACK_S = 1e-4
"""Timers may come this much early, for they count in whole milliseconds or ulps."""

Gate = Literal["open", "own", "shut"]  # own: only for what the actor sends itself


class ActorStopped(OurError):
    """Raised when an actor is down, or goes down before it has answered."""


class AskTimeout(OurError):
    """Raised when an actor has not answered in time. It may still do the work."""


class MailboxFull(Overloaded):
    """Raised when a mailbox has no room for an ask, or drops one it had."""


class Reply(Protocol):
    """The way back to whoever asked; used once, now or later, from any task."""

    @property
    def wanted(self) -> bool:
        """Somebody is still waiting: not after a timeout or a cancellation.

        Never for a ``tell``; answers to it go nowhere.
        """

    def send(self, value: object) -> None:
        """Answer; nothing happens when the answer is no longer wanted.

        Raises:
            RuntimeError: It has been answered already.
        """

    def fail(self, error: BaseException) -> None:
        """Answer with an error, which the asker's ``await`` raises.

        Raises:
            RuntimeError: It has been answered already.
        """


class PendingAsk:
    """The reply of one ask: its future, and when (loop time) it is given up."""

    __slots__ = ("_future", "_pending", "_sent", "deadline", "timeout_s")

    def __init__(
        self,
        future: Future[R],
        pending: set["PendingAsk"],
        deadline: float,
        timeout_s: float,
    ) -> None:
        # What the result is like is between the asker and the actor.
        self._future: Future[object] = future  # type: ignore[assignment]  # see above
        self._pending = pending
        self._sent = False
        self.deadline = deadline
        self.timeout_s = timeout_s

    @property
    def wanted(self) -> bool:
        return not self._future.done()

    def send(self, value: object) -> None:
        self._claim()
        if not self._future.done():
            self._future.set_result(value)

    def fail(self, error: BaseException) -> None:
        self._claim()
        if not self._future.done():
            self._future.set_exception(error)

    def abandon(self, error: BaseException) -> None:
        """End the wait with an error that the actor has not sent."""
        self._settle()
        if not self._future.done():
            self._future.set_exception(error)

    def when_settled(self, fn: Callable[[], object]) -> None:
        """Call ``fn`` soon after nobody waits any more, however that comes about."""
        self._future.add_done_callback(lambda _: fn())

    def _claim(self) -> None:
        if self._sent:
            msg = "this reply has been sent already"
            raise RuntimeError(msg)

        self._sent = True
        self._settle()

    def _settle(self) -> None:
        self._pending.discard(self)


class NoReply:
    """The reply of a tell: nobody waits."""

    __slots__ = ()

    @property
    def wanted(self) -> bool:
        return False

    def send(self, value: object) -> None: ...

    def fail(self, error: BaseException) -> None: ...

    def abandon(self, error: BaseException) -> None: ...


NO_REPLY = NoReply()

Envelope = tuple[object, PendingAsk | NoReply]


class Inbox:
    """Where messages wait, and the asks that wait for their answers.

    It belongs to a place in the tree, not to the actor that lives there now.
    ``drain`` is called from the loop, once, after messages have come.
    """

    __slots__ = (
        "_drain",
        "_look_at",
        "_scheduled",
        "_timer",
        "backend",
        "gate",
        "mailbox",
        "name",
        "pending",
    )

    def __init__(
        self,
        name: str,
        backend: Backend,
        mailbox: Mailbox[Envelope],
        drain: Callable[[], None],
    ) -> None:
        self.name = name
        self.backend = backend
        self.mailbox = mailbox
        self.gate: Gate = "shut"
        self.pending: set[PendingAsk] = set()
        self._drain = drain
        self._scheduled = False
        self._look_at = inf  # when the timer looks for asks that are to be given up
        self._timer: TimerHandle | None = None

    def admits(self, *, own: bool) -> bool:
        return self.gate == "open" or (own and self.gate == "own")

    def post(self, message: object, reply: PendingAsk | NoReply) -> bool:
        """Queue a message, or apply the overflow policy; False when it is not queued."""
        entry = (message, reply)
        lost = self.mailbox.offer(entry)
        if lost is not None:
            if lost is entry:
                return False

            self._displace(lost)

        if not self._scheduled:
            self.schedule()

        return True

    def post_own(self, message: object) -> None:
        """Queue what the actor has scheduled for itself, even into a full mailbox."""
        self.mailbox.force((message, NO_REPLY))
        if not self._scheduled:
            self.schedule()

    def await_answer(self, reply: PendingAsk) -> None:
        """Give this ask up at its deadline, unless it has been settled by then.

        One timer serves all asks: nearly every one is answered long before.
        """
        self.pending.add(reply)
        if reply.deadline < self._look_at:
            self._look(reply.deadline)

    def _look(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()

        self._look_at = at
        delay_s = max(0.0, at - self.backend.now())
        self._timer = self.backend.call_later(delay_s, self._give_up)

    def _give_up(self) -> None:
        self._timer, self._look_at = None, inf
        now = self.backend.now() + TIMER_SLACK_S
        for reply in [each for each in self.pending if each.deadline <= now]:
            reply.abandon(
                AskTimeout(f"{self.name} has not answered within {reply.timeout_s:g} s")
            )

        if self.pending:
            self._look(min(each.deadline for each in self.pending))

    def schedule(self) -> None:
        self._scheduled = True
        self.backend.call_soon(self._drain)

    def drained(self) -> None:
        """Say that the drain callback is over and must be scheduled again."""
        self._scheduled = False

    def shut(self, why: str) -> None:
        """Accept nothing, throw away what is queued, fail every ask at once."""
        self.gate = "shut"
        self.mailbox.clear()
        for reply in tuple(self.pending):
            reply.abandon(ActorStopped(why))

    def _displace(self, lost: Envelope) -> None:
        lost[1].abandon(MailboxFull(f"{self.name} dropped its oldest message"))


class ActorRef(Generic[M_contra]):
    """The address of an actor; valid for ever, whoever lives there now."""

    __slots__ = ("_inbox", "_own")

    def __init__(self, inbox: Inbox, *, own: bool = False) -> None:
        self._inbox = inbox
        self._own = own

    @property
    def name(self) -> str:
        return self._inbox.name

    @property
    def depth(self) -> int:
        """How many messages wait to be handled."""
        return len(self._inbox.mailbox)

    @property
    def running(self) -> bool:
        """Whether it takes messages now."""
        return self._inbox.gate == "open"

    def tell(self, message: M_contra) -> bool:
        """Send a message; never blocks, never raises.

        Returns:
            False when the actor is down or its mailbox has not taken the message.
        """
        inbox = self._inbox
        if inbox.gate != "open" and not inbox.admits(own=self._own):
            return False

        return inbox.post(message, NO_REPLY)

    def ask(self, message: M_contra, *, timeout_s: float) -> Future[R]:
        """Send a message now; await the result for the answer.

        The result has one waiter; cancelling that withdraws the wish for an answer,
        not the message.

        Raises:
            ActorStopped: The actor is down (at once), or went down (from the await).
            MailboxFull: It has no room (at once), or dropped it later (from the await).
            AskTimeout: No answer within ``timeout_s`` (from the await).
        """
        inbox = self._inbox
        if inbox.gate != "open" and not inbox.admits(own=self._own):
            raise ActorStopped(f"{inbox.name} is not running")

        backend = inbox.backend
        future: Future[R] = backend.future()
        deadline = backend.now() + timeout_s
        reply = PendingAsk(future, inbox.pending, deadline, timeout_s)
        if not inbox.post(message, reply):
            raise MailboxFull(f"{inbox.name} has {self.depth} messages waiting already")

        inbox.await_answer(reply)
        return future
