"""One connection of a client without an event loop: calls out, answers in."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, Self

from actors.errors import DeadlineExceeded, NotPermitted
from ipc.calls import Caller, DaemonUnreachable, Message, result_of
from ipc.places import default_sockets
from ipc.results import DeltaParams
from ipc.subscribing import NoticeParams

CONNECT_S: Final = 5.0
CANCEL_S: Final = 1.0

_READ_BYTES: Final = 256 * 1024


def open_socket(
    paths: Sequence[str | os.PathLike[str]] | None, timeout_s: float = CONNECT_S
) -> socket.socket:
    """The first of these sockets that accepts a connection.

    Raises:
        NotPermitted: One is there, and we may not use it.
        DaemonUnreachable: None does; the message names all that were tried.
    """
    tried = default_sockets(os.environ) if paths is None else paths
    denied: str | None = None
    for path in [os.fspath(path) for path in tried]:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            if isinstance(error, PermissionError):
                denied = path
            continue
        return connection
    if denied is not None:
        raise NotPermitted(f"no permission to use the socket {denied}")
    names = ", ".join(str(path) for path in tried)
    raise DaemonUnreachable(f"no daemon answers on {names}; is `gitbridge serve` on?")


def connect(
    paths: Sequence[str | os.PathLike[str]] | None = None,
    *,
    timeout_s: float = CONNECT_S,
) -> "Connection":
    """Connect to the daemon; raises as ``open_socket``."""
    return Connection(open_socket(paths, timeout_s))


class Connection:
    """One connection, one call at a time. Not for several threads."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._caller = Caller()
        self._waiting: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up: the daemon cancels what is still in flight."""
        self._socket.close()

    def call(
        self, method: str, params: object = None, *, timeout_s: float | None = None
    ) -> object:
        """Call a method and wait for its result, as the Struct of ``METHODS``.

        Args:
            method: A name from ``methods.METHODS``.
            params: Its params Struct, or a mapping.
            timeout_s: Longest silence of the daemon; ``None`` waits for ever.

        Raises:
            GitBridgeError: The daemon said so; the class says what.
            DeadlineExceeded: The daemon was silent for ``timeout_s``.
            DaemonUnreachable: The connection broke.
        """
        with Stream(self, method, params, timeout_s) as stream:
            for _ in stream:
                pass
            return stream.result

    def stream(
        self, method: str, params: object = None, *, timeout_s: float | None = None
    ) -> "Stream":
        """Call a method and iterate over the pieces of its answer as they come.

        The params must ask for streaming themselves. Raises as ``call``, while
        iterating.
        """
        return Stream(self, method, params, timeout_s)

    def send(self, method: str, params: object, timeout_s: float | None) -> int:
        call_id, data = self._caller.call(method, params)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(data)
        except TimeoutError:
            raise DeadlineExceeded(
                f"the daemon did not read for {timeout_s} s"
            ) from None
        except OSError as error:
            raise DaemonUnreachable(f"the daemon went away: {error}") from error
        return call_id

    def cancel(self, call_id: int) -> None:
        """Have a call stopped whose answer nobody wants any more."""
        with suppress(OSError):  # which ends everything in flight as well
            self._socket.settimeout(CANCEL_S)
            self._socket.sendall(self._caller.cancel(call_id))

    @property
    def lost(self) -> bool:
        """Whether the daemon has hung up, as far as that can be seen now."""
        try:
            self._socket.settimeout(0.0)
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def wait_for_end(self) -> None:
        """Wait until the daemon hangs up; what it still says is nobody's business."""
        with suppress(DaemonUnreachable):
            while True:
                self.next_message(None)

    def next_message(self, timeout_s: float | None) -> Message:
        while not self._waiting:
            try:
                self._socket.settimeout(timeout_s)
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                reason = f"the daemon said nothing for {timeout_s} s"
                raise DeadlineExceeded(reason) from None
            except OSError as error:
                raise DaemonUnreachable(f"the daemon went away: {error}") from error
            if not data:
                raise DaemonUnreachable("the daemon went away before it answered")
            self._waiting = self._caller.receive(data)
        return self._waiting.pop(0)


class Stream:
    """The answer to one call: its pieces, and after the last of them ``result``.

    Use it as a context manager: leaving it before the end cancels the request.
    """

    def __init__(
        self,
        connection: Connection,
        method: str,
        params: object,
        timeout_s: float | None,
    ) -> None:
        self._connection = connection
        self._method = method
        self._timeout_s = timeout_s
        self._id = connection.send(method, params, timeout_s)
        self._done = False
        self._ended = False
        self._result: object = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Want no more of it: a request that still runs is cancelled."""
        if not self._done:
            self._done = True
            self._connection.cancel(self._id)

    @property
    def result(self) -> object:
        """The result, once the iteration is over.

        Raises:
            RuntimeError: It is not over yet, or was given up.
        """
        if not self._done:
            raise RuntimeError("the answer is still coming: iterate to its end first")
        if not self._ended:
            raise RuntimeError("the answer has not come to its end")
        return self._result

    def __iter__(self) -> Iterator[DeltaParams]:
        for piece in self.pieces():
            if isinstance(piece, DeltaParams):
                yield piece

    def pieces(self) -> Iterator[DeltaParams | NoticeParams]:
        """Everything that comes before the end."""
        while (piece := self._next(self._timeout_s)) is not None:
            yield piece

    def wait_for(self, timeout_s: float) -> DeltaParams | NoticeParams | None:
        """The next piece; ``None`` at the end, or when so many seconds bring none."""
        try:
            return self._next(timeout_s)
        except DeadlineExceeded:
            if self._done:
                raise  # the daemon says that it was its own
            return None

    def _next(self, timeout_s: float | None) -> DeltaParams | NoticeParams | None:
        while not self._done:
            message = self._connection.next_message(timeout_s)
            if isinstance(message, DeltaParams | NoticeParams):
                if message.id == self._id:
                    return message
                continue
            if message.id not in {self._id, None}:
                continue  # of a call that was given up
            self._done = True
            if message.error is not None:
                raise message.error
            self._result = result_of(self._method, message.result)
            self._ended = True
        return None


class Subscription:
    """What happens, as it happens. Use it as a context manager: leaving it ends it.

    The first notice, ``subscribed``, says that listening has begun.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[NoticeParams]:
        """Wait for one after the other.

        Raises:
            Interrupted: The daemon stops, or what we may be told has changed.
        """
        for piece in self._stream.pieces():
            if isinstance(piece, NoticeParams):
                yield piece
