"""The best a Python daemon could do with no routing at all: decode, forward, decode, encode.

Typed msgspec both ways, uvloop, aiohttp's client as lean as it goes (no timeouts, no
cookies, no checks). What ours costs is told as a ratio to this, in the same run.

    python ceiling.py --front aiohttp|mux --socket PATH --upstream 127.0.0.1:9100

``aiohttp``: aiohttp's web server, JSON in and out, streams passed through. ``mux``:
``[u32 n][u32 id][u8 flags][msgpack]`` both ways, many requests at a time on a
connection; flag bit 0 is the last frame of an id; answers of one turn of the loop are
written together.
"""

import argparse
import asyncio
import gc
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import msgspec
import uvloop
from aiohttp import web
from msgspec import Struct
from typing_extensions import override

PATH = "/v1/chat/completions"
LAST, MORE = b"\1", b"\0"


class Message(Struct, omit_defaults=True):
    """A message, either way."""

    role: str
    content: str | list[object] | None = None
    name: str | None = None
    tool_calls: list[object] | None = None
    tool_call_id: str | None = None


class Request(Struct, omit_defaults=True):
    """What a router that looks at its traffic would read at the least."""

    model: str
    messages: list[Message]
    stream: bool = False
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    tools: list[object] | None = None
    stop: object = None


class Choice(Struct, omit_defaults=True):
    """One choice of an answer."""

    index: int
    message: Message
    finish_reason: str | None = None


class Usage(Struct, omit_defaults=True):
    """The tokens of an answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: dict[str, object] | None = None
    completion_tokens_details: dict[str, object] | None = None


class Answer(Struct, omit_defaults=True):
    """An answer."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None


request_of_json = msgspec.json.Decoder(Request).decode
request_of_msgpack = msgspec.msgpack.Decoder(Request).decode
answer_of_json = msgspec.json.Decoder(Answer).decode
as_json = msgspec.json.Encoder().encode
as_msgpack = msgspec.msgpack.Encoder().encode


class Upstream:
    """aiohttp's client with everything switched off that can be."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}{PATH}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=False),
            headers={
                "Content-Type": "application/json",
                "Authorization": "Bearer sk-mock",
            },
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def post(self, body: bytes) -> tuple[int, bytes]:
        async with self._session.post(self._url, data=body) as response:
            return response.status, await response.read()

    async def stream(self, body: bytes) -> AsyncIterator[bytes]:
        async with self._session.post(self._url, data=body) as response:
            async for chunk in response.content.iter_any():
                yield chunk


def http_app(upstream: Upstream) -> web.Application:
    async def chat(request: web.Request) -> web.StreamResponse:
        asked = request_of_json(await request.read())
        if asked.stream:
            out = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await out.prepare(request)
            async for chunk in upstream.stream(as_json(asked)):
                await out.write(chunk)
            await out.write_eof()
            return out
        status, body = await upstream.post(as_json(asked))
        return web.Response(
            body=as_json(answer_of_json(body)),
            status=status,
            content_type="application/json",
        )

    app = web.Application()
    app.router.add_post(PATH, chat)
    return app


class Mux(asyncio.Protocol):
    """One multiplexed connection."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._held = b""
        self._out: list[bytes] = []
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        data = self._held + data if self._held else data
        at, size = 0, len(data)
        while size - at >= 4:
            length = int.from_bytes(data[at : at + 4], "big")
            if size - at - 4 < length:
                break
            call, body = data[at + 4 : at + 8], data[at + 9 : at + 4 + length]
            task = self._loop.create_task(self._serve(call, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            at += 4 + length
        self._held = data[at:]

    async def _serve(self, call: bytes, body: bytes) -> None:
        asked = request_of_msgpack(body)
        if not asked.stream:
            _, answer = await self._upstream.post(as_json(asked))
            self._put(call, LAST, as_msgpack(answer_of_json(answer)))
            return
        async for chunk in self._upstream.stream(as_json(asked)):
            for event in chunk.split(b"\n\n"):  # the mock never splits an event
                if event:
                    self._put(call, MORE, event[6:])
        self._put(call, LAST, b"")

    def _put(self, call: bytes, flags: bytes, body: bytes) -> None:
        self._out += ((len(body) + 5).to_bytes(4, "big"), call, flags, body)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        out, self._out = self._out, []
        self._transport.write(b"".join(out))


async def serve(front: str, socket: str, address: str) -> None:
    upstream = Upstream(address)
    if front == "aiohttp":
        runner = web.AppRunner(http_app(upstream), access_log=None)
        await runner.setup()
        await web.UnixSite(runner, socket).start()
    else:
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(
            lambda: Mux(upstream), socket, backlog=1024
        )
        assert server.is_serving()  # and kept: a server nobody refers to closes
    gc.collect()
    gc.freeze()
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--front", choices=("aiohttp", "mux"), required=True)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--upstream", required=True)
    options = parser.parse_args()
    uvloop.run(serve(options.front, options.socket, options.upstream))
