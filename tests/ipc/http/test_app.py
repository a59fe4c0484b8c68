"""The HTTP door: who is let in, who has left, and how it closes."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from ipc.http import HttpAccess, HttpDoor, exchange
from tests.support.fake_service import FakeService, route_result
from tests.support.http_door import (
    ADMIN,
    CHAT,
    USER,
    OpenDoor,
    chat,
    events,
    open_door,
)

SET = {"id": 1, "method": "strategy.set", "params": {"strategy": "cost"}}


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


# Who is let in


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("path", ["/health", "/v1/models", "/rpc", "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"host": "evil.example"},
        {"host": "localhost.evil.example:4180"},
    ],
)
async def test_what_a_foreign_page_sends_is_refused_on_every_door(
    opened: OpenDoor, headers: dict[str, str], path: str, tcp: bool
) -> None:
    answer = await opened.ask(
        "GET", path, tcp=tcp, headers={"x-api-key": ADMIN, **headers}
    )

    assert answer.status == 403
    assert answer.error["code"] == "not_permitted"


async def test_the_socket_may_be_called_by_made_up_names(opened: OpenDoor) -> None:
    for host in ("localhost", "gitbridge", "unix", "127.0.0.1", "[::1]:80"):
        answer = await opened.ask("GET", "/health", headers={"host": host})
        assert answer.status == 200

    answer = await opened.ask("GET", "/health", tcp=True, headers={"host": "gitbridge"})
    assert answer.status == 403


async def test_a_target_with_a_foreign_host_in_it_is_refused(opened: OpenDoor) -> None:
    for target, status in (
        ("http://evil.example/health", b"403"),
        ("http://localhost/health", b"200"),
    ):
        wire = await opened.say("GET", target)
        assert (await wire.reader.readline()).split()[1] == status
        wire.close()


async def test_a_page_of_this_host_may_come(opened: OpenDoor) -> None:
    headers = {"origin": "http://localhost:3000"}

    assert (await opened.ask("GET", "/health", headers=headers)).status == 200


async def test_tcp_wants_a_token_except_for_health(opened: OpenDoor) -> None:
    assert (await opened.ask("GET", "/health", tcp=True)).status == 200
    for path in ("/v1/models", "/ready", "/metrics", "/api/status", "/nothing"):
        answer = await opened.ask("GET", path, tcp=True)
        assert answer.status == 401
        assert answer.error["type"] == "authentication_error"


@pytest.mark.parametrize(
    "headers", [{"authorization": f"Bearer {USER}"}, {"x-api-key": USER}]
)
async def test_a_token_opens_and_names_the_caller(
    opened: OpenDoor, headers: dict[str, str]
) -> None:
    answer = await opened.ask("POST", CHAT, tcp=True, json=chat(), headers=headers)

    assert answer.status == 200
    assert opened.service.handles[0].request.user == "ben"


async def test_the_tier_of_the_token_counts(opened: OpenDoor) -> None:
    for secret, status in ((USER, 403), (ADMIN, 200)):
        headers = {"x-api-key": secret}
        answer = await opened.ask("POST", "/rpc", tcp=True, json=SET, headers=headers)
        assert answer.status == status

    assert [peer.user for _, _, peer in opened.service.calls] == ["ann"]


async def test_on_the_socket_a_token_changes_nothing(opened: OpenDoor) -> None:
    await opened.ask("POST", CHAT, json=chat(), headers={"x-api-key": USER})

    assert opened.service.handles[0].request.user != "ben"


async def test_open_loopback_needs_no_token(tmp_path: Path) -> None:
    async with open_door(tmp_path, open_loopback=True) as opened:
        headers = {"authorization": "Bearer unused"}
        answer = await opened.ask("POST", CHAT, tcp=True, json=chat(), headers=headers)
        refused = await opened.ask("POST", "/rpc", tcp=True, json=SET)

    assert answer.status == 200
    assert refused.status == 403


# What is not understood


@pytest.mark.parametrize(
    "garbage",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 9000 + b"\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_http_get_an_error_and_disturb_nobody(
    opened: OpenDoor, garbage: bytes
) -> None:
    reader, writer = await opened.connect()
    writer.write(garbage)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()

    assert head.split()[1] == b"400"
    assert msgspec.json.decode(body)["error"]["code"] == "invalid_request"
    assert (await opened.chat()).status == 200


async def test_a_broken_chunked_body_is_a_400(opened: OpenDoor) -> None:
    reader, writer = await opened.connect()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
    writer.write(head.encode() + b"\r\nzz\r\nhello\r\n0\r\n\r\n")
    answer = await reader.read()
    writer.close()

    assert answer.split()[1] == b"400"


async def test_a_body_that_is_no_gzip_is_a_400(opened: OpenDoor) -> None:
    headers = {"content-encoding": "gzip"}
    answer = await opened.ask("POST", CHAT, data=b"not gzip at all", headers=headers)

    assert answer.status == 400
    assert answer.error["code"] == "invalid_request"


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_long_is_a_413(
    opened: OpenDoor, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    monkeypatch.setattr("ipc.http.app.MAX_BODY_BYTES", 1000)
    if announced:
        monkeypatch.setattr("ipc.http.exchange.MAX_BODY_BYTES", 1000)
    answer = await opened.ask("POST", CHAT, json=chat("x" * 2000))

    assert answer.status == 413
    assert answer.error["code"] == "invalid_request"
    assert "too long" in answer.error["message"]
    assert opened.service.handles == []


def test_a_prompt_of_many_megabytes_is_no_mistake() -> None:
    assert exchange.MAX_BODY_BYTES == 32 * 1024 * 1024


async def test_a_body_that_does_not_come_is_a_408(
    opened: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipc.http.exchange.BODY_S", 0.01)
    monkeypatch.setattr("ipc.http.app.LINGER_S", 0.01)
    reader, writer = await opened.connect()
    writer.write(b"POST /rpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{")
    answer = await reader.read()
    writer.close()

    assert answer.split()[1] == b"408"


async def test_a_client_that_asks_whether_to_go_on_is_told(opened: OpenDoor) -> None:
    wire = await opened.connect()
    body = msgspec.json.encode(chat())
    wire[1].write(
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode()
    )
    assert await wire[0].readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire[1].write(body)

    assert (await wire[0].readline()).split()[1] == b"200"
    wire[1].close()


async def test_requests_one_after_the_other_share_a_connection(
    opened: OpenDoor,
) -> None:
    reader, writer = await opened.connect()
    writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" * 3)
    for _ in range(3):
        assert b" 200 " in await reader.readuntil(b"}")
    writer.close()


# Who has left


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_its_request(
    opened: OpenDoor, stream: bool
) -> None:
    opened.service.hold = True
    wire = await opened.say("POST", CHAT, chat(stream=stream))
    await opened.service.arrived(1)
    assert opened.door.in_flight == 1
    wire.close()

    await opened.service.handles[0].stopped()
    await until(lambda: opened.door.in_flight == 0)


async def test_a_client_that_leaves_amid_a_stream_cancels_it(opened: OpenDoor) -> None:
    opened.service.hold = True
    wire = await opened.say("POST", CHAT, chat(stream=True))
    await opened.service.arrived(1)
    handle = opened.service.handles[0]
    handle.send("a")
    await wire.reader.readuntil(b'"a"')
    wire.close()

    await handle.stopped()


async def test_a_client_that_leaves_cancels_its_rpc(opened: OpenDoor) -> None:
    opened.service.hold = True
    call = {"id": 1, "method": "route", "params": {"prompt": "hi"}}
    wire = await opened.say("POST", "/rpc", call)
    await opened.service.arrived(1)
    wire.close()

    await opened.service.handles[0].stopped()


async def test_a_client_that_does_not_read_is_dropped_and_not_waited_for(
    opened: OpenDoor,
) -> None:
    opened.service.hold = True
    wire = await opened.say("POST", CHAT, chat(stream=True))
    wire.reader._transport.pause_reading()  # type: ignore[attr-defined]
    await opened.service.arrived(1)
    handle = opened.service.handles[0]
    piece = "x" * 100_000
    sent = 0
    while not handle.cancelled and sent < 200:
        handle.send(piece)
        sent += 1
        await anyio.lowlevel.checkpoint()

    assert handle.cancelled
    assert sent * len(piece) < 8 * 1024 * 1024
    await until(lambda: opened.door.in_flight == 0)
    wire.close()


async def test_a_slow_client_that_reads_in_the_end_misses_nothing(
    opened: OpenDoor,
) -> None:
    opened.service.hold = True
    wire = await opened.say("POST", CHAT, chat(stream=True))
    wire.reader._transport.pause_reading()  # type: ignore[attr-defined]
    await opened.service.arrived(1)
    handle = opened.service.handles[0]
    for number in range(30):
        handle.send(f"<{number}>" + "x" * 50_000)
        await anyio.lowlevel.checkpoint()
    handle.finish(route_result("done"))
    wire.reader._transport.resume_reading()  # type: ignore[attr-defined]
    got = b""
    while b"[DONE]" not in got[-40:]:
        got += await wire.reader.read(1 << 20)

    assert [got.count(f"<{number}>".encode()) for number in range(30)] == [1] * 30
    wire.close()


# How it closes


async def test_while_draining_new_work_is_refused_and_the_old_finishes(
    opened: OpenDoor,
) -> None:
    opened.service.hold = True
    old = await opened.say("POST", CHAT, chat(stream=True))
    idle = await opened.say("GET", "/health")
    await idle.reader.readuntil(b"}")
    await opened.service.arrived(1)
    draining = asyncio.ensure_future(opened.door.drain(5))
    await anyio.lowlevel.checkpoint()

    body = msgspec.json.encode(chat())
    idle.writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    refused = (await idle.rest()).lower()
    assert refused.startswith(b"http/1.1 503")
    assert b"connection: close" in refused
    assert b"retry-after: 1" in refused
    assert b'"code":"interrupted"' in refused
    assert (await opened.ask("GET", "/ready")).status == 503
    assert not draining.done()

    opened.service.answer(opened.service.handles[0])

    assert await draining == 0
    assert b"[DONE]" in await old.rest()
    assert opened.door.in_flight == 0
    idle.close()
    old.close()


async def test_what_does_not_finish_is_told_that_it_was_cut_short(
    opened: OpenDoor,
) -> None:
    opened.service.hold = True
    wires = [
        await opened.say("POST", CHAT, chat(stream=s)) for s in (True, True, False)
    ]
    await opened.service.arrived(3)
    streams = [h for h in opened.service.handles if h.request.stream]
    streams[0].send("a")
    begun = await first_done([asyncio.ensure_future(w.head()) for w in wires])

    assert await opened.door.drain(0) == 3
    assert all(handle.cancelled for handle in opened.service.handles)
    rests = [await wire.rest() for wire in wires]
    broken = unchunked(rests[begun])
    assert events(broken)[-1]["error"]["code"] == "interrupted"
    assert b"[DONE]" not in broken
    for index, rest in enumerate(rests):
        if index != begun:
            assert b'"code":"interrupted"' in rest
    for wire in wires:
        wire.close()


async def test_closing_cancels_what_is_inside(opened: OpenDoor) -> None:
    opened.service.hold = True
    wire = await opened.say("POST", CHAT, chat())
    await opened.service.arrived(1)
    await opened.door.close()

    await opened.service.handles[0].stopped()
    await wire.rest()
    wire.close()


async def test_a_door_that_never_opened_can_be_closed() -> None:
    door = HttpDoor(
        FakeService(),
        ready=lambda: True,
        metrics=str,
        models=list,
        access=HttpAccess(),
        version="1",
    )

    assert await door.drain(0) == 0


async def test_the_name_we_listen_under_is_no_foreign_host(opened: OpenDoor) -> None:
    opened.door._access = HttpAccess(open_loopback=True, hosts=("Router.Internal",))
    headers = {"host": "router.internal:4180"}

    assert (await opened.ask("GET", "/ready", tcp=True, headers=headers)).status == 200


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here")
async def test_curl_speaks_with_the_socket(opened: OpenDoor) -> None:
    async def curl(*args: str) -> bytes:
        base = ("curl", "-sS", "--max-time", "5", "--unix-socket", opened.path)
        process = await anyio.run_process([*base, *args], env=dict(os.environ))
        return process.stdout

    body = msgspec.json.encode(chat()).decode()
    answer = await curl(f"http://localhost{CHAT}", "-d", body)
    streamed = await curl(
        "-N", f"http://localhost{CHAT}", "-d", '{"stream":true,' + body[1:]
    )
    headers = await curl("-i", "http://localhost/health")

    assert msgspec.json.decode(answer)["choices"][0]["message"]["content"]
    assert events(streamed)[-1] == "[DONE]"
    assert b"200 OK" in headers


async def until(condition: Any) -> None:
    with anyio.fail_after(5):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def first_done(tasks: list[Any]) -> int:
    """Index of the task that ends first; the others are cancelled."""
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.wait(tasks)
    return tasks.index(done.pop())


def unchunked(data: bytes) -> bytes:
    """The content of a chunked body."""
    content = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        content += rest[:length]
        data = rest[length + 2 :]
    return content
