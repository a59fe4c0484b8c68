"""``POST /webhooks/github``: what GitHub tells, checked and passed on.

The signature is what lets it in, over TCP too: GitHub knows none of our tokens.
"""

from typing import Final

from actors.errors import InvalidRequest, NotPermitted
from ipc.events import Delivery, Receive
from ipc.http import web
from ipc.http.errors import HttpError
from ipc.http.exchange import json_response, read_body

PATH: Final = "/webhooks/github"
MAX_BYTES: Final = 25 * 1024 * 1024
"""GitHub sends no larger payloads."""

_MAX_ID: Final = 100


async def github(request: web.BaseRequest, receive: Receive) -> web.StreamResponse:
    """202 once the event is kept, 200 for a ping.

    Raises:
        HttpError: 401 not signed with our secret; 413 too long.
        InvalidRequest: It is not what GitHub sends.
    """
    kind = _header(request, "x-github-event")
    delivery = _header(request, "x-github-delivery")
    if request.content_type != "application/json":
        raise InvalidRequest(
            f"the webhook came as {request.content_type[:100]}: set its content type to"
            " application/json",
            field="content-type",
            got=request.content_type[:100],
            wanted="application/json",
        )
    body = await read_body(request, MAX_BYTES)
    signed = request.headers.get("x-hub-signature-256")
    if signed is None:
        raise _refused("it is not signed: set a secret for the webhook on GitHub")
    told = Delivery(kind=kind, id=delivery, signature=signed, body=body)
    try:
        result = await receive(told)
    except NotPermitted as error:
        raise _refused(error.message) from None
    return json_response(result, 200 if kind == "ping" else 202)


def _header(request: web.BaseRequest, name: str) -> str:
    value = request.headers.get(name, "")
    if not (0 < len(value) <= _MAX_ID and value.isascii() and value.isprintable()):
        raise InvalidRequest(
            f"the header {name} is missing, or is none of GitHub's",
            field=name,
            got=value[:100] or "nothing",
            wanted="what GitHub sends with every webhook",
        )
    return value


def _refused(message: str) -> HttpError:
    return HttpError(
        NotPermitted(f"the webhook is refused: {message}"),
        401,
        error_type="authentication_error",
    )
