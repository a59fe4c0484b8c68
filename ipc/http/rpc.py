"""``POST /rpc``: one JSON-RPC object per request, by the rules of a native session."""

from collections.abc import Awaitable, Callable

from msgspec import structs
from typing_extensions import override

from actors.messages.routing import ErrorInfo, RouteRequest, RouteResult, error_info
from ipc.frames import FrameError, JsonLines
from ipc.http.flight import explain, stopping
from ipc.methods import Peer, Service
from ipc.session import CancelCall, Session, StartCall, StartRoute

Fly = Callable[[RouteRequest], Awaitable[RouteResult | ErrorInfo]]
"""Routes a request and waits for its end. Raises what ``Service.route`` raises."""


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
    draining: bool,
) -> bytes:
    """The reply to a JSON-RPC object; empty where none is wanted.

    Deltas are not sent: who wants a stream uses the socket, or ``/v1``.
    """
    session = Session(WholeBody(), peer, version=version, new_id=service.new_id)
    if draining:
        session.refuse_routes(error_info(stopping()))
    for event in session.receive(body):
        if isinstance(event, CancelCall):  # nothing else is in flight here
            continue
        try:
            session.finish(event.call, await _outcome(service, peer, event, fly))
        except Exception as error:  # noqa: BLE001 - answered, and logged as our bug
            session.finish(event.call, explain(error))
    return session.data_to_send()


async def _outcome(
    service: Service, peer: Peer, event: StartRoute | StartCall, fly: Fly
) -> object:
    if isinstance(event, StartCall):
        return await service.call(event.method, event.params, peer)
    return await fly(structs.replace(event.request, stream=False, door="http"))
