"""What is served under which path."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from actors.errors import GitBridgeError, InvalidRequest, NotPermitted, UnknownModel
from actors.messages.routing import ErrorInfo, RouteRequest, RouteResult
from ipc import fields
from ipc.events import Receive
from ipc.http import embeddings, schema, translate, web, webhooks
from ipc.http.dashboard import page
from ipc.http.errors import JSON, HttpError, Reply, error_reply
from ipc.http.exchange import (
    cut_off,
    json_response,
    query_params,
    read_body,
    respond,
)
from ipc.http.flight import Flight
from ipc.http.live import Broadcast, topics
from ipc.http.rpc import TOLD_BY_EVENTS, answer
from ipc.http.streaming import stream_answer
from ipc.methods import METHODS, Method, Peer, Service, unknown_method
from ipc.params import read_params
from ipc.route import STRATEGIES
from ipc.stopping import draining
from ipc.subscribing import SubscribeParams

NOT_YET: Final = frozenset(
    (
        *("/v1/responses", "/v1/messages"),
        *("/v1/messages/count_tokens", "/webhooks/github"),
    )
)
POSTED: Final = frozenset(
    ("feedback", *(f"tasks.{each}" for each in ("submit", "cancel", "retry", "wait")))
)
"""Methods with an address of their own that do not only read."""

PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"


class Call(NamedTuple):
    """One HTTP request and who sent it."""

    request: web.BaseRequest
    peer: Peer


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


class Backing(NamedTuple):
    """What the handlers are told. ``models`` lists aliases and configured models.

    ``webhook`` keeps what GitHub tells; ``None``: nobody does.
    """

    service: Service
    ready: Callable[[], bool]
    metrics: Callable[[Peer], str]
    models: Callable[[], Sequence[schema.ModelEntry]]
    version: str
    utc: Callable[[], float]
    webhook: Receive | None = None


class Routes:
    """The handlers. ``flights`` are the routed requests; ``draining``: close soon."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._since = int(backing.utc())
        self.flights: set[Flight] = set()
        self.broadcasts: set[Broadcast] = set()
        self.draining = False
        self._exact: dict[str, Mapping[str, Handler]] = {
            "/v1/chat/completions": {"POST": self._chat},
            "/v1/embeddings": {"POST": self._embeddings},
            "/v1/models": {"GET": self._models},
            "/rpc": {"POST": self._rpc},
            "/health": {"GET": self._health},
            "/ready": {"GET": self._ready},
            "/metrics": {"GET": self._metrics},
            "/events": {"GET": self._events},
            "/dashboard": {"GET": self._dashboard},
        }
        if backing.webhook is not None:
            receive = backing.webhook
            self._exact[webhooks.PATH] = {
                "POST": lambda call: webhooks.github(call.request, receive)
            }
        self._below: Mapping[str, Mapping[str, Handler]] = {
            "/v1/models/": {"GET": self._model},
            "/api/": {"GET": self._api, "POST": self._post_api},
        }

    def find(self, method: str, path: str) -> Handler:
        """Who serves this.

        Raises:
            HttpError: 404 nobody does; 405 with ``Allow``.
        """
        by_method = self._exact.get(path)
        if by_method is None:
            below = (m for prefix, m in self._below.items() if path.startswith(prefix))
            by_method = next(below, None)
        if by_method is None:
            raise HttpError(self._unknown(path), 404)
        handler = by_method.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = ", ".join(by_method)
            error = InvalidRequest(
                f"{fields.shown(path)} takes {allowed}, not {fields.shown(method)}"
            )
            raise HttpError(error, 405, headers={"allow": allowed})
        return handler

    def _unknown(self, path: str) -> InvalidRequest:
        known = (*self._exact, *(f"{prefix}<name>" for prefix in self._below))
        hint = fields.nearest(path, known)
        nothing = f"there is nothing at {fields.shown(path)}{hint}"
        return InvalidRequest(
            f"{path} is not supported yet" if path in NOT_YET else nothing,
            wanted="one of " + ", ".join(known),
        )

    # Chat -----------------------------------------------------------------------------

    async def _chat(self, call: Call) -> web.StreamResponse:
        request_id = self._backing.service.new_id()
        try:
            body = await read_body(call.request)
            asked = translate.chat_asked(
                body,
                call.request.headers.items(),
                request_id=request_id,
                user=call.peer.user,
            )
            return await self._fly(call, asked)
        except GitBridgeError as error:
            raise HttpError(
                error, None, headers={"x-request-id": request_id}
            ) from error

    async def _fly(self, call: Call, asked: translate.Asked) -> web.StreamResponse:
        if not asked.request.stream:
            return respond(
                self._whole(asked.request, await self._outcome(call, asked.request))
            )
        follow = None if asked.progress is None else call.peer
        flight = self._depart(call, asked.request, follow)
        try:
            return await stream_answer(
                call.request,
                asked,
                flight,
                created=int(self._backing.utc()),
                last=lambda: self.draining,
            )
        finally:
            self._arrive(flight)

    async def _outcome(
        self, call: Call, request: RouteRequest
    ) -> RouteResult | ErrorInfo:
        flight = self._depart(call, request)
        try:
            return await flight.ended()
        finally:
            self._arrive(flight)

    def _depart(
        self, call: Call, request: RouteRequest, follow: Peer | None = None
    ) -> Flight:
        """Give a request into the router's hands, for as long as its client waits."""
        flight = Flight(
            self._backing.service,
            request,
            on_too_slow=lambda: cut_off(call.request),
            follow=follow,
        )
        self.flights.add(flight)
        return flight

    def _arrive(self, flight: Flight) -> None:
        """Nobody waits for it any more."""
        flight.leave()
        self.flights.discard(flight)

    def _whole(self, request: RouteRequest, outcome: RouteResult | ErrorInfo) -> Reply:
        if isinstance(outcome, ErrorInfo):
            return error_reply(outcome, request_id=request.request_id)
        headers = {"content-type": JSON, **translate.result_headers(outcome)}
        body = translate.completion(outcome, int(self._backing.utc()))
        return Reply(200, headers, body)

    async def _embeddings(self, call: Call) -> web.StreamResponse:
        request_id = self._backing.service.new_id()
        try:
            body = await read_body(call.request)
            request = embeddings.asked(
                body,
                call.request.headers.items(),
                request_id=request_id,
                user=call.peer.user,
            )
            outcome = await self._outcome(call, request)
        except GitBridgeError as error:
            raise HttpError(
                error, None, headers={"x-request-id": request_id}
            ) from error
        if isinstance(outcome, ErrorInfo):
            return respond(error_reply(outcome, request_id=request_id))
        headers = {"content-type": JSON, **translate.result_headers(outcome)}
        return respond(Reply(200, headers, embeddings.answered(request, outcome)))

    # Models ---------------------------------------------------------------------------

    async def _models(self, call: Call) -> web.StreamResponse:
        del call
        return json_response(schema.ModelList(tuple(self._entries().values())))

    async def _model(self, call: Call) -> web.StreamResponse:
        name = call.request.path.removeprefix("/v1/models/")
        entry = self._entries().get(name)
        if entry is None:
            raise UnknownModel(f"there is no model {fields.shown(name)}")
        return json_response(entry)

    def _entries(self) -> dict[str, schema.ModelBody]:
        ours = ("auto", *(f"auto:{strategy}" for strategy in STRATEGIES))
        entries = [schema.ModelEntry(name, "gitbridge") for name in ours]
        entries += self._backing.models()
        return {
            e.id: schema.ModelBody(e.id, e.created or self._since, e.owned_by)
            for e in entries
        }

    # Methods --------------------------------------------------------------------------

    async def _rpc(self, call: Call) -> web.StreamResponse:
        body = await read_body(call.request)
        reply = await answer(
            self._backing.service,
            call.peer,
            body,
            version=self._backing.version,
            fly=partial(self._outcome, call),
        )
        return respond(reply)

    async def _api(self, call: Call) -> web.StreamResponse:
        name = call.request.path.removeprefix("/api/")
        method = _method(name)
        if not method.reading:
            where, allowed = ("here", "POST") if name in POSTED else ("to /rpc", "")
            changes = InvalidRequest(f"{name} is not for reading: POST it {where}")
            raise HttpError(changes, 405, headers={"allow": allowed})
        check_permission(call.peer, method)
        params = read_params(method.params, query_params(call.request), strict=False)
        return json_response(await self._backing.service.call(name, params, call.peer))

    async def _post_api(self, call: Call) -> web.StreamResponse:
        """Methods that take a document and are worth an address of their own."""
        name = call.request.path.removeprefix("/api/")
        method = _method(name)
        if name not in POSTED:
            where, allowed = ("GET it, or ", "GET") if method.reading else ("", "")
            text = f"{name} takes no POST here: {where}POST it to /rpc"
            raise HttpError(InvalidRequest(text), 405, headers={"allow": allowed})
        check_permission(call.peer, method)
        params = read_params(
            method.params, translate.read_json(await read_body(call.request))
        )
        return json_response(await self._backing.service.call(name, params, call.peer))

    # The daemon -----------------------------------------------------------------------

    async def _health(self, call: Call) -> web.StreamResponse:
        del call
        return json_response({"status": "alive", "version": self._backing.version})

    async def _ready(self, call: Call) -> web.StreamResponse:
        del call
        ready = self._backing.ready() and not self.draining
        return json_response({"ready": ready}, 200 if ready else 503)

    async def _dashboard(self, call: Call) -> web.StreamResponse:
        del call
        return respond(page())

    async def _events(self, call: Call) -> web.StreamResponse:
        if self.draining:
            raise draining()
        broadcast = Broadcast(self._backing.service, call.peer, topics(call.request))
        self.broadcasts.add(broadcast)
        try:
            return await broadcast.send(call.request)
        finally:
            self.broadcasts.discard(broadcast)

    async def _metrics(self, call: Call) -> web.StreamResponse:
        text = self._backing.metrics(call.peer).encode()
        return respond(Reply(200, {"content-type": PROMETHEUS}, text))


def check_permission(peer: Peer, method: Method) -> None:
    """Raise ``NotPermitted`` where this caller may not call the method."""
    if not peer.may(method):
        user = peer.user or "this caller"
        raise NotPermitted(f"{method.name} is for administrators, not for {user}")


def _method(name: str) -> Method:
    """What is called so.

    Raises:
        HttpError: 404 nothing is, or it is told elsewhere.
    """
    method = METHODS.get(name)
    if method is None:
        raise HttpError(unknown_method(name), 404)
    if method.params is SubscribeParams:
        raise HttpError(InvalidRequest(TOLD_BY_EVENTS, field="method"), 404)
    return method
