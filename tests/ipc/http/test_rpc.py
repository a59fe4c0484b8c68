"""JSON-RPC, one object per HTTP request."""

from typing import Any

import msgspec
import pytest

from actors.errors import NoProvider
from actors.messages.routing import ErrorInfo, RouteRequest, RouteResult, error_info
from ipc.http.errors import Reply
from ipc.http.rpc import answer
from ipc.methods import Peer
from ipc.stopping import draining
from tests.support.fake_service import FakeService, route_result

ADMIN = Peer(door="http", tier="admin", user="ann")
USER = Peer(door="http", user="ben")


class Desk:
    """Answers bodies; ``routed`` are the requests that were let fly."""

    def __init__(self) -> None:
        self.service = FakeService()
        self.routed: list[RouteRequest] = []
        self.outcome: RouteResult | ErrorInfo = route_result("hello")

    async def fly(self, request: RouteRequest) -> RouteResult | ErrorInfo:
        if self.service.refusal is not None:
            raise self.service.refusal
        self.routed.append(request)
        return self.outcome

    async def reply(self, body: bytes, peer: Peer = ADMIN) -> Reply:
        return await answer(self.service, peer, body, version="1", fly=self.fly)


def decoded(reply: Reply) -> Any:
    return msgspec.json.decode(reply.body)


async def test_a_request_is_routed_without_a_stream() -> None:
    desk = Desk()
    reply = await desk.reply(
        b'{"id": 1, "method": "route",\n "params": {"prompt": "hi", "stream": true}}\n'
    )

    assert reply.status == 200
    assert decoded(reply)["result"]["content"] == "hello"
    assert not desk.routed[0].stream
    assert desk.routed[0].door == "http"
    assert desk.routed[0].user == "ann"


async def test_methods_are_called() -> None:
    desk = Desk()
    desk.service.answers["usage"] = {"rows": []}
    reply = await desk.reply(b'{"id":"a","method":"usage","params":{"by":"model"}}')

    assert decoded(reply) == {"jsonrpc": "2.0", "id": "a", "result": {"rows": []}}
    assert desk.service.calls[0][0] == "usage"


async def test_without_an_id_the_work_is_done_and_nothing_is_said() -> None:
    desk = Desk()
    reply = await desk.reply(b'{"method":"route","params":{"prompt":"hi"}}')

    assert (reply.status, reply.body) == (204, b"")
    assert len(desk.routed) == 1


async def test_an_error_has_the_status_of_its_kind() -> None:
    desk = Desk()
    desk.outcome = error_info(NoProvider("nobody"))
    reply = await desk.reply(b'{"id":1,"method":"route","params":{"prompt":"hi"}}')

    assert reply.status == 503
    assert reply.headers["x-gitbridge-error-kind"] == "no_provider"
    assert decoded(reply)["error"]["data"]["kind"] == "no_provider"


async def test_a_bug_is_answered_too() -> None:
    desk = Desk()
    desk.service.answers["status"] = ZeroDivisionError("secret")
    reply = await desk.reply(b'{"id":1,"method":"status"}')

    assert reply.status == 500
    assert b"secret" not in reply.body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[]", -32600),
        (b'[{"id":1,"method":"status"}]', -32600),
        (b"{", -32700),
        (b"", -32700),
        (b"[" * 100_000, -32700),
        (b'{"id":1}', -32600),
        (b'{"id":1,"method":"nope"}', -32601),
        (b'{"id":1,"method":"history","params":{"limit":0}}', -32602),
        (b'{"id":1,"method":"status"}{"id":2,"method":"status"}', -32700),
    ],
)
async def test_what_is_no_request_is_refused_by_the_rules_of_the_socket(
    body: bytes, code: int
) -> None:
    reply = await Desk().reply(body)

    assert reply.status == 400
    assert decoded(reply)["error"]["code"] == code


async def test_admin_methods_are_for_admins() -> None:
    body = b'{"id":1,"method":"strategy.set","params":{"strategy":"cost"}}'
    desk = Desk()

    assert (await desk.reply(body, USER)).status == 403
    assert desk.service.calls == []
    assert (await desk.reply(body, ADMIN)).status == 200


async def test_there_is_nothing_to_cancel_from_another_request() -> None:
    reply = await Desk().reply(b'{"id":1,"method":"cancel","params":{"id":1}}')

    assert decoded(reply)["result"] == {"id": 1, "cancelled": False}


async def test_while_the_daemon_drains_nothing_new_is_routed() -> None:
    desk = Desk()
    desk.service.refusal = draining()
    route = b'{"id":1,"method":"route","params":{"prompt":"hi"}}'

    refused = await desk.reply(route)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.headers["x-gitbridge-error-kind"] == "overloaded"
    assert desk.routed == []
    assert (await desk.reply(b'{"id":1,"method":"status"}')).status == 200
