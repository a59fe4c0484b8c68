"""JSON-RPC 2.0 on one connection, without I/O.

The shell feeds bytes and gets events to act upon; it reports deltas and outcomes, and
after every call of a method here it must send what ``data_to_send`` returns. Every
request with an id is answered exactly once, in the order in which they finish; a request
without an id is never answered. ``hello`` and ``cancel`` are answered right here.

=======  ==========================================================
-32700   the bytes are no message
-32600   no request: a batch, a missing method, an id in flight
-32601   no such method
-32602   a param is wrong
-32000   everything else; ``data.kind`` says what
=======  ==========================================================
"""

from collections.abc import Callable

from msgspec import Struct, structs

from actors.errors import InvalidRequest, NotPermitted
from actors.messages.chat import Delta
from actors.messages.routing import ErrorInfo, RouteRequest, RouteResult
from ipc import fields
from ipc.embedding import EmbedParams, EmbedReply, embed_reply, embed_request
from ipc.frames import FrameError, Framing, MessageTooLong
from ipc.methods import (
    METHODS,
    CancelParams,
    Method,
    Peer,
    unknown_method,
)
from ipc.params import read_params
from ipc.plain import plain_call, plain_route
from ipc.results import (
    PROTOCOL,
    CancelResult,
    HelloResult,
    RouteReply,
    delta_params,
    route_reply,
)
from ipc.route import ConsensusParams, RouteParams, route_request
from ipc.rpc import (
    FAILED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    UNKNOWN_METHOD,
    CallId,
    DeltaNotification,
    ErrorReply,
    NoticeNotification,
    RefusedError,
    Request,
    ResultReply,
    error_code,
    error_reply,
    read_request,
    unreadable,
)
from ipc.subscribing import NoticeParams


class Call:
    """A request in flight. ``answered`` by nobody when ``wants_reply`` is false."""

    __slots__ = ("cancelled", "id", "wants_reply")

    def __init__(self, call_id: CallId, *, wants_reply: bool) -> None:
        self.id = call_id
        self.wants_reply = wants_reply
        self.cancelled = False  # the caller said so; whatever comes is not its answer


class StartRoute(Struct, frozen=True):
    """Event: route this, stream deltas if it says so, then ``finish``.

    ``follow`` a round of consensus that is streamed: tell how it goes.
    """

    call: Call
    request: RouteRequest
    follow: bool = False


class StartCall(Struct, frozen=True):
    """Event: serve this method, then ``finish``."""

    call: Call
    method: str
    params: Struct


class CancelCall(Struct, frozen=True):
    """Event: stop working for this call; it must still be finished."""

    call: Call


Event = StartRoute | StartCall | CancelCall


