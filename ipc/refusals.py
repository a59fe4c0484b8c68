"""What is said to a connection that is not let in, in the protocol it speaks."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from actors.messages.routing import ErrorInfo
from ipc.frames import FrameError, JsonLines, MsgpackFrames
from ipc.peers import Credentials
from ipc.rpc import FAILED, error_reply, unreadable

Spoken = Literal["http", "json", "msgpack"]


def not_spoken(data: bytes, wanted: Iterable[Spoken]) -> bytes:
    """A line for whoever begins with these bytes, where only those are spoken."""
    error = FrameError(
        message="this protocol is not spoken here",
        got=f'a connection that begins with "{_escaped(data[:8])}"',
        wanted=" or ".join(_DESCRIBED[name] for name in wanted),
    )
    return JsonLines().encode(unreadable(error))


def _escaped(data: bytes) -> str:
    """ASCII as such, all else as escapes."""
    return data.decode("latin-1").encode("unicode_escape").decode()


_DESCRIBED: Final = {
    "http": "HTTP",
    "json": "JSON lines, beginning with {",
    "msgpack": "msgpack frames, beginning with a zero byte",
}


NO_ROOM: Final = ErrorInfo(
    kind="overloaded",
    message="there are too many connections to the daemon",
    owner="us",
    retryable=True,
    retry_after_s=1.0,
)


def turned_away(who: Credentials | None) -> ErrorInfo:
    """The error for a user we do not serve."""
    uid = "nobody" if who is None else f"the user with number {who.uid}"
    return ErrorInfo(
        kind="not_permitted",
        message=f"{uid} may not use this socket",
        owner="caller",
        retryable=False,
    )


def refusal(spoken: Spoken, info: ErrorInfo, status: str) -> bytes:
    """The error in the protocol that is spoken; over HTTP with this status."""
    reply = error_reply(None, FAILED, info)
    if spoken == "msgpack":
        return MsgpackFrames().encode(reply)
    if spoken == "json":
        return JsonLines().encode(reply)
    kind = "permission_error" if info.owner == "caller" else "server_error"
    error = {"message": info.message, "type": kind, "code": info.kind}
    body = msgspec.json.encode({"error": error})
    wait_s = info.retry_after_s
    again = "" if wait_s is None else f"retry-after: {wait_s:.0f}\r\n"
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nx-gitbridge-error-kind: {info.kind}\r\n"
        f"{again}connection: close\r\n\r\n"
    )
    return head.encode() + body
