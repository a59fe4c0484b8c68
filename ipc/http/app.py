"""The HTTP door: connections, checks at the threshold, and the way out."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from typing_extensions import override

from actors.errors import InvalidRequest
from actors.messages.routing import error_info
from ipc.events import Receive
from ipc.http import auth, web, webhooks
from ipc.http.errors import HttpError, error_reply
from ipc.http.exchange import MAX_BODY_BYTES, respond
from ipc.http.flight import explain
from ipc.http.routes import Backing, Call, Routes
from ipc.http.schema import ModelEntry
from ipc.methods import Peer, Service
from ipc.peers import Identify, known_again

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader

KEEP_ALIVE_S: Final = 75.0
"""How long a connection may be idle, or take over the head of a request."""

LINGER_S: Final = 2.0
"""How long the rest of a body that was refused is still read."""

GRACE_S: Final = 1.0
"""How long requests that were cut short have to say so, when the door closes."""

CLOSE_S: Final = 0.1
"""How long a request has that nothing ends, before its connection is closed."""

_SOCKET_HOSTS: Final = auth.LOOPBACK_HOSTS | auth.SOCKET_HOSTS
_NO_TOKEN_FOR: Final = frozenset(("/health", "/dashboard", webhooks.PATH))
_NOT_HTTP: Final = (HttpProcessingError, web.RequestPayloadError)
_log = structlog.get_logger()


class HttpDoor:
    """Speaks HTTP on connections that others accept.

    Args:
        service: What stands behind the door.
        ready: Whether the daemon is ready for requests.
        metrics: The Prometheus text, as far as it is for this peer.
        models: Aliases and ``<provider>/<model>`` names; ``auto`` is added here.
        access: Who may come in over TCP.
        version: The daemon's.
        utc: UTC epoch seconds.
        webhook: Keeps what GitHub tells; ``None``: nobody does.

    Attributes:
        access: May be replaced at any time: each request is looked at by itself.
    """

    def __init__(
        self,
        service: Service,
        *,
        ready: Callable[[], bool],
        metrics: Callable[[Peer], str],
        models: Callable[[], Sequence[ModelEntry]],
        access: auth.HttpAccess,
        version: str,
        utc: Callable[[], float] = time.time,  # noqa: TID251 - only the default
        webhook: Receive | None = None,
    ) -> None:
        backing = Backing(service, ready, metrics, models, version, utc, webhook)
        self._routes = Routes(backing)
        self._access = access
        self._server: web.Server | None = None
        self._busy = 0
        self._idle = asyncio.Event()

    async def start(self) -> None:
        """Be able to serve; must come before the first connection."""
        self._server = web.Server(
            self._handle,
            request_factory=_request,
            handler_cancellation=True,  # else clients that leave keep costing
        )

    def local(self, peer: Peer) -> asyncio.Protocol:
        """A connection over the Unix socket, from this peer."""
        return Connection(self._running(), peer, remote=False)

    def remote(self, peer: Peer) -> asyncio.Protocol:
        """A connection over TCP: a token must say who it is."""
        return Connection(self._running(), peer, remote=True)

    @property
    def in_flight(self) -> int:
        """How many HTTP requests are being answered, without those that only listen."""
        return self._busy - len(self._routes.broadcasts)

    @property
    def access(self) -> auth.HttpAccess:
        return self._access

    @access.setter
    def access(self, access: auth.HttpAccess) -> None:
        if access != self._access:
            self._end_broadcasts()  # who may still listen comes again
        self._access = access

    def _end_broadcasts(self) -> None:
        for broadcast in tuple(self._routes.broadcasts):
            broadcast.end()

    def identify_anew(self, identify: Identify) -> None:
        """Others may come in over the Unix socket now: see who is inside."""
        self._end_broadcasts()
        for connection in self._running().connections:
            if isinstance(connection, Connection) and not connection.remote:
                peer = known_again(connection.peer, identify)
                if peer is None:
                    connection.close()  # after the answer that is on its way
                else:
                    connection.peer = peer

    async def finish(self, timeout_s: float) -> int:
        """Wait until nothing is being answered; the service refuses new work by now.

        Connections stay open for that; each is closed after its next answer.

        Returns:
            How many routed requests are still in flight after ``timeout_s`` seconds.
        """
        self._routes.draining = True
        self._end_broadcasts()
        await self._quiet(timeout_s)
        return len(self._routes.flights)

    async def close(self) -> None:
        """Cut short what is inside, and close every connection.

        Who is cut short is told so: streams by an error event.
        """
        self._routes.draining = True
        self._end_broadcasts()
        for flight in tuple(self._routes.flights):
            flight.interrupt()
        await self._quiet(GRACE_S)
        for flight in tuple(self._routes.flights):
            flight.cut()
        await self._quiet(CLOSE_S)
        if self._server is not None:
            self._server.pre_shutdown()  # else the idle ones are waited for
            await self._server.shutdown(CLOSE_S)

    def _running(self) -> web.Server:
        assert self._server is not None, "start() comes first"
        return self._server

    async def _quiet(self, timeout_s: float) -> None:
        """Wait until nothing is being answered, or so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._busy:
                    self._idle.clear()
                    await self._idle.wait()

    # One request ----------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._busy += 1
        try:
            response = await self._answered(request)
        finally:
            self._busy -= 1
            self._idle.set()
        if self._routes.draining and not response.prepared:
            response.force_close()
        return response

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            peer = self._admitted(request)
            handler = self._routes.find(request.method, request.path)
            return await handler(Call(request, peer))
        except HttpError as error:
            return respond(
                error_reply(
                    error.info,
                    status=error.status,
                    error_type=error.type,
                    headers=error.headers,
                )
            )
        except ConnectionError:
            raise  # the client has left
        except Exception as error:
            if request.writer.output_size:  # half an answer is out: cut it off
                explain(error)
                raise ConnectionResetError from error
            return respond(error_reply(explain(error)))

    def _admitted(self, request: web.BaseRequest) -> Peer:
        """Whoever this is, once host, origin and token are in order."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        allowed = self._hosts(connection)
        headers = request.headers
        hosts = headers.getall("host", [])
        if not request.raw_path.startswith("/"):  # http://host/path, CONNECT host:port
            hosts = [*hosts, request.raw_path.partition("://")[2].partition("/")[0]]
        auth.check_host(hosts, allowed)
        auth.check_origin(headers.getall("origin", []), allowed)
        if not connection.remote or request.path in _NO_TOKEN_FOR:
            return connection.peer
        return auth.authenticate(
            self.access, connection.peer, headers, connection.address("peername")
        )

    def _hosts(self, connection: "Connection") -> frozenset[str]:
        if not connection.remote:
            return _SOCKET_HOSTS
        own = connection.address("sockname")
        further = (host.lower() for host in self.access.hosts)
        return auth.LOOPBACK_HOSTS.union(further, (own,) if own else ())


class Connection(web.RequestHandler):
    """One HTTP connection, and who is on the other end of it."""

    __slots__ = ("peer", "remote")

    def __init__(self, server: web.Server, peer: Peer, *, remote: bool) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            access_log=None,  # type: ignore[arg-type]  # as its own runner does
        )
        self.peer = peer
        self.remote = remote

    @override
    def close(self) -> None:
        """Close after the answer that is on its way, or at once where there is none.

        aiohttp would let an idle connection stay open, deaf, until keep-alive ends.
        """
        idle = self._waiter is not None
        super().close()
        if idle and self.transport is not None:
            self.transport.close()

    def address(self, which: str) -> str | None:
        """The IP address of one end of a TCP connection."""
        transport = self.transport
        address = None if transport is None else transport.get_extra_info(which)
        return address[0] if isinstance(address, tuple) else None

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer bytes that are no HTTP; handlers answer for themselves."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has left, or is to be cut off
        reason = " ".join((message or "not HTTP").split())[:200]
        info = error_info(InvalidRequest(f"the request cannot be read: {reason}"))
        response = respond(error_reply(info, status=status))
        response.force_close()
        return response

    @override
    def log_exception(self, *args: object, **kw: object) -> None:
        """Our bugs only: bytes that are no HTTP have been answered, and are no news."""
        if not isinstance(kw.get("exc_info"), _NOT_HTTP):
            _log.error("http_failed", message=str(args[0]) if args else None, **kw)


def _request(
    message: "RawRequestMessage",
    payload: "StreamReader",
    protocol: web.RequestHandler,
    writer: "AbstractStreamWriter",
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return web.BaseRequest(
        message,
        payload,
        protocol,
        writer,
        task,
        asyncio.get_running_loop(),
        client_max_size=MAX_BODY_BYTES,
    )
