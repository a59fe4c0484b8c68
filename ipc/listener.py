"""Takes connections and finds out from the first byte what they speak.

An upper-case letter is HTTP, ``{`` JSON lines, 0x00 a msgpack frame; white space before
them is skipped. Anything else gets one JSON error line. The protocols themselves are
handed in as factories; what was read is fed to the one that is chosen.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Final, cast

from msgspec import Struct, structs
from typing_extensions import override

from ipc.methods import Peer
from ipc.peers import Credentials, Identify, credentials_of
from ipc.refusals import NO_ROOM, Spoken, not_spoken, refusal, turned_away

ProtocolFactory = Callable[[Peer], asyncio.Protocol]

FIRST_BYTE_S: Final = 10.0
"""How long a client may be silent before it says what it speaks."""

CROWDED_S: Final = 1.0
"""How long it may be silent that is only to be told that there is no room."""

LINGER_S: Final = 1.0
"""How long a connection that is closed may go on sending before it is cut."""

LINGER_ROUNDS: Final = 10
"""How many times as long one has that has not read everything yet."""

_BACKLOG: Final = 1024
_BLANK: Final = b" \t\r\n"


class Doors(Struct, frozen=True):
    """What speaks each protocol; ``None`` where it is not spoken."""

    http: ProtocolFactory | None = None
    json: ProtocolFactory | None = None
    msgpack: ProtocolFactory | None = None


class Room(Struct, frozen=True):
    """From which descriptor on connections are refused, and from which on dropped.

    To be told so, a client may keep its descriptor for a moment; what is left between
    the two is for that.
    """

    refuse_from: int = sys.maxsize
    drop_from: int = sys.maxsize


ROOM: Final = Room()
"""Enough for everybody."""


class Listener:
    """Any number of listening sockets and their connections that said nothing yet."""

    def __init__(
        self, *, first_byte_s: float = FIRST_BYTE_S, room: Room = ROOM
    ) -> None:
        self._first_byte_s = first_byte_s
        self._room = room
        self._servers: list[asyncio.Server] = []
        self._sniffing: set[SniffProtocol] = set()

    async def serve_unix(
        self, sock: socket.socket, doors: Doors, identify: Identify
    ) -> asyncio.Server:
        """Listen on a bound Unix socket, whose file is the caller's to remove."""
        loop = asyncio.get_running_loop()
        factory = self._factory(doors, identify)
        own = sock.dup()  # the loop closes what it is given
        own.setblocking(False)  # noqa: FBT003 - the standard library's signature
        if sys.version_info >= (3, 13):
            server = await loop.create_unix_server(
                factory, sock=own, backlog=_BACKLOG, cleanup_socket=False
            )
        else:
            server = await loop.create_unix_server(factory, sock=own, backlog=_BACKLOG)
        self._servers.append(server)
        return server

    def leave(self, server: asyncio.Server) -> None:
        """Take no more connections from one of the sockets; those made go on."""
        server.close()
        self._servers.remove(server)

    async def serve_tcp(
        self, sock: socket.socket, http: ProtocolFactory, identify: Identify
    ) -> None:
        """Listen on a bound TCP socket; only HTTP is spoken there."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            self._factory(Doors(http=http), identify), sock=sock, backlog=_BACKLOG
        )
        self._servers.append(server)

    def leave_all(self) -> None:
        """Take no more connections; those made go on."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    @property
    def awaited(self) -> bool:
        """Whether a connection has said nothing yet."""
        return bool(self._sniffing)

    def close(self) -> None:
        """Take no more connections, and drop those that have said nothing."""
        self.leave_all()
        for protocol in tuple(self._sniffing):
            protocol.drop()

    def _factory(
        self, doors: Doors, identify: Identify
    ) -> Callable[[], asyncio.Protocol]:
        return lambda: SniffProtocol(
            doors, identify, self._first_byte_s, self._sniffing, self._room
        )


class SniffProtocol(asyncio.Protocol):
    """A connection until its first byte."""

    def __init__(
        self,
        doors: Doors,
        identify: Identify,
        first_byte_s: float,
        waiting: set["SniffProtocol"],
        room: Room = ROOM,
    ) -> None:
        self._doors = doors
        self._identify = identify
        self._first_byte_s = first_byte_s
        self._waiting = waiting
        self._room = room
        self._crowded = False
        self._credentials: Credentials | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance
        transport = self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        number = sock.fileno()
        if number >= self._room.drop_from:
            transport.abort()
            return
        self._crowded = number >= self._room.refuse_from
        self._credentials = credentials_of(sock)
        self._waiting.add(self)
        patience_s = CROWDED_S if self._crowded else self._first_byte_s
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(patience_s, self.drop)

    @override
    def data_received(self, data: bytes) -> None:
        data = data.lstrip(_BLANK)
        transport = self._transport
        if not data or transport is None:
            return
        self._release()
        spoken = protocol_of(data[0])
        factory = None if spoken is None else _factory_of(self._doors, spoken)
        peer = self._identify(self._credentials)
        if spoken is None or factory is None:
            close_with(transport, not_spoken(data, _spoken_at(self._doors)))
        elif self._crowded:
            close_with(transport, refusal(spoken, NO_ROOM, "503 Service Unavailable"))
        elif peer is None:
            info = turned_away(self._credentials)
            close_with(transport, refusal(spoken, info, "403 Forbidden"))
        else:
            protocol = factory(structs.replace(peer, door=spoken))
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            protocol.data_received(data)

    @override
    def eof_received(self) -> bool:
        return False  # nobody said anything: nobody waits for an answer

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._release()

    def drop(self) -> None:
        transport = self._transport
        self._release()
        if transport is not None:
            transport.close()

    def _release(self) -> None:
        self._transport = None
        self._waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Lingering(asyncio.Protocol):
    """Reads and forgets, so that what was written last is not lost with the rest."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._rounds = LINGER_ROUNDS
        self._wait()

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LINGER_S, self._cut)

    def _cut(self) -> None:
        self._rounds -= 1
        if self._rounds and self._transport.get_write_buffer_size():
            self._wait()
        else:
            self._transport.abort()

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()


def linger(transport: asyncio.Transport) -> None:
    """Close once everything has been written and the peer has stopped sending.

    Closing at once would cut off a peer that is still sending before it reads why.
    """
    if transport.is_closing():
        return
    transport.set_protocol(_Lingering(transport))
    transport.resume_reading()
    transport.write_eof()


def close_with(transport: asyncio.Transport, last_words: bytes) -> None:
    """Write this and close."""
    transport.write(last_words)
    linger(transport)


def protocol_of(first: int) -> Spoken | None:
    """What a first byte that is no white space announces."""
    if 0x41 <= first <= 0x5A:
        return "http"
    if first in b"{[":  # a batch is refused by the JSON session, in its own words
        return "json"
    return "msgpack" if first == 0 else None


def _factory_of(doors: Doors, spoken: Spoken) -> ProtocolFactory | None:
    if spoken == "http":
        return doors.http
    return doors.json if spoken == "json" else doors.msgpack


def _spoken_at(doors: Doors) -> list[Spoken]:
    names: tuple[Spoken, ...] = ("http", "json", "msgpack")
    return [name for name in names if _factory_of(doors, name)]
