"""Finding the daemon, and reading what it answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct

from daemon.exits import EXIT_BUG, EXIT_FAILED
from daemon.paths import client_sockets, configured_socket, state_folder
from ipc.calls import DaemonUnreachable
from ipc.results import DeltaParams
from ipc.subscribing import NoticeParams

T = TypeVar("T")


class Stream(Protocol):
    """Pieces of an answer as they come, then ``result``."""

    def __iter__(self) -> Iterator[DeltaParams]: ...

    def pieces(self) -> Iterator[DeltaParams | NoticeParams]: ...

    def wait_for(self, timeout_s: float) -> DeltaParams | NoticeParams | None: ...

    @property
    def result(self) -> object: ...


class Client(Protocol):
    """What the commands need of ``ipc.blocking.Connection``."""

    def call(self, method: str, params: object = None) -> object: ...

    def stream(self, method: str, params: object = None) -> Stream: ...

    def wait_for_end(self) -> None: ...


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
