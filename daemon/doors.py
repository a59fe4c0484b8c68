"""The doors: sockets, what speaks on them, and what stands behind them."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import anyio

from daemon.config import Config
from daemon.house import House
from daemon.ids import utc
from daemon.release import version
from daemon.service import HouseService
from ipc.listener import Doors, Listener
from ipc.peers import Access, identify_local
from ipc.server import NativeServer
from ipc.sockets import ListeningSocket, adopt, bind_tcp, create, passed_descriptors

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Sockets:
    """What the process listens on: one Unix socket, and TCP where configured."""

    unix: ListeningSocket
    tcp: socket | None

    @property
    def path(self) -> str:
        return self.unix.path


@contextmanager
def open_sockets(
    config: Config, path: Path, environ: Mapping[str, str]
) -> Iterator[Sockets]:
    """Adopt systemd's socket or make our own; closed, and removed if ours, at the end.

    Raises:
        SecondDaemon: Another daemon listens there.
        ListenError: It cannot be listened on.
    """
    passed = passed_descriptors(environ, os.getpid())
    unix = adopt(passed[0].fd) if passed else create(path, mode=config.server.mode)
    tcp: socket | None = None
    try:
        address = config.server.listen_address
        if address is not None:
            tcp = bind_tcp(*address)
        unix.sock.listen(BACKLOG)
        yield Sockets(unix, tcp)
    finally:
        if tcp is not None:
            tcp.close()
        unix.close()


class OpenDoors:
    """The open doors and the requests inside."""

    def __init__(
        self, service: HouseService, listener: Listener, native: NativeServer
    ) -> None:
        self.service = service
        self._listener = listener
        self._native = native

    @property
    def in_flight(self) -> int:
        return self._native.in_flight

    async def drain(self, timeout_s: float) -> int:
        """Let nobody in any more, let those inside finish.

        Returns:
            How many had not finished after ``timeout_s`` seconds; they got an error.
        """
        self.service.draining = True
        self._listener.close()
        left = [0, 0]

        async def native() -> None:
            left[0] = await self._native.drain(timeout_s)

        async with anyio.create_task_group() as group:
            group.start_soon(native)
        return sum(left)


@asynccontextmanager
async def open_doors(
    config: Config, house: House, sockets: Sockets
) -> AsyncIterator[OpenDoors]:
    """Serve the house on the sockets."""
    service = HouseService(
        version=version(),
        router=house.router,
        providers=house.providers,
        provider_aliases=config.provider_aliases,
        ledger=house.ledger,
        conditions=house.conditions,
        max_latency_s=config.health.max_latency_s,
        in_flight=house.router.in_flight,
        new_id=house.new_id,
        utc=utc,
    )
    native = NativeServer(service, version=version())
    listener = Listener()
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        access = Access(
            admin_users=config.access.admin_users,
            admin_groups=config.access.admin_groups,
            user_groups=config.access.user_groups,
        )
        identify = identify_local(access, own_uid=os.getuid())
        doors = Doors(json=native.json, msgpack=native.msgpack)
        await listener.serve_unix(sockets.unix.sock, doors, identify)
        service.ready = True
        yield OpenDoors(service, listener, native)
