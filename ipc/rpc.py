"""JSON-RPC 2.0 messages as Structs, for both ends, and the reading of requests."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from actors.errors import GitBridgeError, InvalidRequest
from actors.messages.routing import ErrorInfo, error_info
from ipc import fields
from ipc.frames import FrameError
from ipc.methods import METHODS
from ipc.results import DeltaParams, ErrorData, error_data
from ipc.subscribing import NoticeParams

CallId = int | str | None

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
UNKNOWN_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
FAILED: Final = -32000

_LONGEST_ID: Final = 256
_ID_BITS: Final = 64


class ErrorBody(Struct, frozen=True):
    """The ``error`` of a reply."""

    code: int
    message: str
    data: ErrorData


class ErrorReply(Struct, frozen=True, tag_field="jsonrpc", tag="2.0"):
    """A reply that carries an error; ``id`` is null when none could be read."""

    id: CallId
    error: ErrorBody


class ResultReply(Struct, frozen=True, tag_field="jsonrpc", tag="2.0"):
    """A reply that carries a result."""

    id: CallId
    result: object


class DeltaNotification(Struct, frozen=True, tag_field="jsonrpc", tag="2.0"):
    """A piece of an answer that is still coming."""

    method: Literal["delta"]
    params: DeltaParams


class NoticeNotification(Struct, frozen=True, tag_field="jsonrpc", tag="2.0"):
    """Something that a subscriber is told."""

    method: Literal["notice"]
    params: NoticeParams


class Request(Struct, frozen=True):
    """What was asked. Without an id nobody waits for a reply."""

    id: CallId
    wants_reply: bool
    method: str
    params: object


class RefusedError(Exception):
    """Raised where a request is turned down before it starts.

    Attributes:
        call_id: The id the refusal is for, null when none could be read.
        code: The JSON-RPC error code.
        info: What was wrong.
    """

    def __init__(self, call_id: CallId, code: int, error: GitBridgeError) -> None:
        super().__init__(error.message)
        self.call_id = call_id
        self.code = code
        self.info = error_info(error)


def read_request(document: object) -> Request:
    """A decoded message as a request.

    Raises:
        RefusedError: It is none (-32600).
    """
    call_id: CallId = None
    try:
        envelope = _envelope(document)
        call_id = _call_id(envelope.get("id"))
        version = envelope.get("jsonrpc", "2.0")
        if version != "2.0":
            raise fields.wrong("jsonrpc", version, '"2.0" or nothing')
        if "method" not in envelope:
            raise fields.missing("method", "one of " + ", ".join(METHODS))
        method = fields.name(envelope["method"], "method")
    except InvalidRequest as error:
        raise RefusedError(call_id, INVALID_REQUEST, error) from None
    return Request(call_id, "id" in envelope, method, envelope.get("params"))


def _envelope(document: object) -> Mapping[str, object]:
    if isinstance(document, list):
        raise InvalidRequest(
            "batches are not supported: send the requests one by one",
            got=fields.shown(document),
            wanted="one request object",
        )
    return fields.mapping(document, "request", "one request object")


def _call_id(value: object) -> CallId:
    wanted = f"an integer or a string of at most {_LONGEST_ID} characters"
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= _LONGEST_ID:
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise fields.wrong("id", value, wanted)
    if value.bit_length() < _ID_BITS:
        return value
    raise fields.wrong("id", value, wanted)


def error_code(info: ErrorInfo) -> int:
    """-32602 for a param that is wrong, -32000 for everything else that failed."""
    named = info.kind == "invalid_request" and info.field is not None
    return INVALID_PARAMS if named else FAILED


def error_reply(call_id: CallId, code: int, info: ErrorInfo) -> ErrorReply:
    return ErrorReply(call_id, ErrorBody(code, info.message, error_data(info)))


def unreadable(error: FrameError) -> ErrorReply:
    """The reply to bytes that are no message."""
    info = ErrorInfo(
        kind="invalid_request",
        message=error.message,
        owner="caller",
        retryable=False,
        got=error.got,
        wanted=error.wanted,
    )
    return error_reply(None, PARSE_ERROR, info)
