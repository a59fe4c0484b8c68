"""The calling end of the native protocol, without I/O: frames out, answers in.

A failed call is raised as the class of ``actors.errors`` that its ``kind`` names; its
``__cause__`` is a ``CallFailed`` with everything that was said.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from actors.errors import (
    BudgetExceeded,
    Cancelled,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    ErrorKind,
    GitBridgeError,
    InternalError,
    Interrupted,
    InvalidRequest,
    NoProvider,
    NotPermitted,
    Overloaded,
    ProviderError,
    ProviderRateLimited,
    UnknownModel,
)
from ipc.frames import FrameError, MessageTooLong, MsgpackFrames
from ipc.methods import METHODS
from ipc.results import DeltaParams, ErrorData
from ipc.rpc import CallId, ErrorBody
from ipc.subscribing import NoticeParams

_CLASSES: Final[Mapping[ErrorKind, type[GitBridgeError]]] = {
    "unknown_model": UnknownModel,
    "not_permitted": NotPermitted,
    "budget_exceeded": BudgetExceeded,
    "deadline_exceeded": DeadlineExceeded,
    "overloaded": Overloaded,
    "no_provider": NoProvider,
    "rate_limited": ProviderRateLimited,
    "provider_error": ProviderError,
    "context_too_long": ContextTooLong,
    "content_filtered": ContentFiltered,
    "cancelled": Cancelled,
    "interrupted": Interrupted,
    "internal": InternalError,
}

T = TypeVar("T")


class DaemonUnreachable(Interrupted):
    """Raised when no daemon answers where one was looked for, or it went away."""


class CallFailed(Exception):
    """The cause of every error the daemon answered with.

    Attributes:
        code: The JSON-RPC error code.
        data: Kind, attempts, decision id and so on.
    """

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(body.message)
        self.code = body.code
        self.data = body.data


class Answered(Struct, frozen=True):
    """A call has ended, with a result or an error."""

    id: CallId
    result: object = None
    error: GitBridgeError | None = None


Message = Answered | DeltaParams | NoticeParams


class Caller:
    """One connection's calls: ids out, answers in."""

    def __init__(self) -> None:
        self._framing = MsgpackFrames()
        self._last_id = 0

    def call(self, method: str, params: object = None) -> tuple[int, bytes]:
        """A new call: its id, and the bytes to send.

        Raises:
            InvalidRequest: The params are too long to be sent, or no data.
        """
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        try:
            return self._last_id, self._framing.encode(message)
        except OverflowError as error:
            raise InvalidRequest(
                "this cannot be sent: an integer in it does not fit 64 bits"
            ) from error
        except (MessageTooLong, ValueError, TypeError, RecursionError) as error:
            raise InvalidRequest(f"this cannot be sent: {error}") from error

    def cancel(self, call_id: int) -> bytes:
        """The bytes that cancel a call, without an answer to the cancelling itself."""
        return self._framing.encode({"method": "cancel", "params": {"id": call_id}})

    def receive(self, data: bytes) -> list[Message]:
        """Take bytes as they came: answers, pieces of answers and notices, in order.

        Raises:
            DaemonUnreachable: What is there does not speak this protocol.
        """
        return [self._read(message) for message in self._framing.feed(data)]

    def _read(self, message: bytes | FrameError) -> Message:
        if isinstance(message, FrameError):
            raise DaemonUnreachable(f"no daemon of ours answers: {message.message}")
        try:
            reply = _REPLY.decode(message)
            if reply.method == "notice":
                return _NOTICE.decode(reply.params)
            if reply.method is not None:
                return _DELTA.decode(reply.params)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DaemonUnreachable(f"no daemon of ours answers: {error}") from error
        failed = None if reply.error is None else error_of(reply.error)
        return Answered(reply.id, reply.result, failed)


class _Reply(Struct):
    """A ``ResultReply``, ``ErrorReply``, or a notification: ``delta`` or ``notice``."""

    id: CallId = None
    result: object = None
    error: ErrorBody | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw()


_REPLY: Final = msgspec.msgpack.Decoder(_Reply)
_DELTA: Final = msgspec.msgpack.Decoder(DeltaParams)
_NOTICE: Final = msgspec.msgpack.Decoder(NoticeParams)


def typed(result: object, kind: type[T]) -> T:
    """A result as its Struct.

    Raises:
        DaemonUnreachable: It is none: the daemon is of another version.
    """
    try:
        return msgspec.convert(result, kind)
    except msgspec.ValidationError as error:
        reason = f"the daemon's answer is not understood: {error}"
        raise DaemonUnreachable(reason) from error


def with_prompt(prompt: str | None, params: dict[str, object]) -> dict[str, object]:
    """The params of ``route``."""
    return params if prompt is None else {"prompt": prompt, **params}


def strategy_set(strategy: str | None) -> dict[str, object]:
    """The params of ``strategy.set``; ``None`` drops the override."""
    return {"reset": True} if strategy is None else {"strategy": strategy}


def result_of(method: str, result: object) -> object:
    """A result as the Struct that the table of methods promises."""
    row = METHODS.get(method)
    return result if row is None else typed(result, row.result)


def details(error: BaseException) -> ErrorData | None:
    """What the daemon said beside the message: attempts, decision id and so on.

    ``None`` for an error that did not come from a daemon, as one of no connection.
    """
    cause = error.__cause__
    return cause.data if isinstance(cause, CallFailed) else None


def error_of(body: ErrorBody) -> GitBridgeError:
    """The exception for an error reply, ready to be raised."""
    data = body.data
    error: GitBridgeError
    if data.kind == "invalid_request":
        error = InvalidRequest(
            body.message,
            field=data.field or None,
            got=data.got or None,
            wanted=data.wanted or None,
        )
    else:
        error = _CLASSES[data.kind](
            body.message, retry_after_s=data.retry_after_s, provider=data.provider
        )
    error.__cause__ = CallFailed(body)
    return error
