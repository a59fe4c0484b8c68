"""A round of consensus, told between the pieces of its answer to whoever reads along.

The notices are those of the topic ``consensus``, of this request alone. What waits is
sent before each piece and before the end, so that everything comes in its order.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from actors.messages.chat import Delta
from actors.messages.notices import Topic
from actors.messages.provider import DeltaSink
from actors.messages.routing import (
    EndSink,
    ErrorInfo,
    RouteHandle,
    RouteRequest,
    RouteResult,
    StartSink,
)
from ipc.methods import Peer, Service
from ipc.session import StartRoute
from ipc.subscribing import NoticeParams, taken

TOPICS: Final[tuple[Topic, ...]] = ("consensus",)


def routed(
    service: Service,
    event: StartRoute,
    peer: Peer,
    *,
    tell: Callable[[NoticeParams], None],
    sink: DeltaSink,
) -> RouteHandle:
    """What a native connection was asked for, with as much along the way as it wants."""
    call, request = event.call, event.request
    if not (request.stream and call.wants_reply):
        return service.route(request, None)
    if not event.follow:
        return service.route(request, sink)
    return Followed(service, request, peer, call_id=call.id, tell=tell, sink=sink)


class Followed:
    """A ``RouteHandle`` of a request that is streamed.

    Args:
        service: Who takes the request in.
        request: A round of consensus.
        peer: Who asks.
        call_id: What the notices are marked with.
        tell: Gets each notice.
        sink: Gets the pieces.
        on_start: As for ``Service.route``.

    Raises:
        GitBridgeError: The request is not taken.
    """

    def __init__(
        self,
        service: Service,
        request: RouteRequest,
        peer: Peer,
        *,
        call_id: int | str | None,
        tell: Callable[[NoticeParams], None],
        sink: DeltaSink,
        on_start: StartSink | None = None,
    ) -> None:
        self._call_id = call_id
        self._tell = tell
        self._sink = sink
        loop = asyncio.get_running_loop()
        self._listening = service.listen(
            TOPICS,
            lambda: loop.call_soon(self._pump),
            peer,
            about=request.request_id,
        )
        try:
            self._handle = service.route(request, self._pass_on, on_start)
        except BaseException:
            self._listening.close()
            raise

    def begin(self, on_end: EndSink) -> None:
        self._handle.begin(partial(self._end, on_end))

    def cancel(self, *, interrupted: bool = False) -> None:
        self._handle.cancel(interrupted=interrupted)

    def _pump(self) -> None:
        for notice in taken(self._call_id, self._listening):
            self._tell(notice)

    def _pass_on(self, delta: Delta) -> None:
        self._pump()
        self._sink(delta)

    def _end(self, on_end: EndSink, outcome: RouteResult | ErrorInfo) -> None:
        self._pump()
        self._listening.close()
        on_end(outcome)
