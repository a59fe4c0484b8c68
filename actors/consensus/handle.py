"""What the doors hold of the consensus actor: rounds are begun like requests."""

from functools import partial

from actors.consensus.desk import Desk
from actors.consensus.messages import CancelRound, ConsensusMessage, StartRound
from actors.consensus.settings import ConsensusSettings
from actors.errors import InternalError, Interrupted, Overloaded
from actors.messages.provider import DeltaSink
from actors.messages.routing import (
    EndSink,
    ErrorInfo,
    RouteRequest,
    RouteResult,
    StartSink,
    error_info,
)
from actors.runtime import ActorRef, ActorStopped, AskTimeout, Future, MailboxFull

ASK_GRACE_S = 10.0
"""A round ends by its own deadline; past that plus this, the actor is at fault."""


class PendingRound:
    """A ``RouteHandle``: one round in the consensus actor's hands."""

    __slots__ = ("_ref", "_start", "_timeout_s")

    def __init__(
        self, ref: ActorRef[ConsensusMessage], start: StartRound, timeout_s: float
    ) -> None:
        self._ref = ref
        self._start = start
        self._timeout_s = timeout_s

    def begin(self, on_end: EndSink) -> None:
        try:
            future: Future[object] = self._ref.ask(
                self._start, timeout_s=self._timeout_s
            )
        except (MailboxFull, ActorStopped) as error:
            on_end(_lost(error))
        else:
            future.add_done_callback(partial(_end, on_end))

    def cancel(self, *, interrupted: bool = False) -> None:
        self._ref.tell(CancelRound(self._start.request.request_id, interrupted))


class ConsensusHandle:
    """Begins rounds over the actor's mailbox."""

    def __init__(self, ref: ActorRef[ConsensusMessage], desk: Desk) -> None:
        self._ref = ref
        self._desk = desk

    def configure(self, settings: ConsensusSettings) -> None:
        """Begin rounds by these from now on; those in progress go on as they began."""
        self._desk.settings = settings

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None = None,
        on_start: StartSink | None = None,
    ) -> PendingRound:
        """A round about this request, whose ``consensus`` says how."""
        limit_s = self._desk.settings.deadline_s + ASK_GRACE_S
        return PendingRound(self._ref, StartRound(request, sink, on_start), limit_s)


def _end(on_end: EndSink, future: Future[object]) -> None:
    try:
        reply = future.result()
    except (MailboxFull, ActorStopped, AskTimeout) as error:
        reply = _lost(error)
    assert isinstance(reply, RouteResult | ErrorInfo)
    on_end(reply)


def _lost(error: MailboxFull | ActorStopped | AskTimeout) -> ErrorInfo:
    """What the caller is told when the actor has not answered."""
    if isinstance(error, MailboxFull):
        return error_info(
            Overloaded("the mailbox of consensus is full", retry_after_s=1.0)
        )
    if isinstance(error, ActorStopped):
        return error_info(Interrupted("the daemon stopped before the verdict"))
    return error_info(InternalError("consensus did not end the round"))
