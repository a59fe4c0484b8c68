"""The doors: sockets, what speaks on them, and what stands behind them."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

import anyio
import structlog

from daemon.config import Config
from daemon.descriptors import room_for_clients
from daemon.event_secrets import EventSecrets
from daemon.eventing import Eventing
from daemon.feedback import FeedbackDesk
from daemon.house import House
from daemon.ids import utc
from daemon.model_list import list_models
from daemon.release import version
from daemon.service import HouseService
from daemon.task_desk import TaskDesk
from daemon.thread_desk import ThreadDesk
from ipc.listener import Doors, Listener
from ipc.peers import Access, Identify, LocalIdentity, identify_remote
from ipc.server import FLUSH_S, NativeServer
from ipc.sockets import (
    ListenError,
    ListeningSocket,
    adopt,
    bind_tcp,
    create,
    passed_descriptors,
)

if TYPE_CHECKING:
    from ipc.http import HttpAccess, HttpDoor, ModelEntry

BACKLOG = 1024

ON_THE_WAY_S = 0.02
"""How long what was sent before we stopped may take to arrive: it is in the kernel."""

NEWCOMERS_S = 0.25
"""How long a connection that has said nothing yet may still make its request."""

WATCH_S = 1.0
"""How often somebody looks whether the socket's file is still there."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sockets:
    """What the process listens on: one Unix socket, and TCP where configured."""

    unix: ListeningSocket
    tcp: socket | None

    @property
    def path(self) -> str:
        return self.unix.path

    @property
    def listen(self) -> str | None:
        """``HOST:PORT`` as it was bound: port 0 has become a real one."""
        if self.tcp is None:
            return None
        host, port, *_ = self.tcp.getsockname()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def open_sockets(
    config: Config, path: Path, environ: Mapping[str, str]
) -> Iterator[Sockets]:
    """Adopt systemd's socket or make our own; closed, and removed if ours, at the end.

    Raises:
        SecondDaemon: Another daemon listens there.
        AddressTaken: Somebody else has the TCP address.
        ListenError: It cannot be listened on.
    """
    passed = passed_descriptors(environ, os.getpid())
    if len(passed) > 1:
        names = ", ".join(each.name for each in passed)
        raise ListenError(
            f"systemd passed {len(passed)} sockets ({names}), and one is served: leave "
            "one ListenStream= in the socket unit; TCP is server.listen's"
        )
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
        self,
        service: HouseService,
        listener: Listener,
        doors: "tuple[NativeServer, HttpDoor]",
        entrance: "Entrance",
        local: LocalIdentity,
        *,
        eventing: Eventing,
    ) -> None:
        self.service = service
        self._listener = listener
        self._native, self._http = doors
        self._entrance = entrance
        self._local = local
        self._eventing = eventing

    def configure(self, config: Config) -> None:
        """Let in who may come in by this configuration, and judge health by it."""
        self._entrance.set_mode(config.server.mode)
        access = _local_access(config)
        if access != self._local.access:
            self._local.access = access
            self._native.identify_anew(self._local)
            self._http.identify_anew(self._local)
        hosts = self._http.access.hosts
        self._http.access = _remote_access(config, hosts)
        self.service.judge_health_by(config.health.max_latency_s)
        self._eventing.configure(config)

    @property
    def in_flight(self) -> int:
        return self._native.in_flight + self._http.in_flight

    async def drain(self, timeout_s: float) -> int:
        """Let nobody in any more, refuse new requests, let those inside finish.

        Returns:
            How many had not finished after ``timeout_s`` seconds; they got an error.
        """
        self._entrance.close()
        await self._hear_newcomers(timeout_s)
        self.service.draining = True
        self._listener.close()
        left = await asyncio.gather(
            self._native.finish(timeout_s), self._http.finish(timeout_s)
        )
        flush_s = min(timeout_s, FLUSH_S)
        await asyncio.gather(self._native.close(flush_s), self._http.close())
        return sum(left)

    async def _hear_newcomers(self, timeout_s: float) -> None:
        """Take the connections and requests that are on their way to us.

        Whoever connected a moment ago cannot know that we stop.
        """
        await anyio.sleep(min(ON_THE_WAY_S, timeout_s))
        self._listener.leave_all()
        with anyio.move_on_after(min(NEWCOMERS_S, timeout_s)):
            while self._listener.awaited:  # noqa: ASYNC110 - it is short and seldom
                await anyio.sleep(ON_THE_WAY_S)

    async def watch(self) -> None:
        """Make the socket's file anew whenever somebody has removed it.

        And take the events of the configured folder.
        """
        async with anyio.create_task_group() as group:
            group.start_soon(self._eventing.watch)
            group.start_soon(self._look_after)

    async def _look_after(self) -> None:
        while True:
            await anyio.sleep(WATCH_S)
            await self._entrance.look_after()


