"""Finding the daemon, and its refusals as errors the command line understands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct

from actors.errors import GitBridgeError, NotPermitted
from daemon.exits import (
    EXIT_BUG,
    EXIT_FAILED,
    EXIT_NOT_PERMITTED,
    EXIT_TRY_LATER,
    EXIT_UNREACHABLE,
)
from daemon.paths import client_sockets, configured_socket, state_folder
from ipc.calls import CallFailed, DaemonUnreachable
from ipc.results import DeltaParams

T = TypeVar("T")

_EXIT_OF_KIND = {
    "not_permitted": EXIT_NOT_PERMITTED,
    "overloaded": EXIT_TRY_LATER,
    "rate_limited": EXIT_TRY_LATER,
    "interrupted": EXIT_TRY_LATER,
    "internal": EXIT_BUG,
}


class Stream(Protocol):
    """Pieces of an answer as they come, then ``result``."""

    def __iter__(self) -> Iterator[DeltaParams]: ...

    @property
    def result(self) -> object: ...


class Client(Protocol):
    """What the commands need of ``ipc.blocking.Connection``."""

    def call(self, method: str, params: object = None) -> object: ...

    def stream(self, method: str, params: object = None) -> Stream: ...


Connect = Callable[[Sequence[Path]], AbstractContextManager[Client]]
"""Opens a client on the first of these sockets, as ``ipc.blocking.connect``."""


class CommandFailed(Exception):
    """Raised when a command cannot do its work; says it and how the process ends."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Where(Struct, frozen=True, kw_only=True):
    """The flags that say where the daemon is."""

    socket: str | None = None
    config: str | None = None
    state_dir: str | None = None

    def sockets(self, environ: Mapping[str, str]) -> list[Path]:
        """The places to try, in order."""
        named = self.socket or environ.get("GITBRIDGE_SOCKET")
        configured = None if named else configured_socket(self.config, environ)
        state = state_folder(self.state_dir, environ)
        return client_sockets(self.socket, environ, configured, state)


def open_client(
    connect: Connect, sockets: Sequence[Path]
) -> AbstractContextManager[Client]:
    """A client on the first socket that answers.

    Raises:
        DaemonUnreachable: None does.
        NotPermitted: One is there and we may not use it.
    """
    try:
        return connect(sockets)
    except DaemonUnreachable as error:
        places = ", ".join(str(path) for path in sockets)
        raise DaemonUnreachable(
            f"the daemon is not running: nobody answers on {places}. Start it with "
            "'gitbridge serve', or name its socket with --socket"
        ) from error


def exit_code_of(error: GitBridgeError) -> int:
    """How the process ends on an error of the daemon or on the way to it."""
    if isinstance(error, DaemonUnreachable):
        return EXIT_UNREACHABLE
    return _EXIT_OF_KIND.get(error.kind, EXIT_FAILED)


def sentence(error: GitBridgeError) -> str:
    """The error for people: what, of which kind, what to do about it."""
    if isinstance(error, DaemonUnreachable):
        return error.message
    if isinstance(error, NotPermitted) and not isinstance(error.__cause__, CallFailed):
        return f"{error.message}: ask for the group that owns it"
    wait = error.retry_after_s
    again = f"; try again in {wait:g} s" if wait is not None else ""
    data = error_data(error)
    decision = data.get("decision_id")
    why = f"\n  why: gitbridge explain {decision}" if decision else ""
    return f"{error.message} ({error.kind}){again}{why}"


def error_data(error: GitBridgeError) -> dict[str, object]:
    """The error as ``--json`` prints it: all that the daemon said about it."""
    cause = error.__cause__
    told = cause.data if isinstance(cause, CallFailed) else None
    data: object = msgspec.to_builtins(told) if told is not None else None
    known = {"kind": error.kind, "message": error.message}
    return {**known, **data} if isinstance(data, dict) else {**known}


def typed(result: object, kind: type[T]) -> T:
    """A result as its Struct.

    Raises:
        CommandFailed: It is something else: a daemon of another version.
    """
    try:
        return result if isinstance(result, kind) else msgspec.convert(result, kind)
    except msgspec.ValidationError as error:
        raise CommandFailed(
            f"the daemon's answer is not understood: {error} "
            "(is it another version of gitbridge?)",
            EXIT_BUG,
        ) from None
