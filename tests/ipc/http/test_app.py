"""The HTTP door: what is not understood, who has left, and how it closes."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from aiohttp import web

from ipc.http import HttpAccess, HttpDoor
from ipc.http.app import Connection
from ipc.http.chunks import ChunkWriter
from ipc.methods import Peer
from ipc.peers import Credentials
from ipc.stopping import draining
from tests.support.door import drained
from tests.support.fake_service import FakeService, route_result
from tests.support.http_door import (
    CHAT,
    OpenDoor,
    Wire,
    chat,
    events,
    open_door,
)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


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


async def test_requests_one_after_the_other_share_a_connection(
    opened: OpenDoor,
) -> None:
    reader, writer = await opened.connect()
    writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" * 3)
    for _ in range(3):
        assert b" 200 " in await reader.readuntil(b"}")
    writer.close()


async def test_a_bug_amid_a_stream_cuts_it_off(
    opened: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.service.hold = True
    wire = await opened.say("POST", CHAT, chat(stream=True))
    await opened.service.arrived(1)
    opened.service.hold = False
    handle = opened.service.handles[0]
    handle.send("a")
    await wire.reader.readuntil(b'"a"')
    monkeypatch.delattr(ChunkWriter, "delta")
    handle.send("b")

    assert not (await wire.rest()).endswith(b"0\r\n\r\n")
    assert handle.cancelled
    assert (await opened.chat()).status == 200
    wire.close()


async def test_what_escapes_aiohttp_itself_is_logged(
    opened: OpenDoor, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = Connection(opened.door._running(), Peer(door="http"), remote=False)
    connection.log_exception("odd", exc_info=ZeroDivisionError())
    connection.log_exception("garbage", exc_info=web.RequestPayloadError())
    told = capsys.readouterr().out

    assert "odd" in told
    assert "garbage" not in told


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


# Another configuration


async def test_kept_connections_follow_who_may_do_what(opened: OpenDoor) -> None:
    async def kept(wire: Wire, method: str) -> bytes:
        body = b'{"id":1,"method":"%s","params":{"reset":true}}' % method.encode()
        head = b"POST /rpc HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
        wire.writer.write(head % len(body) + body)
        return await wire.reader.readuntil(b"}}")

    wire = await opened.say("GET", "/health")
    await wire.reader.readuntil(b"}")
    assert b" 200 " in await kept(wire, "strategy.set")

    def demoted(who: Credentials | None) -> Peer:
        assert who is not None
        return Peer(door="internal", user="ann", pid=who.pid, uid=who.uid, gid=who.gid)

    opened.door.identify_anew(demoted)
    assert b" 403 " in await kept(wire, "strategy.set")

    opened.door.identify_anew(lambda _: None)
    with anyio.fail_after(5):  # at once, not when keep-alive ends
        await wire.rest()
    assert (await opened.ask("GET", "/health", tcp=True)).status == 200
    wire.close()


async def test_an_answer_on_its_way_is_finished_before_its_connection_is_closed(
    opened: OpenDoor,
) -> None:
    opened.service.hold = True
    wire = await opened.say("POST", CHAT, chat())
    await opened.service.arrived(1)
    opened.door.identify_anew(lambda _: None)
    opened.service.answer(opened.service.handles[0])
    with anyio.fail_after(5):
        assert (await wire.rest()).startswith(b"HTTP/1.1 200 ")
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
    opened.service.refusal = draining()
    ending = asyncio.ensure_future(drained(opened.door, 5))
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
    assert b'"code":"overloaded"' in refused
    assert b"draining" in refused
    assert (await opened.ask("GET", "/ready")).status == 503
    assert not ending.done()

    opened.service.answer(opened.service.handles[0])

    assert await ending == 0
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

    assert await drained(opened.door, 0) == 3
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

    assert await drained(door, 0) == 0


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
