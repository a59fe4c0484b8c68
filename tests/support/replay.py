"""A local server that answers with recorded exchanges, whatever it is asked.

Realism: recorded status, headers and bytes over real HTTP, streams in pieces of changing
size; not recorded, and so not replayed, are the moments at which the pieces came.
"""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from tests.support.recorded import Exchange, body_of, headers_of, status_of, streamed

_NOT_OURS = {"connection", "date", "server", "keep-alive"}
MAX_PIECE = 300


class ReplayServer:
    """Answers every request with ``exchange``, and keeps what was asked."""

    def __init__(self) -> None:
        self.exchange: Exchange | None = None
        self.asked: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []  # lower-case names
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        row = self.exchange
        assert row is not None, f"nobody said how to answer {request.path}"
        body = await request.read()
        self.asked.append(msgspec.json.decode(body) if body else {})
        self.headers.append({k.lower(): v for k, v in request.headers.items()})
        headers = {
            key: value
            for key, value in headers_of(row).items()
            if key.lower() not in _NOT_OURS
        }
        if not streamed(row):
            return web.Response(
                status=status_of(row), headers=headers, body=body_of(row)
            )
        response = web.StreamResponse(status=status_of(row), headers=headers)
        await response.prepare(request)
        for piece in pieces_of(body_of(row), row["id"]):
            await response.write(piece)
        await response.write_eof()
        return response


def pieces_of(body: bytes, seed: str) -> Iterator[bytes]:
    """``body`` cut anywhere, the same each time."""
    draw = random.Random(seed)
    while body:
        size = draw.randint(1, MAX_PIECE)
        yield body[:size]
        body = body[size:]


@asynccontextmanager
async def replay_server() -> AsyncIterator[ReplayServer]:
    """A running server on loopback; ``url`` has no trailing slash."""
    server = ReplayServer()
    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()
