"""What handlers read from an HTTP request, and how they answer it."""

import asyncio
from typing import Final

import msgspec

from actors.errors import InvalidRequest
from ipc import fields
from ipc.http import web
from ipc.http.errors import JSON, HttpError, Reply
from ipc.http.translate import unicode_text
from ipc.http.whole import SERVER, WholeResponse

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
BODY_S: Final = 60.0
"""How long a body may take to arrive."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


async def read_body(request: web.BaseRequest, most: int = MAX_BODY_BYTES) -> bytes:
    """The whole body, decompressed; at most ``most`` bytes, and ``MAX_BODY_BYTES``.

    Raises:
        HttpError: 413 it is too long; 408 it does not come; 400 it comes in pieces that
            do not fit together.
    """
    if (request.content_length or 0) > most:
        raise _too_long(request.content_length, most)
    if request.headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # nothing of the answer has been sent
    body = await _arrived(request)
    if len(body) > most:
        raise _too_long(len(body), most)
    return body


async def _arrived(request: web.BaseRequest) -> bytes:
    try:
        if request.content.is_eof():  # as mostly: then there is nothing to wait for
            return await request.read()
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        error = InvalidRequest(f"the body did not come within {BODY_S:g} seconds")
        raise HttpError(error, 408) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_long(None, MAX_BODY_BYTES) from None
    except (web.RequestPayloadError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidRequest(f"the body cannot be read: {reason[:200]}") from None


def _too_long(size: int | None, most: int) -> HttpError:
    got = f"more than {most} bytes" if size is None else f"{size} bytes"
    wanted = f"at most {most} bytes"
    message = f"the body is too long: got {got}, wanted {wanted}"
    return HttpError(InvalidRequest(message, got=got, wanted=wanted), 413)


def query_params(request: web.BaseRequest) -> dict[str, str]:
    """The query string as params.

    Raises:
        InvalidRequest: One comes twice, or is no UTF-8.
    """
    params: dict[str, str] = {}
    for given, value in request.query.items():
        name = given.encode(errors="replace").decode()
        if name in params:
            raise fields.wrong(name, value, "this param once")
        params[name] = unicode_text(value, name)
    return params


def respond(reply: Reply) -> web.StreamResponse:
    """A reply as aiohttp sends it."""
    if reply.body:
        return WholeResponse(reply)
    headers = {"server": SERVER, **reply.headers}
    return web.Response(status=reply.status, headers=headers, body=reply.body)


def json_response(document: object, status: int = 200) -> web.StreamResponse:
    """Any Struct or plain data as JSON; ``Decimal`` becomes a number."""
    return respond(Reply(status, {"content-type": JSON}, _ENCODER.encode(document)))


def cut_off(request: web.BaseRequest) -> None:
    """Drop the connection with all that waits to be written."""
    if request.transport is not None:
        request.transport.abort()
