"""What holds a process together: one daemon a state folder, and how it is told to stop.

The lock is ``flock`` on a file in the state folder: the kernel lets go of it when the
process dies, however it dies, so nothing stale can be left behind.
"""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

from actors.errors import OurError
from daemon.exits import EXIT_TRY_LATER, ConfigError
from ipc.sockets import ListenError, Lock, SecondDaemon, take_lock

LOCK_NAME = "gitbridge.lock"


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
        self._lock: Lock | None = None

    def acquire(self) -> None:
        """Take it, and write our pid there for people.

        Raises:
            AlreadyRunning: Another process has it; the message says which.
            ConfigError: The folder cannot be made or written.
        """
        advice = "give this one its own with --state-dir or $GITBRIDGE_STATE_DIR"
        folder = self._folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, _why_not_ours(folder))
            self._lock = take_lock(folder / LOCK_NAME, f"the state folder {folder}")
        except SecondDaemon as error:
            raise AlreadyRunning(f"{error.message}; stop it, or {advice}") from None
        except ListenError as error:
            raise ConfigError(f"{error.message}; {advice}") from None
        except OSError as error:
            raise ConfigError(
                f"the state folder {folder} cannot be used: {error.strerror}; {advice}"
            ) from None

    def release(self) -> None:
        """Give it back; the file stays, deleting it would race with the next daemon."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class Signals:
    """SIGTERM or SIGINT: the first drains, the second stops now. SIGHUP reloads.

    ``received`` counts those that stop. Callbacks run in the event loop.
    """

    def __init__(
        self,
        drain: Callable[[], None],
        now: Callable[[], None],
        reload: Callable[[], None],
        terminal: "Terminal",
    ) -> None:
        self._drain = drain
        self._now = now
        self._reload = reload
        self._terminal = terminal
        self.received = 0

    def on_stop(self) -> None:
        self.received += 1
        if self.received == 1:
            self._drain()
        else:
            self._now()

    def on_hangup(self) -> None:
        """Somebody asks for a reload, or the terminal we were started on was closed."""
        if self._terminal.closed():
            self.on_stop()
        else:
            self._reload()


class Terminal:
    """The terminal the process was started on, if it was on one.

    Under ``nohup`` its end is nobody's business.
    """

    def __init__(self) -> None:
        protected = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._there = not protected and _has_terminal()

    def closed(self) -> bool:
        """Whether it was there and is gone: the kernel takes it away before it tells."""
        return self._there and not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def watch_signals(
    add_handler: Callable[[int, Callable[[], None]], object],
    drain: Callable[[], None],
    now: Callable[[], None],
    reload: Callable[[], None],
) -> Signals:
    """Listen for them; ``add_handler`` is ``loop.add_signal_handler``."""
    signals = Signals(drain, now, reload, Terminal())
    for number in (signal.SIGTERM, signal.SIGINT):
        add_handler(number, signals.on_stop)
    add_handler(signal.SIGHUP, signals.on_hangup)
    return signals


def _why_not_ours(folder: Path) -> str:
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    return "its file system is read-only" if read_only else "we may not write there"
