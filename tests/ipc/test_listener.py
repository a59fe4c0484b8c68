"""The first byte decides; what cannot be spoken is told and closed."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from typing_extensions import override

from ipc.frames import MsgpackFrames
from ipc.listener import Doors, Listener, Room, close_with, protocol_of
from ipc.methods import Peer
from ipc.peers import Access, Identify, LocalIdentity, identify_remote
from ipc.sockets import bind_tcp
from tests.support.door import Connected, Door, open_door


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return ("asyncio", {"use_uvloop": request.param})


class Web(asyncio.Protocol):
    """Answers the first bytes with who said them and what they were."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's is no Transport

    @override
    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(f"{self.peer.door} {self.peer.uid} ".encode() + data)
        self.transport.close()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door(http=Web) as opened:
        yield opened


def error_of(line: bytes) -> dict[str, object]:
    error = msgspec.json.decode(line, type=dict[str, object])["error"]
    assert isinstance(error, dict)
    return error


@pytest.mark.parametrize(
    ("first", "spoken"),
    [
        (b"GAZ", "http"),
        (b"{[", "json"),
        (b"\x00", "msgpack"),
        (b"agz\x01\x16\xff@]}", None),
    ],
)
def test_the_first_byte_says_what_is_spoken(first: bytes, spoken: str | None) -> None:
    assert {protocol_of(byte) for byte in first} == {spoken}


async def test_http_is_handed_on_with_what_was_read(door: Door) -> None:
    client = await door.connect()
    client.say(b"\r\nGET / HTTP/1.1\r\n")

    uid = os.getuid()
    assert await client.rest() == f"http {uid} GET / HTTP/1.1\r\n".encode()


async def test_white_space_before_json_lines_is_skipped(door: Door) -> None:
    client = await door.connect()
    client.say(b" \n")
    client.say(b'\t{"id":1,"method":"status"}\n')

    assert (await client.answer())["id"] == 1


async def test_frames_are_told_by_their_zero_byte(door: Door) -> None:
    framing = MsgpackFrames()

    said = await door.exchange(framing.encode({"id": 1, "method": "status"}))

    [reply] = framing.feed(said)
    assert isinstance(reply, bytes)
    assert framing.decode(reply) == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"method": "status"},
    }


async def test_a_batch_is_refused_by_the_json_door(door: Door) -> None:
    client = await door.connect()
    client.say(b'[{"id":1,"method":"status"}]\n{"id":2,"method":"status"}\n')

    assert (await client.answer())["error"]
    assert (await client.answer())["id"] == 2


@pytest.mark.parametrize("data", [b"hello", b"\x16\x03\x01", b"\xff" * 10])
async def test_anything_else_gets_one_json_line_and_is_closed(
    door: Door, data: bytes
) -> None:
    client = await door.connect()
    client.say(data)

    said = await client.rest()

    assert said.count(b"\n") == 1
    error = error_of(said)
    assert error["code"] == -32700
    assert isinstance(error["data"], dict)
    assert error["data"]["wanted"] == (
        "HTTP or JSON lines, beginning with { or "
        "msgpack frames, beginning with a zero byte"
    )


async def test_one_who_goes_on_sending_can_still_read_why(door: Door) -> None:
    client = await door.connect()
    for _ in range(100):
        client.say(b"\xff" * 65536)
        await client.writer.drain()

    assert error_of(await client.rest())["code"] == -32700


