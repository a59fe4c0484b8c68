"""A whole reply as it goes over the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from aiohttp import web

from ipc.http.errors import Reply
from ipc.http.whole import WholeResponse

JSON = {"content-type": "application/json", "x-gitbridge-model": "m"}


@asynccontextmanager
async def serving(
    folder: Path, reply: Reply, *, close: bool = False
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that always answers this."""

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        response = WholeResponse(reply)
        assert not response.prepared
        if close:
            response.force_close()
        return response

    server = web.Server(handle)
    loop = asyncio.get_running_loop()
    listening = await loop.create_unix_server(server, str(folder / "socket"))
    reader, writer = await asyncio.open_unix_connection(str(folder / "socket"))
    yield reader, writer
    writer.close()
    listening.close()
    await server.shutdown(0.1)


async def head_of(reader: asyncio.StreamReader) -> list[str]:
    head = await reader.readuntil(b"\r\n\r\n")
    return head.decode().split("\r\n")[:-2]


async def test_head_and_body(tmp_path: Path) -> None:
    async with serving(tmp_path, Reply(200, JSON, b'{"a":1}')) as (reader, writer):
        for _ in range(2):  # on one connection
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            status, server, date, *rest = await head_of(reader)
            body = await reader.readexactly(7)

            assert (status, server) == ("HTTP/1.1 200 OK", "server: gitbridge")
            assert parsedate_to_datetime(date.removeprefix("date: ")).tzinfo
            assert rest == [
                "content-type: application/json",
                "x-gitbridge-model: m",
                "content-length: 7",
            ]
            assert body == b'{"a":1}'


async def test_a_head_alone_says_how_long_the_body_would_be(tmp_path: Path) -> None:
    async with serving(tmp_path, Reply(200, JSON, b"12345")) as (reader, writer):
        writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = await head_of(reader)

        assert head[-2:] == ["content-length: 5", "connection: close"]
        assert await reader.read() == b""


@pytest.mark.parametrize(
    ("asked", "said"),
    [("", []), ("Connection: keep-alive\r\n", ["connection: keep-alive"])],
)
async def test_older_clients_are_told_in_their_way(
    tmp_path: Path, asked: str, said: list[str]
) -> None:
    async with serving(tmp_path, Reply(200, JSON, b"1")) as (reader, writer):
        writer.write(f"GET / HTTP/1.0\r\n{asked}\r\n".encode())
        head = await head_of(reader)

        assert head[0] == "HTTP/1.0 200 OK"
        assert head[head.index("content-length: 1") + 1 :] == said


async def test_a_forced_close_is_said_and_done(tmp_path: Path) -> None:
    reply = Reply(499, JSON, b"1")
    async with serving(tmp_path, reply, close=True) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await head_of(reader)

        assert head[0] == "HTTP/1.1 499 "
        assert head[-1] == "connection: close"
        assert await reader.read() == b"1"


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "a\rb", "a\0b"])
async def test_no_header_can_make_another(tmp_path: Path, value: str) -> None:
    reply = Reply(200, {"x": value}, b"1")
    async with serving(tmp_path, reply) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        assert await reader.read() == b""  # it is cut off, and the bug is logged


async def test_a_client_that_has_left_is_no_bug(tmp_path: Path) -> None:
    response = WholeResponse(Reply(200, JSON, b"1"))
    left = asyncio.Event()
    seen: list[type[BaseException]] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        await response.prepare(request)
        try:
            await response.write_eof()
        except ConnectionResetError as error:
            seen.append(type(error))
            raise
        finally:
            left.set()
        return response

    server = web.Server(handle)
    loop = asyncio.get_running_loop()
    path = str(tmp_path / "socket")
    listening = await loop.create_unix_server(server, path)
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await left.wait()
    writer.close()
    listening.close()
    await server.shutdown(0.1)

    assert seen == [ConnectionResetError]
