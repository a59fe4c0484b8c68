"""A whole reply, head and body in one write.

What aiohttp makes of a table of headers, one await at a time, costs a tenth of a
request here; a reply's head is a handful of lines that are known.
"""

from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from typing_extensions import override

from ipc.http import web
from ipc.http.errors import Reply

SERVER: Final = "gitbridge"


class WholeResponse(web.StreamResponse):
    """Sends ``reply``, which has a body, to whoever asked."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(status=reply.status)
        self._reply = reply
        self._asked: web.BaseRequest | None = None

    @property
    @override
    def prepared(self) -> bool:
        return self._asked is not None

    @property
    @override
    def keep_alive(self) -> bool | None:
        """Whether the connection stays; nobody knows before somebody asked."""
        if self._keep_alive is not None or self._asked is None:
            return self._keep_alive
        return self._asked.keep_alive

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._asked = request
        return None

    @override
    async def write_eof(self, data: bytes = b"") -> None:
        request = self._asked
        assert request is not None
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        body = b"" if request.method == "HEAD" else self._reply.body
        transport.write(self._head(request) + body)
        await request.writer.drain()

    def _head(self, request: web.BaseRequest) -> bytes:
        reply, version = self._reply, request.version
        spoken = f"HTTP/{version.major}.{version.minor}"
        lines = [
            f"{spoken} {reply.status} {_reason(reply.status)}",
            f"server: {SERVER}",
            f"date: {rfc822_formatted_time()}",
            *(f"{name}: {value}" for name, value in reply.headers.items()),
            f"content-length: {len(reply.body)}",
        ]
        if self.keep_alive:
            if version == HttpVersion10:
                lines.append("connection: keep-alive")
        elif version >= HttpVersion11:
            lines.append("connection: close")
        head = "\r\n".join(lines)
        ends = len(lines) - 1
        if head.count("\n") != ends or head.count("\r") != ends or "\0" in head:
            raise ValueError("a header holds more than its line")
        return f"{head}\r\n\r\n".encode()


@lru_cache(maxsize=64)
def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # 499 is of nginx's making
        return ""
