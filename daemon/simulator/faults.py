"""How answers are spoiled on their way out.

Each fault does to the connection what the real event does: a reset is a TCP reset, a
hang keeps the connection open, a cut stream ends in good order without its last events.
"""

import socket
import struct
from collections.abc import AsyncIterator
from random import Random
from typing import Final

import anyio
from aiohttp import web
from msgspec import json

from daemon.simulator.answer import Reason, Refusal
from daemon.simulator.behaviour import Behaviour, Fault
from daemon.simulator.dialect import Event, Ids, SimDialect

_ENDING: Final = ("cut", "error_event", "malformed", "oversized")
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER 0: close by reset
_PIECE: Final = b" " * (64 << 10)
_REASONS: Final[dict[int, tuple[Reason, str]]] = {
    400: ("invalid", "The request is not valid."),
    401: ("wrong_key", "Incorrect API key provided."),
    402: ("billing", "Your account is out of credit."),
    404: ("unknown_model", "The model does not exist."),
    413: ("too_large", "The request is too large."),
    429: ("rate_limit", "Rate limit reached. Please slow down."),
    503: ("overloaded", "The service is overloaded. Please try again later."),
    529: ("overloaded", "Overloaded"),
}


class FaultBox:
    """Draws the fault of each request and counts those that happen only so often."""

    def __init__(self) -> None:
        self._left: dict[Fault, int] = {}

    def renew(self) -> None:
        """Start counting anew: the behaviour was changed."""
        self._left.clear()

    def draw(self, behaviour: Behaviour, scope: str, random: Random) -> Fault | None:
        for fault in behaviour.faults:
            if fault.scope not in (scope, "all") or fault.kind == "down":
                continue
            left = self._left.get(fault, fault.times)
            if left == 0 or random.random() >= fault.probability:
                continue
            if left is not None:
                self._left[fault] = left - 1
            return fault
        return None


def refusal_of(fault: Fault) -> Refusal:
    """The error a ``status`` or ``error_event`` fault answers with."""
    default: tuple[Reason, str] = ("server_error", "The server had an error.")
    reason, message = _REASONS.get(fault.status, default)
    if fault.quota:
        reason, message = "quota", "You exceeded your current quota."
    return Refusal(fault.status, reason, message, retry_after_s=fault.retry_after_s)


async def instead(fault: Fault, request: web.Request) -> None:
    """Do what faults do in place of any answer; return for those that come later.

    Raises:
        Refusal: An error is to be answered.
    """
    match fault.kind:
        case "status":
            raise refusal_of(fault)
        case "reset" | "hang_up":
            await drop(request, reset=fault.kind == "reset")
        case "hang":
            await anyio.sleep_forever()
        case _:
            pass


async def drop(request: web.Request, *, reset: bool) -> None:
    """End the connection, by a TCP reset or in good order. Never returns."""
    transport = request.transport
    if transport is not None:
        if reset:
            opened: socket.socket = transport.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            transport.abort()
        else:
            transport.close()
    await anyio.sleep_forever()  # until the server cancels: the connection is gone


async def spoiled_plain(
    fault: Fault, request: web.Request, headers: dict[str, str], body: bytes
) -> web.StreamResponse:
    """Send a plain answer the way the fault has it.

    Raises:
        Refusal: It is to be an error.
    """
    if fault.kind == "error_event":
        raise refusal_of(fault)
    if fault.kind == "malformed":
        return web.Response(body=body[: len(body) // 2], headers=headers)
    if fault.kind in ("cut", "cut_reset", "wrong_length", "hang_mid"):
        headers = headers | {"Content-Length": str(len(body) + 64)}
        body = body[: len(body) // 2] if fault.kind != "wrong_length" else body
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    async for piece in _pieces(fault, body):
        await response.write(piece)
    if fault.kind == "hang_mid":
        await anyio.sleep_forever()
    if fault.kind in ("cut", "cut_reset", "wrong_length"):
        await drop(request, reset=fault.kind == "cut_reset")
    return response


async def _pieces(fault: Fault, body: bytes) -> AsyncIterator[bytes]:
    if fault.kind == "oversized" and body.endswith(b"}"):  # the JSON grows
        yield body[:-1]
        for _ in range(-(-fault.size_bytes // len(_PIECE))):
            yield _PIECE
        yield body[-1:]
    elif fault.kind == "drip":
        for i in range(len(body)):
            await anyio.sleep(fault.gap_s)
            yield body[i : i + 1]
    else:
        yield body


async def spoiled_stream(
    fault: Fault,
    request: web.Request,
    events: AsyncIterator[Event],
    dialect: SimDialect,
) -> AsyncIterator[bytes]:
    """The bytes of a stream the way the fault has them.

    It strikes after ``after_tokens`` tokens, or before the finish reason.
    """
    tokens = 0
    struck = False
    async for event in events:
        in_the_middle = event.token and tokens == fault.after_tokens
        if not struck and (in_the_middle or dialect.finished(event)):
            struck = True
            async for piece in _in_the_middle(fault, request, event, dialect):
                yield piece
            if fault.kind in _ENDING:
                return
        tokens += event.token
        async for piece in _pieces(fault, event.data):
            yield piece
    if fault.kind == "wrong_length":
        await drop(request, reset=False)


async def _in_the_middle(
    fault: Fault, request: web.Request, event: Event, dialect: SimDialect
) -> AsyncIterator[bytes]:
    match fault.kind:
        case "hang_mid":
            await anyio.sleep_forever()
        case "cut_reset":
            await drop(request, reset=True)
        case "error_event":
            yield dialect.error_event(refusal_of(fault), Ids(0, "0" * 32))
        case "malformed":
            yield event.data.rstrip()[:-9] + b"\n\n"
        case "oversized":
            yield b"data: "
            async for piece in _pieces(fault, json.encode({})):
                yield piece
        case _:
            pass
