"""What is served under which path, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.errors import (
    ContextTooLong,
    InvalidRequest,
    NoProvider,
    NotPermitted,
    ProviderRateLimited,
    ProviderResponseError,
    UnknownModel,
)
from actors.messages.routing import error_info
from ipc.feedback import FeedbackParams
from ipc.http import ModelEntry
from ipc.http.routes import check_permission
from ipc.methods import METHODS, HistoryParams, Peer
from tests.support.fake_service import FakeHandle, route_result
from tests.support.http_door import CHAT, OpenDoor, chat, events, open_door


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


# Chat


async def test_a_chat_request_is_answered_and_says_by_whom(opened: OpenDoor) -> None:
    response = await opened.chat(model="auto")
    body = response.json()

    assert response.status == 200
    assert body["choices"][0]["message"]["content"] == "hello there"
    assert body["created"] == 1_800_000_000
    assert response.headers["x-gitbridge-provider"] == "openai"
    assert response.headers["x-gitbridge-attempts"] == "1"
    assert response.headers["x-request-id"] == "request-1"
    assert response.headers["server"] == "gitbridge"
    assert opened.door.in_flight == 0


async def test_the_caller_on_the_socket_is_named(opened: OpenDoor) -> None:
    await opened.chat()

    assert opened.service.handles[0].request.user
    assert opened.service.handles[0].request.door == "http"


async def test_a_stream_is_whole(opened: OpenDoor) -> None:
    response = await opened.chat(stream=True, stream_options={"include_usage": True})
    first, *pieces, finish, usage, done = events(response.body)

    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert first["choices"][0]["delta"]["role"] == "assistant"
    text = "".join(piece["choices"][0]["delta"]["content"] for piece in pieces)
    assert text == "hello there "
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["x_gitbridge"]["decision"] == "d1"
    assert done == "[DONE]"
    chunks = (first, *pieces, finish, usage)
    assert {chunk["model"] for chunk in chunks} == {"gpt-4o"}


async def test_headers_leave_with_the_first_content(opened: OpenDoor) -> None:
    opened.service.hold = True
    wire = await opened.say("POST", CHAT, chat(stream=True))
    await opened.service.arrived(1)
    waiting = asyncio.ensure_future(wire.head())
    await asyncio.wait([waiting], timeout=0.02)
    assert not waiting.done()

    handle = opened.service.handles[0]
    handle.send("a")
    head = (await waiting).lower()
    handle.send("b")
    handle.finish(route_result("ab"))

    assert head.startswith("http/1.1 200")
    assert "x-gitbridge-provider: openai\r\n" in head
    assert "x-gitbridge-attempts: 2\r\n" in head
    assert "x-gitbridge-simulated: true\r\n" in head
    assert "x-gitbridge-cost-usd" not in head
    end = await wire.reader.readuntil(b"[DONE]")
    assert end.index(b'"a"') < end.index(b'"b"') < end.index(b'"stop"')
    wire.close()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UnknownModel("there is no model 'x'"), 404, "unknown_model"),
        (ProviderRateLimited("wait", retry_after_s=6.5), 429, "rate_limited"),
        (ContextTooLong("too long"), 400, "context_too_long"),
        (NoProvider("nobody", retry_after_s=1.0), 503, "no_provider"),
    ],
)
async def test_a_request_that_fails_before_its_first_content_has_a_true_status(
    opened: OpenDoor, error: Any, status: int, kind: str, stream: bool
) -> None:
    opened.service.answer = lambda handle: handle.finish(error_info(error))  # type: ignore[method-assign]
    response = await opened.chat(stream=stream)

    assert response.status == status
    assert response.error["code"] == kind
    assert response.headers.get("retry-after") == {429: "7", 503: "1"}.get(status)
    assert response.headers["x-request-id"] == "request-1"


async def test_a_stream_that_breaks_says_so_and_is_not_done(opened: OpenDoor) -> None:
    def answer(handle: FakeHandle) -> None:
        handle.send("half")
        handle.finish(error_info(ProviderResponseError("cut", provider="openai")))

    opened.service.answer = answer  # type: ignore[method-assign]
    response = await opened.chat(stream=True)
    got = events(response.body)

    assert response.status == 200
    assert got[-1]["error"]["code"] == "provider_error"
    assert "[DONE]" not in got


async def test_an_answer_without_deltas_is_streamed_as_one(opened: OpenDoor) -> None:
    opened.service.answer = lambda handle: handle.finish(route_result("all"))  # type: ignore[method-assign]
    response = await opened.chat(stream=True)
    got = events(response.body)

    assert got[1]["choices"][0]["delta"] == {"content": "all"}
    assert response.headers["x-gitbridge-cost-usd"] == "0.000125"
    assert got[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (chat(n=3), "n"),
        (chat(temperature="hot"), "temperature"),
        (chat(model=7), "model"),
        ({}, "messages"),
        (chat(tools=[{"type": "magic"}]), "tools[0].type"),
    ],
)
async def test_a_wrong_type_names_the_field_and_asks_nobody(
    opened: OpenDoor, body: dict[str, Any], param: str
) -> None:
    response = await opened.ask("POST", CHAT, json=body)
    error = response.error

    assert response.status == 400
    assert error["param"] == param
    assert opened.service.handles == []


@pytest.mark.parametrize("body", [b"", b"{", b'{"messages":[', b"[]", b"\xff"])
async def test_a_body_that_is_no_json_is_a_400(opened: OpenDoor, body: bytes) -> None:
    response = await opened.ask("POST", CHAT, data=body)
    assert response.status == 400
    assert response.error["code"] == "invalid_request"


async def test_a_header_that_does_not_exist_is_refused(opened: OpenDoor) -> None:
    headers = {"x-gitbridge-stratgy": "cost"}
    response = await opened.ask("POST", CHAT, json=chat(), headers=headers)
    assert "did you mean strategy" in response.error["message"]


async def test_what_the_service_refuses_is_told(opened: OpenDoor) -> None:
    opened.service.refusal = InvalidRequest("not like this", field="x")
    response = await opened.chat()

    assert response.status == 400
    assert response.error["param"] == "x"


# Models


async def test_the_models_are_what_model_may_be(opened: OpenDoor) -> None:
    opened.models += [
        ModelEntry("fast", "gitbridge"),
        ModelEntry("openai/gpt-4o", "openai", 1_700_000_000),
    ]
    response = await opened.ask("GET", "/v1/models")
    models = response.json()

    assert models["object"] == "list"
    assert [m["id"] for m in models["data"]] == [
        "auto",
        "auto:cost",
        "auto:performance",
        "auto:availability",
        "auto:hybrid",
        "auto:round_robin",
        "auto:priority",
        "fast",
        "openai/gpt-4o",
    ]
    assert models["data"][-1] == {
        "id": "openai/gpt-4o",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "openai",
    }
    assert models["data"][0]["created"] == 1_800_000_000


async def test_one_model_can_be_asked_for(opened: OpenDoor) -> None:
    opened.models += [ModelEntry("openai/gpt-4o", "openai")]
    response = await opened.ask("GET", "/v1/models/openai/gpt-4o")
    assert response.json()["id"] == "openai/gpt-4o"
    response = await opened.ask("GET", "/v1/models/nope")
    assert response.status == 404
    assert response.error["code"] == "unknown_model"


# Methods


async def test_reading_methods_take_their_params_from_the_query(
    opened: OpenDoor,
) -> None:
    opened.service.answers["history"] = {"entries": []}
    response = await opened.ask("GET", "/api/history?limit=5&cursor=c")
    assert response.json() == {"entries": []}

    name, params, peer = opened.service.calls[0]
    assert name == "history"
    assert params == HistoryParams(5, "c")
    assert peer.door == "http"


@pytest.mark.parametrize(
    ("path", "status", "param"),
    [
        ("/api/history?limit=many", 400, "limit"),
        ("/api/history?limit=1&limit=2", 400, "limit"),
        ("/api/history?limt=1", 400, "limt"),
        ("/api/explain", 400, "decision_id"),
        ("/api/histroy", 404, "method"),
        ("/api/", 404, "method"),
        ("/api/strategy.set", 405, None),
        ("/api/route", 405, None),
    ],
)
async def test_a_reading_that_cannot_be_is_refused(
    opened: OpenDoor, path: str, status: int, param: str | None
) -> None:
    response = await opened.ask("GET", path)
    assert response.status == status
    assert response.error["param"] == param

    assert opened.service.calls == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_would_subscribe_is_sent_to_the_events(
    opened: OpenDoor, method: str
) -> None:
    response = await opened.ask(method, "/api/subscribe", json={})
    assert response.status == 404
    assert "GET /events" in str(response.error["message"])
    assert opened.service.calls == []


async def test_feedback_has_an_address_of_its_own(opened: OpenDoor) -> None:
    opened.service.answers["feedback"] = {"decision_id": "d"}
    body = {"decision_id": "d", "score": 0.5}
    response = await opened.ask("POST", "/api/feedback", json=body)
    assert response.json() == {"decision_id": "d"}

    assert [call[:2] for call in opened.service.calls] == [
        ("feedback", FeedbackParams("d", 0.5))
    ]


@pytest.mark.parametrize(
    ("what", "body", "status", "allow"),
    [
        ("POST /api/feedback", {"decision_id": "d", "score": 2}, 400, None),
        ("POST /api/feedback", ["d"], 400, None),
        ("POST /api/nothing", {}, 404, None),
        ("POST /api/usage", {}, 405, "GET"),
        ("POST /api/strategy.set", {"strategy": "cost"}, 405, ""),
        ("GET /api/feedback", None, 405, "POST"),
    ],
)
async def test_what_else_is_posted_is_refused(
    opened: OpenDoor, what: str, body: object, status: int, allow: str | None
) -> None:
    method, path = what.split()
    response = await opened.ask(method, path, json=body)

    assert response.status == status
    assert response.headers.get("allow") == allow
    assert opened.service.calls == []


async def test_errors_of_methods_have_the_same_shape(opened: OpenDoor) -> None:
    opened.service.answers["explain"] = InvalidRequest("no such id", field="id")
    response = await opened.ask("GET", "/api/explain?id=x")
    assert response.status == 400
    assert response.error["message"] == "no such id"


async def test_a_bug_is_a_500_that_tells_nothing(opened: OpenDoor) -> None:
    opened.service.answers["status"] = ZeroDivisionError("secret")
    response = await opened.ask("GET", "/api/status")
    assert response.status == 500
    assert "secret" not in response.error["message"]


def test_a_reading_for_administrators_would_be_for_them_alone() -> None:
    method = msgspec.structs.replace(METHODS["status"], permission="admin")
    check_permission(Peer(door="http", tier="admin"), method)
    with pytest.raises(NotPermitted, match="not for ben"):
        check_permission(Peer(door="http", user="ben"), method)


async def test_a_bug_in_what_we_were_given_is_a_500(opened: OpenDoor) -> None:
    opened.models.append(None)  # type: ignore[arg-type]  # a bug
    answer = await opened.ask("GET", "/v1/models")

    assert answer.status == 500
    assert answer.error["code"] == "internal"


async def test_rpc_is_served(opened: OpenDoor) -> None:
    call = {"id": 1, "method": "route", "params": {"prompt": "hi"}}
    response = await opened.ask("POST", "/rpc", json=call)
    reply = response.json()

    assert reply["result"]["content"] == "hi"


# The daemon


async def test_health_ready_and_metrics(opened: OpenDoor) -> None:
    response = await opened.ask("GET", "/health")
    assert response.json() == {
        "status": "alive",
        "version": "1.2.3",
    }
    response = await opened.ask("GET", "/ready")
    assert response.status == 200
    opened.ready = False
    response = await opened.ask("GET", "/ready")
    assert response.status == 503
    response = await opened.ask("GET", "/metrics")
    assert response.body.decode() == "gitbridge_requests_total 1\n"
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
async def test_what_comes_later_is_refused_as_such(opened: OpenDoor, path: str) -> None:
    response = await opened.ask("POST", path, json={})
    assert response.status == 404
    assert str(response.error["message"]).startswith(f"{path} is not supported yet;")


async def test_head_is_a_get_without_a_body(opened: OpenDoor) -> None:
    response = await opened.ask("HEAD", "/health")
    assert response.status == 200
    assert response.body == b""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/chat/completion", 404),
        ("POST", "/v1/responses", 404),
        ("GET", "/%ff", 404),
        ("GET", CHAT, 405),
        ("POST", "/health", 405),
        ("DELETE", "/v1/models/auto", 405),
        ("PATCH", "/v1/models", 405),
    ],
)
async def test_what_is_not_there_is_said_in_the_shape_of_openai(
    opened: OpenDoor, method: str, path: str, status: int
) -> None:
    response = await opened.ask(method, path)
    assert response.status == status
    assert response.error["type"] == "invalid_request_error"
    assert ("allow" in response.headers) is (status == 405)
