"""Reading bodies that do not come, come too long, or are no bodies."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from ipc.http import exchange
from tests.support.http_door import CHAT, OpenDoor, chat, open_door


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


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


async def test_a_client_that_leaves_before_it_is_told_to_go_on(
    opened: OpenDoor,
) -> None:
    reader, writer = await opened.connect()
    writer.write(
        b"POST /rpc HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n"
        b"content-length: 9\r\n\r\n"
    )
    writer.close()
    await reader.read()

    assert (await opened.chat()).status == 200


async def test_a_query_that_is_no_unicode_is_refused(opened: OpenDoor) -> None:
    reader, writer = await opened.connect()
    writer.write(
        b"GET /api/explain?id=\xff HTTP/1.1\r\nhost: localhost\r\n"
        b"connection: close\r\n\r\n"
    )
    answer = await reader.read()
    writer.close()

    assert answer.split()[1] == b"400"
    assert opened.service.calls == []
