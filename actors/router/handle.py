"""What the doors hold of the router."""

from functools import partial

from actors.errors import InternalError, Interrupted, Overloaded
from actors.messages.provider import DeltaSink
from actors.messages.routing import (
    EndSink,
    ErrorInfo,
    Priority,
    RouteRequest,
    RouteResult,
    StartSink,
    Strategy,
    Weights,
    error_info,
)
from actors.router.desk import Desk, Overrides
from actors.router.messages import (
    CancelRoute,
    RouterMessage,
    SetOverrides,
    StartRoute,
)
from actors.runtime import ActorRef, ActorStopped, AskTimeout, Future, MailboxFull

ASK_GRACE_S = 10.0
"""A request ends by its own deadline; past that plus this, the router is at fault."""


class PendingRoute:
    """A ``RouteHandle``: one request in the router's hands."""

    __slots__ = ("_ref", "_start", "_timeout_s")

    def __init__(
        self, ref: ActorRef[RouterMessage], start: StartRoute, timeout_s: float
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
        self._ref.tell(CancelRoute(self._start.request.request_id, interrupted))


def _end(on_end: EndSink, future: Future[object]) -> None:
    try:
        reply = future.result()
    except (MailboxFull, ActorStopped, AskTimeout) as error:
        reply = _lost(error)
    assert isinstance(reply, RouteResult | ErrorInfo)
    on_end(reply)


def _lost(error: MailboxFull | ActorStopped | AskTimeout) -> ErrorInfo:
    """What the caller is told when the router has not answered."""
    if isinstance(error, MailboxFull):
        return error_info(Overloaded("the router's mailbox is full", retry_after_s=1.0))
    if isinstance(error, ActorStopped):
        return error_info(Interrupted("the daemon stopped before the answer"))
    return error_info(InternalError("the router did not end the request"))


class RouterHandle:
    """A ``RouterRef`` over the router's mailbox."""

    def __init__(self, ref: ActorRef[RouterMessage], desk: Desk) -> None:
        self._ref = ref
        self._desk = desk

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None = None,
        on_start: StartSink | None = None,
    ) -> PendingRoute:
        asked = request.deadline_s or self._desk.settings.deadline_s
        timeout_s = min(asked, self._desk.settings.deadline_s) + ASK_GRACE_S
        return PendingRoute(self._ref, StartRoute(request, sink, on_start), timeout_s)

    def strategy(self) -> tuple[Strategy, Weights]:
        return self._desk.strategy, self._desk.weights

    def overridden(self) -> bool:
        return self._desk.overrides != Overrides()

    def overrides(self) -> tuple[Strategy | None, Weights | None]:
        return self._desk.overrides.strategy, self._desk.overrides.weights

    def in_flight(self) -> int:
        return self._desk.gate.in_flight

    def waiting(self) -> dict[Priority, int]:
        """How many of them wait for a place, by priority."""
        return self._desk.gate.depths()

    async def set_strategy(self, strategy: Strategy | None) -> None:
        change = SetOverrides(strategy=strategy, change_strategy=True)
        await self._ref.ask(change, timeout_s=ASK_GRACE_S)

    async def set_weights(self, weights: Weights | None) -> None:
        change = SetOverrides(weights=weights, change_weights=True)
        await self._ref.ask(change, timeout_s=ASK_GRACE_S)
