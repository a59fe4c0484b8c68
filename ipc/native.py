"""One native connection: moves bytes, runs calls, notices who left.

Back-pressure: a client that does not read is not read from, and is dropped with its work
once too much waits for it. Half-close: after end-of-file the answers in flight are still
delivered. A client has left when its socket hangs up or a write fails; its upstream
calls are then cancelled, and what they cost is recorded by the router.
"""

import asyncio
import select
from functools import partial
from typing import Final, Protocol, cast

import structlog
from msgspec import Struct
from typing_extensions import override

from actors.errors import Cancelled, GitBridgeError, InternalError
from actors.messages.chat import Delta
from actors.messages.routing import RouteHandle, error_info
from ipc.following import routed
from ipc.frames import MAX_MESSAGE_BYTES, Framing
from ipc.listener import linger
from ipc.methods import Peer, Service
from ipc.peers import Identify, known_again
from ipc.session import Call, CancelCall, Event, Session, StartCall, StartRoute
from ipc.stopping import stopped
from ipc.subscribing import NoticeParams, SubscribeParams
from ipc.subscription import Subscription

HANGUP_CHECK_S: Final = 0.05
"""How often a connection that cannot be read from is asked whether it is still there."""

_SLICE_BYTES: Final = 4 * 1024
_log = structlog.get_logger()


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one connection.

    About ``in_flight`` requests are worked on at a time, further ones are not read; the
    router takes 1024 of all connections. Above ``pause_bytes`` of unread answers nothing
    is read. Above ``stream_bytes`` of pieces of answers since then, or ``drop_bytes`` in
    all, the connection is dropped.
    """

    message_bytes: int = MAX_MESSAGE_BYTES
    in_flight: int = 768
    pause_bytes: int = 256 * 1024
    stream_bytes: int = 4 * 1024 * 1024
    drop_bytes: int = 2 * MAX_MESSAGE_BYTES


class Hall(Protocol):
    """What a connection knows of the server it belongs to."""

    service: Service
    version: str
    limits: Limits
    connections: set["NativeProtocol"]

    def leaving(self, transport: asyncio.Transport) -> None:
        """It is closed, and last words may wait to be read."""


class NativeProtocol(asyncio.Protocol):
    """One native connection."""

    def __init__(self, server: Hall, framing: Framing, peer: Peer) -> None:
        self._server = server
        self._limits = server.limits
        self._session = Session(
            framing, peer, version=server.version, new_id=server.service.new_id
        )
        self._peer = peer
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._work: dict[Call, RouteHandle | asyncio.Task[object]] = {}
        self._subscriptions: dict[Call, Subscription] = {}
        self._quiet: list[asyncio.Future[None]] = []  # who waits for that to end
        self._unread = b""  # came, and waits for room
        self._streamed = 0  # bytes of pieces of answers, since nobody reads
        self._flushing = False  # what is there goes out at the end of this turn
        self._writable = True
        self._reading = True
        self._eof = False
        self._ending = False  # close as soon as nothing is in flight
        self._draining = False  # the daemon takes nothing new
        self._deaf = False  # the peer may not ask for anything any more
        self._watch: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> int:
        """How many requests are in flight; nobody has to wait for subscriptions."""
        return self._session.busy - len(self._subscriptions)

    # Called by the transport ----------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance
        transport = self._transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=self._limits.pause_bytes)
        self._server.connections.add(self)

    @override
    def data_received(self, data: bytes) -> None:
        if not self._deaf:
            self._unread += data
            self._take_in()

    @override
    def eof_received(self) -> bool:
        self._eof = True
        self._reading = False
        self._take_in()
        return True  # `_settle` closes

    @override
    def pause_writing(self) -> None:
        self._writable = False
        self._settle()

    @override
    def resume_writing(self) -> None:
        self._writable = True
        for subscription in self._subscriptions.values():
            subscription.pump()
        self._settle()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._left()

    def _left(self) -> None:
        self._forget()
        for work in tuple(self._work.values()):
            work.cancel()

    # Work -----------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Read what has come while there is room for more work and more answers.

        In slices: hundreds of requests come in one piece, and many small mistakes make
        answers much longer than themselves.
        """
        if self._gone():
            return
        data, start = self._unread, 0
        self._unread = b""
        while start < len(data) and (self._has_room() or self._ending):
            self._act(self._session.receive(data[start : start + _SLICE_BYTES]))
            start += _SLICE_BYTES
            self._flush()
            if self._gone() or self._session.broken:
                start = len(data)
        self._unread = data[start:]
        over = self._eof and not self._unread
        if over and not self._ending:
            self._act(self._session.receive_eof())
            self._flush()
        self._ending |= over or self._session.broken
        self._settle()

    def _gone(self) -> bool:
        return self._transport is None

    def _has_room(self) -> bool:
        few = self._session.busy < self._limits.in_flight
        return self._writable and (few or self._draining)

    def _act(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, CancelCall):
                work = self._work.get(event.call)
                if work is not None:
                    work.cancel()
                continue
            try:
                self._start(event)
            except Exception as error:  # noqa: BLE001 - answered, and logged as our bug
                self._session.finish(event.call, self._explain(error))

    def _start(self, event: StartRoute | StartCall) -> None:
        call = event.call
        service = self._server.service
        if isinstance(event, StartRoute):
            tell, sink = partial(self._notice, call), partial(self._delta, call)
            handle = routed(service, event, self._peer, tell=tell, sink=sink)
            self._work[call] = handle
            handle.begin(partial(self._end, call))
        elif isinstance(event.params, SubscribeParams):
            self._subscribe(call, event.params)
        else:
            work = service.call(event.method, event.params, self._peer)
            task = self._work[call] = self._loop.create_task(work)
            task.add_done_callback(partial(self._task_ended, call))

    def _subscribe(self, call: Call, params: SubscribeParams) -> None:
        subscription = Subscription(
            call, params, self._session, self._flush_soon, lambda: self._writable
        )
        if not call.wants_reply:  # there is no id to send anything for
            self._session.finish(call, None)
            return
        subscription.begin(partial(self._end, call))
        subscription.listen(self._server.service, self._peer)
        self._work[call] = self._subscriptions[call] = subscription
        if self._draining:
            subscription.cancel(interrupted=True)

    def _unsubscribe(self) -> None:
        for subscription in tuple(self._subscriptions.values()):
            subscription.cancel(interrupted=True)

    def _delta(self, call: Call, delta: Delta) -> None:
        self._session.delta(call, delta)
        self._send_piece()

    def _notice(self, call: Call, notice: NoticeParams) -> None:
        self._session.notice(call, notice)
        self._send_piece()

    def _send_piece(self) -> None:
        if self._writable:
            self._flush_soon()
        else:
            self._flush(streamed=True)

    def _task_ended(self, call: Call, task: asyncio.Task[object]) -> None:
        if task.cancelled():
            why = "the request was cancelled"
            error = stopped() if self._draining else Cancelled(why)
            outcome: object = error_info(error)
        elif (failed := task.exception()) is not None:
            outcome = self._explain(failed)
        else:
            outcome = task.result()
        self._end(call, outcome)

    def _end(self, call: Call, outcome: object) -> None:
        self._work.pop(call, None)
        self._subscriptions.pop(call, None)
        if not self._work:
            self._tell_quiet()
        self._session.finish(call, outcome)
        self._flush_soon()

    def quiet(self) -> asyncio.Future[None]:
        """Done once nothing is worked on, answered already or not."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._quiet.append(future)
        if not self._work:
            self._tell_quiet()
        return future

    def _tell_quiet(self) -> None:
        waiting, self._quiet = self._quiet, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _explain(self, error: BaseException) -> object:
        if isinstance(error, GitBridgeError):
            return error_info(error)
        _log.error("call_failed", exc_info=error)
        return error_info(InternalError("something went wrong in the daemon"))

    # The connection -------------------------------------------------------------------

    def _flush_soon(self) -> None:
        """Many answers and pieces of answers of one turn of the loop go out as one."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushing = False
        self._flush()
        self._settle()

    def _flush(self, *, streamed: bool = False) -> None:
        data = self._session.data_to_send()
        transport = self._transport
        if transport is None or not data:
            return
        transport.write(data)  # may call `pause_writing`, and that may close
        waiting = transport.get_write_buffer_size()
        limits = self._limits
        if self._writable:
            self._streamed = 0
        elif streamed:
            self._streamed += len(data)
        if waiting > limits.drop_bytes or self._streamed > limits.stream_bytes:
            _log.warning("client_dropped", reason="does not read", bytes=waiting)
            self._abort()

    def _settle(self) -> None:
        """Read, watch or close, as the state of things demands."""
        transport = self._transport
        if transport is None:
            return
        if self._ending and not self._session.busy:
            self._flush()  # what ended in this turn has been said, not sent
            self._forget()
            self._server.leaving(transport)
            if self._eof:
                transport.close()
            else:
                linger(transport)
            return
        if not self._ending:
            self._throttle(transport)
        if not self._reading and self._watch is None:
            self._look()

    def _throttle(self, transport: asyncio.Transport) -> None:
        room = self._has_room()
        if room and self._unread:
            self._loop.call_soon(self._take_in)
        wanted = room and not self._unread and not self._eof
        if wanted and not self._reading:
            transport.resume_reading()
        elif self._reading and not wanted:
            transport.pause_reading()
        self._reading = wanted

    def _look(self) -> None:
        """Ask the kernel whether the peer has hung up; while nothing is read, again."""
        self._watch = None
        if self._transport is None or self._reading:
            return
        if _hung_up(self._transport):
            self._abort()
            return
        self._watch = self._loop.call_later(HANGUP_CHECK_S, self._look)

    def _abort(self) -> None:
        transport = self._transport
        if transport is not None:
            transport.abort()
            self._left()

    def _forget(self) -> None:
        self._transport = None
        self._server.connections.discard(self)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def identify_anew(self, identify: Identify) -> None:
        """See what the peer may do now; who may not be here is answered and let go."""
        peer = known_again(self._peer, identify)
        if peer != self._peer:  # what it may be told has changed: it can ask again
            self._unsubscribe()
        if peer is not None:
            self._peer = self._session.peer = peer
            return
        self._ending = self._deaf = True
        self._unread = b""
        self._settle()

    # Stopping the daemon --------------------------------------------------------------

    def drain(self) -> None:
        """Read whatever comes from now on: the service refuses what is new."""
        self._draining = True
        self._unsubscribe()
        self._take_in()

    def interrupt(self) -> None:
        """Stop all work; each piece of it answers for itself, with what it cost."""
        self._draining = True
        for work in tuple(self._work.values()):
            if isinstance(work, asyncio.Task):
                work.cancel()
            else:
                work.cancel(interrupted=True)

    def close(self) -> None:
        """Answer what has not answered for itself, and close."""
        for call in self._session.in_flight:
            self._session.finish(call, error_info(stopped()))
        self._ending = True
        self._settle()


def _hung_up(transport: asyncio.Transport) -> bool:
    """Whether both directions are shut: after a half-close they are not."""
    socket = transport.get_extra_info("socket")
    poller = select.poll()
    poller.register(socket.fileno(), 0)
    return bool(poller.poll(0))