async def test_one_who_never_stops_sending_is_cut(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipc.listener.LINGER_S", 0.01)
    client = await door.connect()
    client.say(b"\xff")

    assert error_of(await client.rest())["code"] == -32700
    while not client.writer.transport.is_closing():
        client.say(b"\xff" * 65536)
        await asyncio.wait_for(drained(client), 5)


async def drained(client: Connected) -> None:
    with contextlib.suppress(ConnectionError):
        await client.writer.drain()


async def test_one_who_reads_slowly_is_waited_for_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ipc.listener.LINGER_S", 0.01)
    monkeypatch.setattr("ipc.listener.LINGER_ROUNDS", 3)
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Talkative(Web):
        @override
        def data_received(self, data: bytes) -> None:
            assert self.transport is not None
            close_with(self.transport, b"x" * 5_000_000)
            asyncio.get_running_loop().call_later(0.05, ended.set_result, None)

    async with open_door(http=Talkative) as door:
        client = await door.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed for writing
        client.say(b"GET /")
        await asyncio.wait_for(ended, 5)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # typed for writing

        assert len(await client.rest()) < 5_000_000


async def test_a_protocol_without_a_door_is_told_so() -> None:
    async with open_door() as door:
        error = error_of(await door.exchange(b"GET / HTTP/1.1\r\n\r\n"))

        assert "HTTP" not in str(error["data"])


async def test_a_silent_client_is_closed() -> None:
    async with open_door(first_byte_s=0.01) as door:
        client = await door.connect()
        client.say(b"\n")

        assert await client.rest() == b""


async def test_one_who_hangs_up_without_a_word_is_forgotten(door: Door) -> None:
    assert await door.exchange(b"") == b""

    assert not door.listener._sniffing


async def test_closing_drops_the_silent_and_spares_the_rest(door: Door) -> None:
    talking = await door.connect()
    talking.ask(1, "status")
    await talking.answer()
    silent = await door.connect()
    silent.say(b"\n")
    talking.ask(2, "status")
    await talking.answer()

    door.listener.close()

    assert await silent.rest() == b""
    talking.ask(3, "status")
    assert (await talking.answer())["id"] == 3


async def test_strangers_are_turned_away_in_their_own_protocol() -> None:
    async with open_door(http=Web, identify=lambda _: None) as door:
        line = await door.exchange(b'{"id":1,"method":"status"}\n')
        page = await door.exchange(b"GET / HTTP/1.1\r\n\r\n")
        framing = MsgpackFrames()
        [frame] = framing.feed(await door.exchange(framing.encode({"id": 1})))

    assert error_of(line)["code"] == -32000
    head, _, body = page.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert error_of(body)["code"] == "not_permitted"
    assert isinstance(frame, bytes)
    assert "not_permitted" in str(framing.decode(frame))


async def test_without_room_a_client_is_told_so_in_its_own_protocol() -> None:
    async with open_door(http=Web, room=Room(refuse_from=0)) as door:
        line = await door.exchange(b'{"id":1,"method":"status"}\n')
        page = await door.exchange(b"GET / HTTP/1.1\r\n\r\n")
        framing = MsgpackFrames()
        [frame] = framing.feed(await door.exchange(framing.encode({"id": 1})))

    head, _, body = page.partition(b"\r\n\r\n")
    assert error_of(line)["message"] == "there are too many connections to the daemon"
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 1\r\n" in head
    assert error_of(body)["code"] == "overloaded"
    assert isinstance(frame, bytes)
    assert "overloaded" in str(framing.decode(frame))


async def test_without_room_nobody_waits_for_the_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ipc.listener.CROWDED_S", 0.01)
    async with open_door(http=Web, room=Room(refuse_from=0)) as door:
        silent = await door.connect()

        assert await silent.rest() == b""


async def test_without_any_room_a_client_is_dropped_at_once() -> None:
    async with open_door(http=Web, room=Room(0, drop_from=0)) as door:
        client = await door.connect()

        assert await client.rest() == b""


async def test_while_there_is_room_everybody_gets_in() -> None:
    async with open_door(http=Web, room=Room(1000, 1001)) as door:
        assert b"http" in await door.exchange(b"GET / HTTP/1.1\r\n\r\n")


@contextlib.asynccontextmanager
async def tcp_clients(identify: Identify) -> AsyncIterator[tuple[Connected, ...]]:
    """Two clients of a listener on loopback."""
    listener = Listener()
    sock = bind_tcp("127.0.0.1", 0)
    port = sock.getsockname()[1]
    await listener.serve_tcp(sock, Web, identify)
    clients = [
        Connected(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)
    ]
    try:
        yield tuple(clients)
    finally:
        listener.close()
        for client in clients:
            client.leave()


async def test_over_tcp_only_http_is_spoken() -> None:
    async with tcp_clients(identify_remote) as (web, native):
        web.say(b"GET /")
        native.say(b'{"id":1,"method":"status"}\n')

        assert await web.rest() == b"http None GET /"
        assert "HTTP" in str(error_of(await native.rest())["data"])


async def test_nobody_without_credentials_gets_in_where_they_are_wanted() -> None:
    async with tcp_clients(LocalIdentity(Access(), own_uid=0)) as (client, _):
        client.say(b"GET /")

        assert b"403 Forbidden" in await client.rest()


async def test_the_file_of_the_socket_is_left_to_its_owner(tmp_path: Path) -> None:
    async with open_door() as door:
        door.listener.close()

        assert door.path.exists()
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(door.path))  # in the backlog of the next process


def test_doors_are_closed_unless_opened() -> None:
    assert Doors() == Doors(None, None, None)
