"""What the doors hold of the router."""

from functools import partial

from actors.messages.provider import DeltaSink
from actors.messages.routing import (
    Priority,
    RouteRequest,
    StartSink,
    Strategy,
    Weights,
)
from actors.pending import ASK_GRACE_S, Pending
from actors.router.desk import Desk, Overrides
from actors.router.messages import (
    CancelRoute,
    RouterMessage,
    SetOverrides,
    StartRoute,
)
from actors.runtime import ActorRef


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
    ) -> Pending[RouterMessage]:
        asked = request.deadline_s or self._desk.settings.deadline_s
        return Pending(
            self._ref,
            StartRoute(request, sink, on_start),
            partial(CancelRoute, request.request_id),
            min(asked, self._desk.settings.deadline_s),
        )

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
