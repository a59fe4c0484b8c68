"""``POST /rpc``: one JSON-RPC object per request, by the rules of a native session.

A reply that carries an error has the status of its kind, too; a notification gets 204.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec import Struct, structs
from typing_extensions import override

from actors.errors import InvalidRequest
from actors.messages.routing import ErrorInfo, RouteRequest, RouteResult
from ipc.frames import FrameError, JsonLines
from ipc.http.errors import JSON, MANNERS, Reply
from ipc.http.flight import explain
from ipc.methods import Peer, Service
from ipc.rpc import ErrorBody
from ipc.session import CancelCall, Session, StartCall, StartRoute
from ipc.subscribing import SubscribeParams

Fly = Callable[[RouteRequest], Awaitable[RouteResult | ErrorInfo]]
"""Routes a request and waits for its end. Raises what ``Service.route`` raises."""

TOLD_BY_EVENTS: Final = (
    "subscribe is for the socket: over HTTP, GET /events tells the same"
)


class _Outcome(Struct):
    """What of a reply the status depends on."""

    error: ErrorBody | None = None


class WholeBody(JsonLines):
    """The body is the message, however many lines it has."""

    __slots__ = ()

    @override
    def feed(self, data: bytes) -> list[bytes | FrameError]:
        return [data]


async def answer(
    service: Service,
    peer: Peer,
    body: bytes,
    *,
    version: str,
    fly: Fly,
) -> Reply:
    """The reply to a JSON-RPC object.

    Deltas are not sent: who wants a stream uses the socket, or ``/v1``.
    """
    session = Session(WholeBody(), peer, version=version, new_id=service.new_id)
    for event in session.receive(body):
        assert not isinstance(event, CancelCall), "nothing else is in flight here"
        try:
            session.finish(event.call, await _outcome(service, peer, event, fly))
        except Exception as error:  # noqa: BLE001 - answered, and logged as our bug
            session.finish(event.call, explain(error))
    return _reply(session.data_to_send())


def _reply(body: bytes) -> Reply:
    if not body:
        return Reply(204, {}, b"")
    error = msgspec.json.decode(body, type=_Outcome).error
    if error is None:
        return Reply(200, {"content-type": JSON}, body)
    headers = {"content-type": JSON, "x-gitbridge-error-kind": error.data.kind}
    if error.data.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(error.data.retry_after_s))
    return Reply(MANNERS[error.data.kind].status, headers, body)


async def _outcome(
    service: Service, peer: Peer, event: StartRoute | StartCall, fly: Fly
) -> object:
    if isinstance(event, StartCall):
        if isinstance(event.params, SubscribeParams):
            raise InvalidRequest(TOLD_BY_EVENTS)
        return await service.call(event.method, event.params, peer)
    return await fly(structs.replace(event.request, stream=False, door="http"))
