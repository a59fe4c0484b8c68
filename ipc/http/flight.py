"""One routed request and the client that waits for it.

Deltas come in the provider's task and must not wait; the handler takes them out at the
pace at which the client reads. A client that reads too slowly for what is held for it
is given up.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from actors.errors import Cancelled, GitBridgeError, InternalError
from actors.messages.chat import Delta
from actors.messages.routing import (
    ErrorInfo,
    RouteHandle,
    RouteRequest,
    RouteResult,
    Started,
    error_info,
)
from ipc.following import Followed
from ipc.methods import Peer, Service
from ipc.stopping import stopped
from ipc.subscribing import NoticeParams

HELD_BYTES: Final = 4 * 1024 * 1024
"""How much of an answer waits for a client that does not read."""

_DELTA_BYTES: Final = 100  # about what a delta takes beside its text
_NOTICE_BYTES: Final = 1000  # about what a notice takes at most
_log = structlog.get_logger()


class Flight:
    """A request from the moment it is routed.

    ``follow`` is who asks, where a round of consensus is to be told as it goes: then
    notices come among the pieces of the answer.

    Attributes:
        started: Who serves, known when the first content comes.
        outcome: How it ended, once it has. Deltas may still be there to be taken.
    """

    def __init__(
        self,
        service: Service,
        request: RouteRequest,
        *,
        on_too_slow: Callable[[], None],
        follow: Peer | None = None,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        """Hand the request to the router.

        Raises:
            GitBridgeError: It is not taken.
        """
        self.started: Started | None = None
        self.outcome: RouteResult | ErrorInfo | None = None
        self._request_id = request.request_id
        self._held: list[Delta | NoticeParams] = []
        self._followed = follow is not None
        self._bytes = 0
        self._limit = held_bytes
        self._on_too_slow = on_too_slow
        self._news: asyncio.Future[None] | None = None  # what the handler waits for
        handle: RouteHandle
        if follow is not None:
            handle = Followed(
                service,
                request,
                follow,
                call_id=None,
                tell=self._take_in,
                sink=self._take_in,
                on_start=self._start,
            )
        elif request.stream:
            handle = service.route(request, self._take_in, self._start)
        else:
            handle = service.route(request, None)
        # The router holds this flight by its sink, and this flight the router's handle:
        # let go of at the end, for the collector comes seldom and megabytes may hang on.
        self._work: RouteHandle | None = handle
        handle.begin(self._settle)

    # Called by the router -------------------------------------------------------------

    def _start(self, started: Started) -> None:
        self.started = started

    def _take_in(self, piece: Delta | NoticeParams) -> None:
        if self.outcome is not None:
            return
        self._held.append(piece)
        self._bytes += (
            _NOTICE_BYTES if isinstance(piece, NoticeParams) else _size(piece)
        )
        self._tell()
        if self._bytes > self._limit:
            self._give_up()

    def _give_up(self) -> None:
        _log.warning(
            "client_dropped",
            request_id=self._request_id,
            reason="does not read",
            bytes=self._bytes,
        )
        self.leave()
        self._on_too_slow()

    def _settle(self, outcome: RouteResult | ErrorInfo) -> None:
        if self.outcome is None:
            self.outcome = outcome
            self._work = None
            self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # Called by the handler ------------------------------------------------------------

    async def ended(self) -> RouteResult | ErrorInfo:
        """Wait for the end."""
        while self.outcome is None:
            await self._changed()
        return self.outcome

    async def begun(self) -> Started | None:
        """Wait for the first content: ``None`` when it ended before any.

        Of a round that is followed its first notice is enough, and nobody serves yet.
        """
        while self.outcome is None and not self._may_begin():
            await self._changed()
        return self.started

    def _may_begin(self) -> bool:
        return bool(self._held) and (self._followed or self.started is not None)

    async def pieces(self) -> list[Delta | NoticeParams]:
        """Wait for more of the answer; empty when there is no more."""
        while not self._held and self.outcome is None:
            await self._changed()
        held, self._held, self._bytes = self._held, [], 0
        return held

    def leave(self) -> None:
        """Nobody waits any more: stop the upstream call. Harmless after the end."""
        if self._work is not None:
            self._work.cancel()
            self._settle(error_info(Cancelled("the caller went away")))
        self._held, self._bytes = [], 0

    def interrupt(self) -> None:
        """The daemon stops: have the router end it, and say so."""
        if self._work is not None:
            self._work.cancel(interrupted=True)

    def cut(self) -> None:
        """The router has said nothing: say it in its place."""
        self._settle(error_info(stopped()))

    async def _changed(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news


def explain(error: BaseException) -> ErrorInfo:
    """An exception as the caller gets it; what is our bug is logged."""
    if isinstance(error, GitBridgeError):
        return error_info(error)
    _log.error("request_failed", exc_info=error)
    return error_info(InternalError("something went wrong in the daemon"))


def _size(delta: Delta) -> int:
    size = _DELTA_BYTES
    for text in (delta.content, delta.reasoning, delta.refusal):
        size += len(text or "")
    return size + sum(len(call.arguments) for call in delta.tool_calls)
