"""What holds a process together: one daemon a state folder, and how it is told to stop.

The lock is ``flock`` on a file in the state folder: the kernel lets go of it when the
process dies, however it dies, so nothing stale can be left behind.
"""

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
            self._lock = take_lock(folder / LOCK_NAME, f"the state folder {folder}")
        except SecondDaemon as error:
            raise AlreadyRunning(f"{error.message}; stop it, or {advice}") from None
        except ListenError as error:
            raise ConfigError(f"{error.message}; {advice}") from None
        except OSError as error:
            raise ConfigError(
                f"the state folder {folder} cannot be made: {error.strerror}; {advice}"
            ) from None

    def release(self) -> None:
        """Give it back; the file stays, deleting it would race with the next daemon."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class StopSignals:
    """SIGTERM, SIGINT or SIGHUP: the first drains, the second stops now.

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
    """Listen for them; ``add_handler`` is ``loop.add_signal_handler``.

    SIGHUP, a terminal that was closed, is left alone where ``nohup`` has it ignored.
    """
    signals = StopSignals(drain, now)
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        add_handler(number, signals.on_signal)
    return signals