class Session:
    """One connection's state: the framing, who is there, what is in flight.

    ``peer`` may be replaced at any time: it is looked at for each request.
    """

    def __init__(
        self,
        framing: Framing,
        peer: Peer,
        *,
        version: str,
        new_id: Callable[[], str],
    ) -> None:
        self._framing = framing
        self.peer = peer
        self._version = version
        self._new_id = new_id
        self._calls: dict[Call, None] = {}  # in flight, oldest first
        self._by_id: dict[CallId, Call] = {}  # those of them that want a reply
        self._out: list[bytes] = []
        self.broken = False  # nothing more can be read: answer what is there, close

    @property
    def in_flight(self) -> tuple[Call, ...]:
        return tuple(self._calls)

    @property
    def busy(self) -> int:
        """How many requests are in flight."""
        return len(self._calls)

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes as they came."""
        return self._take(self._framing.feed(data))

    def receive_eof(self) -> list[Event]:
        """The peer sends no more; it may still be reading."""
        return self._take(self._framing.finish())

    def delta(self, call: Call, delta: Delta) -> None:
        """A piece of the answer to this call."""
        if call.cancelled or call not in self._calls or not call.wants_reply:
            return
        notification = DeltaNotification("delta", delta_params(call.id, delta))
        data = self._encoded(notification)
        if isinstance(data, bytes):  # else the result, which repeats it, tells
            self._out.append(data)

    def notice(self, call: Call, notice: NoticeParams) -> None:
        """Something that this call asked to be told of."""
        if call.cancelled or call not in self._calls or not call.wants_reply:
            return
        data = self._encoded(NoticeNotification("notice", notice))
        if isinstance(data, bytes):
            self._out.append(data)

    def finish(self, call: Call, outcome: object) -> None:
        """This call has ended: with an ``ErrorInfo``, a ``RouteResult`` or a result.

        Finishing a call again does nothing.
        """
        if call not in self._calls:
            return
        del self._calls[call]
        if not call.wants_reply:
            return
        del self._by_id[call.id]
        if call.cancelled:
            outcome = _cancelled(outcome)
        if isinstance(outcome, ErrorInfo):
            self._send_error(error_reply(call.id, error_code(outcome), outcome))
        else:
            self._send_result(call.id, outcome)

    def data_to_send(self) -> bytes:
        """What is to be written now, in this order."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def _take(self, messages: list[bytes | FrameError]) -> list[Event]:
        events: list[Event] = []
        for message in messages:
            event = self._plain(message) or self._read(message)
            if event is not None:
                events.append(event)
        return events

    def _plain(self, message: bytes | FrameError) -> Event | None:
        """Begin what nearly every message asks for; else say nothing to it."""
        if isinstance(message, FrameError):
            return None
        door = self._framing.door
        asked = plain_call(message, door)
        if asked is None or asked.id in self._by_id:
            return None
        request = plain_route(
            asked.params, request_id=self._new_id(), user=self.peer.user, door=door
        )
        if request is None:
            return None
        call = Call(asked.id, wants_reply=True)
        self._enter(call)
        return StartRoute(call, request)

    def _read(self, message: bytes | FrameError) -> Event | None:
        decoded = (
            message
            if isinstance(message, FrameError)
            else self._framing.decode(message)
        )
        if isinstance(decoded, FrameError):
            self.broken = self.broken or decoded.fatal
            self._send_error(unreadable(decoded))
            return None
        return self._open(decoded)

    def _open(self, document: object) -> Event | None:
        """Begin what one message asks for; what is wrong with it is answered."""
        wants_reply = True
        try:
            request = read_request(document)
            wants_reply = request.wants_reply
            return self._start(request)
        except RefusedError as refused:
            if wants_reply:
                self._send_error(
                    error_reply(refused.call_id, refused.code, refused.info)
                )
            return None

    def _start(self, request: Request) -> Event | None:
        if request.wants_reply and request.id in self._by_id:
            duplicate = fields.wrong("id", request.id, "an id that is not in flight")
            raise RefusedError(request.id, INVALID_REQUEST, duplicate)
        method = self._permitted(request)
        call = Call(request.id, wants_reply=request.wants_reply)
        try:
            params = read_params(method.params, request.params)
            return self._begin(call, method, params)
        except InvalidRequest as error:
            raise RefusedError(request.id, INVALID_PARAMS, error) from None

    def _permitted(self, request: Request) -> Method:
        method = METHODS.get(request.method)
        if method is None:
            unknown = unknown_method(request.method)
            raise RefusedError(request.id, UNKNOWN_METHOD, unknown)
        if not self.peer.may(method):
            user = self.peer.user or "this user"
            denied = NotPermitted(
                f"{method.name} is for administrators, not for {user}"
            )
            raise RefusedError(request.id, FAILED, denied)
        return method

    def _begin(self, call: Call, method: Method, params: Struct) -> Event | None:
        if isinstance(params, CancelParams):
            return self._cancel(call, params.id)
        if method.name == "hello":
            self._answer(call, self._hello())
            return None
        request = self._routed(params)
        self._enter(call)
        if request is None:
            return StartCall(call, method.name, params)
        return StartRoute(call, request, follow=_follows(params, request))

    def _routed(self, params: Struct) -> RouteRequest | None:
        """What is for a provider to answer."""
        user, door = self.peer.user, self._framing.door
        if isinstance(params, EmbedParams):
            return embed_request(
                params, request_id=self._new_id(), user=user, door=door
            )
        if isinstance(params, RouteParams):
            return route_request(
                params, request_id=self._new_id(), user=user, door=door
            )
        return None

    def _enter(self, call: Call) -> None:
        self._calls[call] = None
        if call.wants_reply:
            self._by_id[call.id] = call

    def _cancel(self, call: Call, target_id: CallId) -> Event | None:
        target = self._by_id.get(target_id)
        found = target is not None and not target.cancelled
        self._answer(call, CancelResult(target_id, found))
        if target is None or not found:
            return None
        target.cancelled = True
        return CancelCall(target)

    def _hello(self) -> HelloResult:
        return HelloResult(
            server="gitbridge",
            version=self._version,
            protocol=PROTOCOL,
            methods=tuple(m.name for m in METHODS.values() if self.peer.may(m)),
            user=self.peer.user,
            tier=self.peer.tier,
        )

    def _answer(self, call: Call, result: object) -> None:
        if call.wants_reply:
            self._send_result(call.id, result)

    def _send_result(self, call_id: CallId, result: object) -> None:
        reply = _reply(result) if isinstance(result, RouteResult) else result
        data = self._encoded(ResultReply(call_id, reply))
        if isinstance(data, bytes):
            self._out.append(data)
            return
        if isinstance(result, RouteResult):  # it cannot be had, but has been paid for
            data = structs.replace(
                data,
                provider=result.provider,
                decision_id=result.decision_id,
                attempts=result.attempts,
            )
        self._send_error(error_reply(call_id, FAILED, data))

    def _send_error(self, reply: ErrorReply) -> None:
        data = self._encoded(reply)
        if isinstance(data, ErrorInfo):
            data = self._framing.encode(error_reply(reply.id, FAILED, data))
        self._out.append(data)

    def _encoded(self, message: Struct) -> bytes | ErrorInfo:
        try:
            return self._framing.encode(message)
        except MessageTooLong as error:
            reason = f"the answer cannot be sent: {error}"
        except (ValueError, TypeError, RecursionError) as error:
            reason = f"the answer cannot be written: {type(error).__name__}"
        return ErrorInfo(kind="internal", message=reason, owner="us", retryable=False)


def _reply(result: RouteResult) -> EmbedReply | RouteReply:
    return embed_reply(result) if result.vectors else route_reply(result)


def _follows(params: Struct, request: RouteRequest) -> bool:
    if request.consensus is None or not request.stream:
        return False
    return not isinstance(params, ConsensusParams) or params.progress


def _cancelled(outcome: object) -> ErrorInfo:
    """The error for a cancelled call, with what is known of what it cost."""
    if isinstance(outcome, ErrorInfo) and outcome.kind == "cancelled":
        return outcome
    known = outcome if isinstance(outcome, ErrorInfo | RouteResult) else None
    return ErrorInfo(
        kind="cancelled",
        message="the caller cancelled this request",
        owner="caller",
        retryable=False,
        decision_id=known.decision_id if known else None,
        attempts=known.attempts if known else (),
    )
