"""A listening door with a fake service behind it, and a plain client in front."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from ipc.listener import (
    FIRST_BYTE_S,
    ROOM,
    Doors,
    Listener,
    ProtocolFactory,
    Room,
)
from ipc.native import Limits
from ipc.peers import Access, Identify, LocalIdentity
from ipc.server import NativeServer
from ipc.sockets import create
from tests.support.fake_service import FakeService

WAIT_S = 5.0


class Connected:
    """A client that says exactly the bytes it is told to."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def ask(self, call_id: object, method: str, **params: object) -> None:
        """One request as a JSON line."""
        message = {"id": call_id, "method": method, "params": params}
        self.say(msgspec.json.encode(message) + b"\n")

    async def answer(self) -> dict[str, object]:
        """The next JSON line."""
        line = await asyncio.wait_for(self.reader.readline(), WAIT_S)
        assert line, "the door closed the connection"
        return msgspec.json.decode(line, type=dict[str, object])

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        return await asyncio.wait_for(self.reader.read(), WAIT_S)

    def half_close(self) -> None:
        """Say that nothing more comes, and go on reading, as ``socat`` does."""
        self.writer.write_eof()

    def leave(self) -> None:
        self.writer.transport.abort()


class Door:
    """What the tests need to know of it."""

    def __init__(self, path: Path, service: FakeService, native: NativeServer) -> None:
        self.path = path
        self.service = service
        self.native = native
        self.listener = Listener()
        self._clients: list[Connected] = []

    async def connect(self) -> Connected:
        client = Connected(*await asyncio.open_unix_connection(self.path))
        self._clients.append(client)
        return client

    async def exchange(self, data: bytes) -> bytes:
        """Say this, half-close, and read to the end."""
        client = await self.connect()
        client.say(data)
        client.half_close()
        return await client.rest()

    def hang_up(self) -> None:
        for client in self._clients:
            client.leave()


def short_folder() -> Path:
    """A folder whose path is short enough for a socket in it."""
    return Path(tempfile.mkdtemp(prefix="gb"))


@asynccontextmanager
async def open_door(
    *,
    limits: Limits | None = None,
    http: ProtocolFactory | None = None,
    identify: Identify | None = None,
    first_byte_s: float = FIRST_BYTE_S,
    room: Room = ROOM,
) -> AsyncIterator[Door]:
    """A door on a socket in a folder of its own; everything is closed at the end."""
    folder = short_folder()
    listening = create(folder / "s.sock")
    service = FakeService()
    native = NativeServer(service, version="1.2.3", limits=limits)
    door = Door(folder / "s.sock", service, native)
    door.listener = Listener(first_byte_s=first_byte_s, room=room)
    try:
        await door.listener.serve_unix(
            listening.sock,
            Doors(http=http, json=native.json, msgpack=native.msgpack),
            identify or LocalIdentity(Access(), own_uid=os.getuid()),
        )
        yield door
    finally:
        door.listener.close()
        door.hang_up()
        await drained(native, 0)
        listening.close()
        shutil.rmtree(folder)


class Closing(Protocol):
    """What speaks a family of protocols, on its way out."""

    async def finish(self, timeout_s: float) -> int: ...

    async def close(self) -> None: ...


async def drained(door: Closing, timeout_s: float) -> int:
    """Wait for what is inside, then close; how many were cut short."""
    left = await door.finish(timeout_s)
    await door.close()
    return left
