"""One chat answer as server-sent events, at the pace at which its client reads.

Status and headers leave with the first content, not before: until then a failure has a
status of its own. Whoever wants to be told how a round of consensus goes gives that up.
"""

from collections.abc import Callable
from typing import Final

from actors.messages.chat import Delta
from actors.messages.routing import ErrorInfo, RouteResult, Started
from ipc.http import translate, web
from ipc.http.chunks import ChunkWriter
from ipc.http.errors import error_reply
from ipc.http.exchange import respond
from ipc.http.flight import Flight
from ipc.http.whole import SERVER
from ipc.route import CONSENSUS
from ipc.subscribing import NoticeParams

_HEADERS: Final = {
    "server": SERVER,
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


async def stream_answer(
    request: web.BaseRequest,
    asked: translate.Asked,
    flight: Flight,
    *,
    created: int,
    last: Callable[[], bool],
) -> web.StreamResponse:
    """Send everything from the head to the last chunk, or an error in its place.

    Args:
        request: Where it goes.
        asked: What was asked for.
        flight: The request, routed.
        created: UTC epoch seconds that the chunks name.
        last: Whether the connection is to be closed behind it.
    """
    request_id = asked.request.request_id
    served, outcome = await flight.begun(), flight.outcome
    if isinstance(outcome, ErrorInfo) and served is None:
        return respond(error_reply(outcome, request_id=request_id))
    if isinstance(outcome, RouteResult):
        served = served or translate.started(outcome)
    response = web.StreamResponse(headers=_HEADERS | _head(served, outcome, request_id))
    if last():
        response.force_close()
    model = CONSENSUS if served is None else served.model
    chunks = ChunkWriter(request_id, created, model, include_usage=asked.include_usage)
    await response.prepare(request)
    await _Sending(response, flight, chunks, asked.progress).send()
    return response


def _head(
    served: Started | None, outcome: RouteResult | ErrorInfo | None, request_id: str
) -> dict[str, str]:
    if isinstance(outcome, RouteResult):
        return translate.result_headers(outcome)
    if served is None:  # a round that has only begun
        return {"x-request-id": request_id, "x-gitbridge-cache": "miss"}
    return translate.started_headers(served, request_id)


class _Sending:
    """Everything from the first chunk to the last; waits for the client to read."""

    def __init__(
        self,
        response: web.StreamResponse,
        flight: Flight,
        chunks: ChunkWriter,
        shape: translate.ProgressShape | None,
    ) -> None:
        self._response = response
        self._flight = flight
        self._chunks = chunks
        self._shape = shape
        self._begun = False

    async def send(self) -> None:
        while pieces := await self._flight.pieces():
            started = self._flight.started
            if started is not None and not self._begun:
                self._chunks.serves(started.model)
            await self._response.write(b"".join(map(self._piece, pieces)))
        await self._response.write_eof(self._ending(await self._flight.ended()))

    def _piece(self, piece: Delta | NoticeParams) -> bytes:
        if isinstance(piece, Delta):
            return self._first() + self._chunks.delta(piece)
        return b"" if self._shape is None else self._chunks.progress(piece, self._shape)

    def _first(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._chunks.first()

    def _ending(self, outcome: RouteResult | ErrorInfo) -> bytes:
        if isinstance(outcome, ErrorInfo):
            return self._first() + self._chunks.broken(outcome)
        if self._begun:
            return self._chunks.end(outcome)
        self._chunks.serves(outcome.model)
        whole = self._chunks.whole(outcome)
        return self._first() + whole + self._chunks.end(outcome)
