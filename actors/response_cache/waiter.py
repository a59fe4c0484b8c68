"""One of those who wait for a call: what it is told, and when it waits no longer."""

from msgspec.structs import replace

from actors.messages.chat import Delta
from actors.messages.routing import ErrorInfo, RouteResult, Started
from actors.policy.reuse import deltas_of
from actors.response_cache.messages import StartAnswer
from actors.runtime import Backend, Future


class Waiter:
    """Passes a call on to one caller.

    Args:
        start: What the caller wants, and where its stream goes.
        backend: Whose clock and futures.
        decision_id: Of the caller's own decision; ``None`` for the caller that the call
            is made for, who is told everything as it comes.

    Attributes:
        over: Done when there is nothing more to wait for.
        given: Some of the answer has gone to the caller.
        first_at: When it had; by the backend's clock.
    """

    def __init__(
        self, start: StartAnswer, backend: Backend, decision_id: str | None
    ) -> None:
        self._sink = start.sink
        self._on_start = start.on_start
        self._backend = backend
        self._decision_id = decision_id
        self._live = decision_id is None or start.request.stream_mode != "buffered"
        self.over: Future[RouteResult | ErrorInfo] = backend.future()
        self.given = False
        self.first_at: float | None = None

    @property
    def leads(self) -> bool:
        """The call is made for this caller."""
        return self._decision_id is None

    def begin(self, started: Started) -> None:
        """The first of the answer is about to come."""
        if self._live:
            self._begin(started)

    def _begin(self, started: Started) -> None:
        if self._on_start is None:
            return
        if self._decision_id is not None:
            started = replace(
                started, decision_id=self._decision_id, attempts=0, cached=True
            )
        self._on_start(started)

    def take(self, delta: Delta) -> None:
        """A piece of the answer."""
        if self._live:
            self._take(delta)

    def _take(self, delta: Delta) -> None:
        if self._sink is None or self.over.done():
            return
        if not self.given:
            self.given, self.first_at = True, self._backend.now()
        self._sink(delta)

    def end(self, outcome: RouteResult | ErrorInfo) -> None:
        """It has ended; a stream that was told nothing of it is told all of it."""
        if self.over.done():
            return
        if isinstance(outcome, RouteResult) and not self.leads and not self.given:
            self.tell(outcome)
        self.over.set_result(outcome)

    def tell(self, result: RouteResult) -> None:
        """Stream a whole answer."""
        if self._sink is None:
            return
        self._begin(
            Started(
                provider=result.provider,
                model=result.model,
                decision_id=result.decision_id,
                attempts=0,
                simulated=result.simulated,
            )
        )
        for delta in deltas_of(result):
            self._take(delta)
