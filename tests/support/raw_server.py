"""A TCP server that says exactly what a test tells it to, and notes who hangs up."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Script = Callable[["Caller"], Awaitable[None]]


@dataclass
class Caller:
    """One accepted connection. ``number`` counts them from 0."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    left_at: float = 0.0
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self) -> str:
        """Read one request; the head as text, its body in ``bodies``."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = 0
        for line in head.lower().splitlines():
            if line.startswith("content-length:"):
                length = int(line.partition(":")[2])
        self.bodies.append(await self.reader.readexactly(length))
        self.requests.append(head)
        self.asked.set()
        return head

    async def say(self, data: bytes) -> None:
        if self.writer.transport.is_closing():  # which uvloop calls a RuntimeError
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes, *headers: str, status: str = "200 OK") -> None:
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
        await self.say("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def head(self, *headers: str) -> None:
        """The head of a chunked answer."""
        lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers]
        await self.say("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.say(b"%x\r\n%s\r\n" % (len(data), data))

    async def until_left(self) -> None:
        """Wait until the other side is gone, and note when that was."""
        try:
            while await self.reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
        self.left_at = asyncio.get_running_loop().time()
        self.left.set()


@dataclass
class RawServer:
    """A running server; ``callers`` in the order in which they came.

    ``asked`` is set when a request has been read.
    """

    url: str
    callers: list[Caller] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def raw_server(
    script: Script, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Run ``script`` for every connection; when it returns, the connection ends."""
    server = RawServer("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller(len(server.callers), reader, writer, asked=server.asked)
        server.callers.append(caller)
        try:
            await script(caller)
        except (asyncio.IncompleteReadError, ConnectionError):
            caller.left_at = asyncio.get_running_loop().time()
            caller.left.set()
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    port = listening.sockets[0].getsockname()[1]
    server.url = f"{scheme}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listening.close()
        for caller in server.callers:
            caller.writer.transport.abort()