class Entrance:
    """The Unix socket: kept in its place until it is closed."""

    def __init__(
        self,
        listener: Listener,
        listening: ListeningSocket,
        doors: Doors,
        identify: Identify,
    ) -> None:
        self._listener = listener
        self._listening = listening
        self._doors = doors
        self._identify = identify
        self._server: asyncio.Server | None = None
        self._told = False  # that it is lost and cannot be restored

    async def open(self) -> None:
        """Let callers in."""
        sock = self._listening.sock
        self._server = await self._listener.serve_unix(
            sock, self._doors, self._identify
        )

    def close(self) -> None:
        """Be found no more; those who have found us may still be let in.

        Where the socket is systemd's, they are left to the next daemon.
        """
        if self._server is not None and self._listening.adopted:
            self._listener.leave(self._server)
        self._server = None
        self._listening.withdraw()

    def set_mode(self, mode: int) -> None:
        """Whom the file lets in."""
        self._listening.set_mode(mode)

    async def look_after(self) -> None:
        """Put the socket back where somebody has removed its file."""
        if self._server is None or not self._listening.lost:
            return
        path = self._listening.path
        try:
            self._listening.restore()
        except ListenError as error:
            if not self._told:
                log.error("socket_lost", socket=path, error=error.message)  # noqa: TRY400 - the sentence says it all
            self._told = True
            return
        self._listener.leave(self._server)
        await self.open()
        self._told = False
        log.warning("socket_restored", socket=path)


@asynccontextmanager
async def open_doors(
    config: Config, house: House, sockets: Sockets, secrets: EventSecrets
) -> AsyncIterator[OpenDoors]:
    """Serve the house on the sockets."""
    service = HouseService(
        version=version(),
        router=house.router,
        providers=house.providers,
        provider_aliases=house.provider_aliases,
        ledger=house.ledger,
        routes=house.routes,
        conditions=house.conditions.look,
        max_latency_s=config.health.max_latency_s,
        in_flight=house.router.in_flight,
        waiting=house.router.waiting,
        feedback=FeedbackDesk(
            house.ledger,
            house.desk.quality,
            utc,
            house.consensus.learn,
            house.threads,
        ),
        notices=house.notices,
        new_id=house.new_id,
        utc=utc,
        models=lambda found: list_models(
            found, house.desk.settings.aliases, house.book.lookup
        ),
    )
    desk = TaskDesk(
        house.tasks.queue,
        house.tasks.config,
        unusable=house.tasks.checks.unusable,
        find=house.desk.find,
        new_id=house.new_id,
        utc=utc,
    )
    eventing = Eventing(config, house.tasks, house.new_id, secrets, house.threads)
    service.serve_peers({**desk.answers(), "events.publish": eventing.publish})
    service.serve_peers(ThreadDesk(house.ledger, utc).answers())
    service.task_counts = house.tasks.counts
    service.budgets = house.budgeting.rows
    service.peers = house.sharing.peers
    native = NativeServer(service, version=version())
    http = _http_door(config, house, service, eventing)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    listener = Listener(room=room_for_clients(limit))
    async with AsyncExitStack() as stack:
        await http.start()
        stack.push_async_callback(eventing.aclose)
        stack.push_async_callback(http.close)
        stack.push_async_callback(native.close)
        stack.callback(listener.close)
        identify = LocalIdentity(_local_access(config), own_uid=os.getuid())
        doors = Doors(http=http.local, json=native.json, msgpack=native.msgpack)
        entrance = Entrance(listener, sockets.unix, doors, identify)
        await entrance.open()
        if sockets.tcp is not None:
            await listener.serve_tcp(sockets.tcp, http.remote, identify_remote)
        service.ready = True
        yield OpenDoors(
            service, listener, (native, http), entrance, identify, eventing=eventing
        )


def _local_access(config: Config) -> Access:
    return Access(
        admin_users=config.access.admin_users,
        admin_groups=config.access.admin_groups,
        user_groups=config.access.user_groups,
    )


def _remote_access(config: Config, hosts: tuple[str, ...]) -> "HttpAccess":
    from ipc.http import HttpAccess, Token  # noqa: PLC0415 - see _http_door

    return HttpAccess(
        tokens=tuple(
            Token(each.name, each.sha256, each.tier) for each in config.access.tokens
        ),
        open_loopback=config.access.open_loopback,
        hosts=hosts,
    )


def _http_door(
    config: Config, house: House, service: HouseService, eventing: Eventing
) -> "HttpDoor":
    # aiohttp's server takes a while to import: whoever needs only READY need not wait.
    from ipc.http import HttpDoor  # noqa: PLC0415 - see above

    address = config.server.listen_address
    return HttpDoor(
        service,
        ready=lambda: service.is_ready,
        metrics=lambda peer: house.telemetry.render(
            service.snapshots(),
            house.depths(),
            house.router.waiting(),
            house.conditions.look(),
            (
                *house.vitals.figures(),
                *house.tasks.figures(),
                *house.budgeting.figures(peer),
                *house.caching.figures(),
                *house.sharing.figures(),
            ),
        ),
        models=lambda: _model_entries(service),
        access=_remote_access(config, (address[0],) if address else ()),
        version=version(),
        utc=utc,
        webhook=eventing.receive,
    )


def _model_entries(service: HouseService) -> "list[ModelEntry]":
    """All names, as ``GET /v1/models`` lists them: models with and without provider."""
    from ipc.http import ModelEntry  # noqa: PLC0415 - see _http_door

    rows = service.models()
    entries = [ModelEntry(row.name, row.provider or "gitbridge") for row in rows]
    owners = {row.model: row.provider or "" for row in reversed(rows) if row.model}
    bare = sorted(owners.keys() - {row.name for row in rows})
    return entries + [ModelEntry(name, owners[name]) for name in bare]
