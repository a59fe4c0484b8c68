"""``GET /events``: what happens, as server-sent events, as long as somebody listens."""

import asyncio
from typing import Final

import msgspec

from ipc.http import web
from ipc.http.exchange import query_params
from ipc.http.whole import SERVER
from ipc.methods import Peer, Service
from ipc.params import read_params
from ipc.subscribing import Listening, NoticeParams, SubscribeParams, begun, taken

KEEP_ALIVE_S: Final = 15.0
"""How often a comment is sent where nothing happens: proxies drop what is silent."""

_HEADERS: Final = {
    "server": SERVER,
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
_encode = msgspec.json.Encoder(decimal_format="number").encode


def topics(request: web.BaseRequest) -> SubscribeParams:
    """``?topics=requests,tasks``; without it all of them.

    Raises:
        InvalidRequest: There is no such topic, or no such param.
    """
    given: dict[str, object] = dict(query_params(request))
    text = given.get("topics")
    if isinstance(text, str):
        given["topics"] = [name.strip() for name in text.split(",")]
    return read_params(SubscribeParams, given)


class Broadcast:
    """One listener over HTTP.

    Args:
        keep_alive_s: The longest silence.
    """

    def __init__(
        self,
        service: Service,
        peer: Peer,
        params: SubscribeParams,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self._params = params
        self._news = asyncio.Event()
        self._over = False
        self._keep_alive_s = keep_alive_s
        self._listening: Listening = service.listen(params.chosen, self._news.set, peer)

    async def send(self, request: web.BaseRequest) -> web.StreamResponse:
        """Tell until the listener leaves or ``end``; waits for slow readers."""
        response = web.StreamResponse(headers=_HEADERS)
        response.force_close()
        try:
            await response.prepare(request)
            if request.method == "HEAD":
                return response
            await response.write(b"retry: 2000\n\n" + event(begun(None, self._params)))
            while not self._over:
                await response.write(await self._next())
            await response.write_eof()
        finally:
            self._listening.close()
        return response

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._keep_alive_s):
                await self._news.wait()
        except TimeoutError:
            return b": nothing new\n\n"
        self._news.clear()
        told = taken(None, self._listening)
        return b"".join(map(event, told)) or b": the end\n\n"

    def end(self) -> None:
        """Close, soon: the daemon stops, or others may come in now."""
        self._over = True
        self._news.set()


def event(notice: NoticeParams) -> bytes:
    """A notice as an event; its id is the number, its type the name."""
    number = b"" if notice.number is None else b"id: %d\n" % notice.number
    name = notice.name.encode()
    return b"%sevent: %s\ndata: %s\n\n" % (number, name, _encode(notice))
