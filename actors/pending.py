"""One request in the hands of an actor that takes requests in: begun, told, cancelled.

The router and consensus are such actors: they answer a ``Start`` with a ``RouteResult``
or an ``ErrorInfo``, and hear of a ``Cancel`` by its own message.
"""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from actors.errors import RESTART_S, InternalError, Interrupted, Overloaded
from actors.messages.routing import EndSink, ErrorInfo, RouteResult, error_info
from actors.runtime import ActorRef, ActorStopped, AskTimeout, Future, MailboxFull

M = TypeVar("M")

ASK_GRACE_S = 10.0
"""A request ends by its own deadline; past that plus this, the actor is at fault."""


class Pending(Generic[M]):
    """A ``RouteHandle``.

    Args:
        ref: The actor.
        start: What begins the request there.
        cancel: Makes what cancels it; ``True`` when the daemon stops.
        limit_s: The request's own limit.
    """

    __slots__ = ("_cancel", "_limit_s", "_ref", "_start")

    def __init__(
        self,
        ref: ActorRef[M],
        start: M,
        cancel: Callable[[bool], M],
        limit_s: float,
    ) -> None:
        self._ref = ref
        self._start = start
        self._cancel = cancel
        self._limit_s = limit_s

    def begin(self, on_end: EndSink) -> None:
        try:
            future: Future[object] = self._ref.ask(
                self._start, timeout_s=self._limit_s + ASK_GRACE_S
            )
        except (MailboxFull, ActorStopped) as error:
            on_end(_lost(error))
        else:
            future.add_done_callback(partial(_end, on_end))

    def cancel(self, *, interrupted: bool = False) -> None:
        self._ref.tell(self._cancel(interrupted))


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
        return error_info(Overloaded("the mailbox is full", retry_after_s=1.0))
    if isinstance(error, ActorStopped):
        return error_info(
            Interrupted("the daemon stopped before the answer", retry_after_s=RESTART_S)
        )
    return error_info(InternalError("the request was not ended in its time"))
