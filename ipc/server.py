"""Every native connection there is, and how all of them end."""

import asyncio
from collections.abc import Iterable
from typing import Final

import anyio
import anyio.lowlevel

from ipc.frames import JsonLines, MsgpackFrames
from ipc.methods import Peer, Service
from ipc.native import HANGUP_CHECK_S, Limits, NativeProtocol
from ipc.peers import Identify

GRACE_S: Final = 1.0
"""How long work that was cut short has to end."""

FLUSH_S: Final = 5.0
"""How long a daemon that stops waits for slow readers of its last answers."""


class NativeServer:
    """Every native connection, and the protocol factories for the listener."""

    def __init__(
        self, service: Service, *, version: str, limits: Limits | None = None
    ) -> None:
        self.service = service
        self.version = version
        self.limits = limits or Limits()
        self.connections: set[NativeProtocol] = set()
        self._unread: set[asyncio.Transport] = set()

    def json(self, peer: Peer) -> asyncio.Protocol:
        """JSON lines with this peer."""
        return NativeProtocol(self, JsonLines(self.limits.message_bytes), peer)

    def msgpack(self, peer: Peer) -> asyncio.Protocol:
        """Frames of msgpack with this peer."""
        return NativeProtocol(self, MsgpackFrames(self.limits.message_bytes), peer)

    @property
    def in_flight(self) -> int:
        return sum(connection.busy for connection in self.connections)

    def identify_anew(self, identify: Identify) -> None:
        """Others may come in now, or do other things: see who is inside."""
        for connection in tuple(self.connections):
            connection.identify_anew(identify)

    async def finish(self, timeout_s: float) -> int:
        """Wait until nothing is in flight; the service refuses new requests by now.

        Connections stay open for that, so that whoever is late is told.

        Returns:
            How many requests are still in flight after ``timeout_s`` seconds.
        """
        for connection in tuple(self.connections):
            connection.drain()
        await _quiet(self.connections, timeout_s)
        return self.in_flight

    async def close(self, flush_s: float = 0.0) -> None:
        """Cut short what is inside, saying so, and close every connection.

        Waits until that work has really ended, for who comes after may take the house
        down; then for ``flush_s`` seconds for those who read their answers slowly.
        """
        connections = tuple(self.connections)
        for connection in connections:
            connection.interrupt()
        await _quiet(connections, GRACE_S)
        await anyio.lowlevel.checkpoint()  # read, and answer, what has come meanwhile
        for connection in tuple(self.connections):
            connection.close()
        await self._flushed(flush_s)

    def leaving(self, transport: asyncio.Transport) -> None:
        """Remember a connection that is closed while last words wait to be read."""
        self._unread = {t for t in self._unread if t.get_write_buffer_size()}
        if transport.get_write_buffer_size():
            self._unread.add(transport)

    async def _flushed(self, timeout_s: float) -> None:
        with anyio.move_on_after(timeout_s):
            while any(  # noqa: ASYNC110 - transports do not say when all is written
                t.get_write_buffer_size() for t in self._unread
            ):
                await anyio.sleep(HANGUP_CHECK_S)


async def _quiet(connections: Iterable[NativeProtocol], timeout_s: float) -> None:
    """Wait until nothing is worked on for these, or so long."""
    waited = [connection.quiet() for connection in connections]
    if waited:
        await asyncio.wait(waited, timeout=timeout_s)
