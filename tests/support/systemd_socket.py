"""The service manager's end of ``$NOTIFY_SOCKET``: what a daemon told it, in order."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import until


class Listening:
    """A datagram socket that is read when somebody looks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    @property
    def said(self) -> list[str]:
        """Every datagram so far, whole."""
        while True:
            try:
                self._said.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return list(self._said)

    def first(self, line: str) -> list[str]:
        """Datagrams that begin with this line."""
        return [each for each in self.said if each.split("\n")[0] == line]

    async def wait_for(self, line: str, *, count: int = 1) -> str:
        """The ``count``-th datagram that begins with this line."""
        await until(lambda: len(self.first(line)) >= count)
        return self.first(line)[count - 1]

    def close(self) -> None:
        self._socket.close()


@contextmanager
def listening(path: Path) -> Iterator[Listening]:
    """Listen at this path."""
    made = Listening(path)
    try:
        yield made
    finally:
        made.close()
