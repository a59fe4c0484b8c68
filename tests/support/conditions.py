"""What a running daemon says is wrong, and waiting for it."""

from pathlib import Path
from typing import cast

import anyio

from tests.support.waiting import eventually
from tests.support.wire_client import WireClient, wire_client

PATIENCE_S = 20.0


async def conditions(client: WireClient) -> dict[str, str]:
    """Text by code, of those that hold."""
    status = (await client.call("status")).result
    held = cast("list[dict[str, str]]", status["conditions"])
    return {each["code"]: each["text"] for each in held}


async def until_raised(client: WireClient, code: str) -> str:
    """Wait until a condition holds; returns its text."""
    with anyio.fail_after(PATIENCE_S):
        while (text := (await conditions(client)).get(code)) is None:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.02)
    return text


async def until_cleared(client: WireClient, *codes: str) -> None:
    """Wait until none of them holds."""

    async def gone() -> bool:
        return not (await conditions(client)).keys() & set(codes)

    await eventually(gone, PATIENCE_S)


async def ask(client: WireClient, **params: object) -> dict[str, object]:
    """One request that must be answered; its result."""
    answer = await client.call("route", {"prompt": "hi", **params})
    assert answer.error is None, answer.error
    return answer.result


async def is_ready(socket: Path) -> bool:
    """What ``GET /ready`` says."""
    return (await status_of(socket, "/ready")) == 200


async def status_of(socket: Path, path: str) -> int:
    """The status of a GET over the socket."""
    stream = await anyio.connect_unix(socket)
    async with stream:
        await stream.send(
            f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
        )
        head = await stream.receive(65536)
        return int(head.split(b" ", 2)[1])


async def listens(socket: Path) -> bool:
    """Whether somebody accepts connections there."""
    try:
        async with wire_client(socket):
            return True
    except OSError:
        return False
