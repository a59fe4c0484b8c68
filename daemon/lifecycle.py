"""What holds a process together: one daemon a state folder, and how it is told to stop.

The lock is ``flock`` on a file in the state folder: the kernel lets go of it when the
process dies, however it dies, so nothing stale can be left behind.
"""

import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path

from actors.errors import OurError
from daemon.exits import EXIT_TRY_LATER, ConfigError

LOCK_NAME = "gitbridge.lock"
MAX_SOCKET_PATH = 107  # bytes: sockaddr_un's sun_path without its final zero


class AlreadyRunning(OurError):
    """Raised when another daemon has the state folder.

    Attributes:
        exit_code: The process's exit status.
    """

    exit_code = EXIT_TRY_LATER


class StateLock:
    """The lock on a state folder. ``acquire`` makes the folder (0700) if need be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take it, and write our pid there for people.

        Raises:
            AlreadyRunning: Another process has it; the message says which.
            ConfigError: The folder cannot be made or written.
        """
        path = self._folder / LOCK_NAME
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"the state folder {self._folder} cannot be used: {error.strerror} "
                "(--state-dir or $GITBRIDGE_STATE_DIR name another)"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            who = f" (pid {holder})" if holder.isdecimal() else ""
            raise AlreadyRunning(
                f"another daemon{who} is using the state folder {self._folder}: stop it, "
                "or give this one its own with --state-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back; the file stays, deleting it would race with the next daemon."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def check_socket_path(path: Path) -> None:
    """The kernel's limit, said before it fails with "AF_UNIX path too long".

    Raises:
        ConfigError: The path is too long for a Unix socket.
    """
    length = len(os.fsencode(path))
    if length > MAX_SOCKET_PATH:
        raise ConfigError(
            f"the socket path {path} is {length} bytes long, a Unix socket's may be "
            f"{MAX_SOCKET_PATH}: name a shorter one with --socket"
        )


class StopSignals:
    """SIGTERM or SIGINT: the first drains, the second stops now.

    ``received`` counts them. Callbacks run in the event loop.
    """

    def __init__(self, drain: Callable[[], None], now: Callable[[], None]) -> None:
        self._drain = drain
        self._now = now
        self.received = 0

    def on_signal(self) -> None:
        self.received += 1
        if self.received == 1:
            self._drain()
        else:
            self._now()


def watch_signals(
    add_handler: Callable[[int, Callable[[], None]], object],
    drain: Callable[[], None],
    now: Callable[[], None],
) -> StopSignals:
    """Listen for SIGTERM and SIGINT; ``add_handler`` is ``loop.add_signal_handler``."""
    signals = StopSignals(drain, now)
    for number in (signal.SIGTERM, signal.SIGINT):
        add_handler(number, signals.on_signal)
    return signals
