"""An HTTP door with a fake service behind it, on a real Unix socket and on TCP.

Realism: the same listener, door and protocol as in the daemon; only the service is fake.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from typing_extensions import override

from actors.messages.chat import Delta
from actors.messages.provider import DeltaSink
from actors.messages.routing import RouteRequest, Started, StartSink
from ipc.events import Receive
from ipc.http import HttpAccess, HttpDoor, ModelEntry, Token
from ipc.listener import Doors, Listener
from ipc.peers import Access, LocalIdentity, identify_remote
from ipc.sockets import bind_tcp, create
from tests.support.fake_service import FakeHandle, FakeService

SERVED = Started(
    provider="openai", model="gpt-4o", decision_id="d1", attempts=2, simulated=True
)
CHAT = "/v1/chat/completions"
ADMIN, USER = "the-admin-token", "the-user-token"


class AnnouncingService(FakeService):
    """Says who serves before the first delta, as the router does."""

    @override
    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None,
        on_start: StartSink | None = None,
    ) -> FakeHandle:
        if sink is None or on_start is None:
            return super().route(request, sink)
        deliver, announce = sink, on_start
        told: list[Delta] = []

        def announcing(delta: Delta) -> None:
            if not told:
                told.append(delta)
                announce(SERVED)
            deliver(delta)

        return super().route(request, announcing)


@dataclass
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> Any:
        """The error, once its shape is in order."""
        error = self.json()["error"]
        assert self.headers["x-gitbridge-error-kind"] == error["code"]
        assert isinstance(error["type"], str)
        return error


@dataclass
class Wire:
    """A connection as a client has it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> str:
        """The status line and headers of an answer."""
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def rest(self) -> bytes:
        """All that comes until the door closes the connection."""
        return await self.reader.read()

    def close(self) -> None:
        self.writer.close()


@dataclass
class OpenDoor:
    """A door that is open on both sockets."""

    door: HttpDoor
    service: AnnouncingService
    path: str
    port: int
    ready: bool = True
    models: list[ModelEntry] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def say(self, method: str, path: str, body: Any = None) -> Wire:
        """Send a request by hand over the Unix socket."""
        data = b"" if body is None else msgspec.json.encode(body)
        reader, writer = await self.connect()
        head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n"
        writer.write(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        return Wire(reader, writer)

    async def ask(
        self, method: str, path: str, *, tcp: bool = False, **kw: Any
    ) -> Answer:
        """One request over a connection of its own."""
        host = f"127.0.0.1:{self.port}" if tcp else "localhost"
        connector = None if tcp else aiohttp.UnixConnector(self.path)
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.request(method, f"http://{host}{path}", **kw) as response,
        ):
            body = await response.read()
            return Answer(response.status, response.headers, body)

    async def chat(self, **body: Any) -> Answer:
        """A chat request."""
        return await self.ask("POST", CHAT, json=chat(**body))


@asynccontextmanager
async def open_door(
    folder: Path, *, open_loopback: bool = False, webhook: Receive | None = None
) -> AsyncIterator[OpenDoor]:
    """Open a door; ``ADMIN`` and ``USER`` are its tokens."""
    service = AnnouncingService()
    listener = Listener()
    sock = create(folder / "s")
    tcp = bind_tcp("127.0.0.1", 0)
    access = HttpAccess(
        tokens=(token("ann", ADMIN, "admin"), token("ben", USER, "user")),
        open_loopback=open_loopback,
    )
    door = HttpDoor(
        service,
        ready=lambda: opened.ready,
        metrics=lambda _: "gitbridge_requests_total 1\n",
        models=lambda: opened.models,
        access=access,
        version="1.2.3",
        utc=lambda: 1_800_000_000.5,
        webhook=webhook,
    )
    opened = OpenDoor(door, service, sock.path, tcp.getsockname()[1])
    await door.start()
    identify = LocalIdentity(Access(), own_uid=os.getuid())
    await listener.serve_unix(sock.sock, Doors(http=door.local), identify)
    await listener.serve_tcp(tcp, door.remote, identify_remote)
    try:
        yield opened
    finally:
        listener.close()
        await door.close()
        sock.close()


def token(name: str, secret: str, tier: Any) -> Token:
    return Token(name, hashlib.sha256(secret.encode()).hexdigest(), tier)


def chat(prompt: str = "hello there", **body: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"messages": [{"role": "user", "content": prompt}], **body}


def events(body: bytes) -> list[Any]:
    """The data of every server-sent event, decoded; ``[DONE]`` as text."""
    blocks = body.decode().split("\n\n")
    assert blocks.pop() == "", "the last event is not whole"
    data = [block.removeprefix("data: ") for block in blocks]
    return [d if d == "[DONE]" else msgspec.json.decode(d) for d in data]
