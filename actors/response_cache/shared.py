"""A call under way, and everybody who waits for it."""

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from actors.errors import GitBridgeError
from actors.messages.chat import Delta
from actors.messages.routing import (
    ErrorInfo,
    RouteHandle,
    RouteRef,
    RouteRequest,
    RouteResult,
    Started,
    error_info,
)
from actors.policy.reuse import body_print
from actors.response_cache.waiter import Waiter

if TYPE_CHECKING:
    import anyio


class SharedCall:
    """One request in the router's hands, for as long as anybody waits for it.

    Args:
        request: As it was asked first: by the caller who pays.
        asked: Its fingerprint.
        keep: Its answer goes into the cache.
        ends_at: When its own time is over, by the backend's clock.
        on_failed: Told when no answer will come of it for whoever comes later.

    Attributes:
        keys: The idempotency keys under which its answer is kept.
        outcome: How it ended, once it has.
        begun: It is, or was, in the router's hands.
        settled: Set when what came of it is kept, or forgotten; made when that begins.
    """

    def __init__(
        self,
        request: RouteRequest,
        asked: bytes,
        *,
        keep: bool,
        ends_at: float = math.inf,
        on_failed: Callable[["SharedCall"], None],
    ) -> None:
        self.request = request
        self.asked = asked
        self.keep = keep
        self.ends_at = ends_at
        self.keys: set[bytes] = set()
        self.outcome: RouteResult | ErrorInfo | None = None
        self.begun = False
        self.settled: anyio.Event | None = None
        self._on_failed = on_failed
        self._waiters: list[Waiter] = []
        self._started: Started | None = None
        self._deltas: list[Delta] = []
        self._handle: RouteHandle | None = None

    @cached_property
    def body(self) -> bytes:
        """What repeats of its keys are compared by."""
        return body_print(self.request)

    @property
    def going(self) -> bool:
        """Somebody waits for it, and it has not ended."""
        return self.outcome is None and bool(self._waiters)

    @property
    def emitted(self) -> bool:
        """Some of its answer was streamed."""
        return bool(self._deltas)

    def begin(self, routes: RouteRef) -> None:
        """Have it answered, unless everybody has left by now."""
        if not self._waiters:
            return
        self.begun = True
        streams = self.request.stream
        handle = routes.route(
            self.request,
            self._take if streams else None,
            self._start if streams else None,
        )
        self._handle = handle
        handle.begin(self._end)

    def join(self, waiter: Waiter) -> None:
        """Wait for it too; what was streamed already is told at once."""
        if self._started is not None:
            waiter.begin(self._started)
            for delta in self._deltas:
                waiter.take(delta)
        if self.outcome is not None:
            waiter.end(self.outcome)
        else:
            self._waiters.append(waiter)

    def leave(
        self, waiter: Waiter, error: GitBridgeError, *, interrupted: bool
    ) -> None:
        """Wait no longer. With the last of all the call ends, too."""
        if waiter not in self._waiters:
            return
        alone = len(self._waiters) == 1
        if alone:
            self._on_failed(self)
        if alone and self._handle is not None:
            self._handle.cancel(interrupted=interrupted)
            if waiter.leads:
                return  # the router tells how it ended, and what it cost
        self._waiters.remove(waiter)
        waiter.end(error_info(error))

    # Called by whoever answers --------------------------------------------------------

    def _start(self, started: Started) -> None:
        self._started = started
        for waiter in self._waiters:
            waiter.begin(started)

    def _take(self, delta: Delta) -> None:
        self._deltas.append(delta)
        for waiter in self._waiters:
            waiter.take(delta)

    def _end(self, outcome: RouteResult | ErrorInfo) -> None:
        self.outcome = outcome
        self._handle = None
        if isinstance(outcome, ErrorInfo):
            self._on_failed(self)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.end(outcome)
