"""Tells systemd how we are: one datagram a message, nothing where nobody listens."""

import contextlib
import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from typing import Final

FOR_US_ALONE: Final = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
)
"""What the service manager tells one process, and no child of it."""


def take_environment(environ: MutableMapping[str, str]) -> dict[str, str]:
    """The environment as it came; what is for us alone is taken out of ``environ``.

    Children inherit ``os.environ``: they must not report in our name.
    """
    whole = dict(environ)
    for name in FOR_US_ALONE:
        environ.pop(name, None)
    return whole


class Notifier:
    """Speaks ``sd_notify``. Every method is harmless outside of systemd.

    ``watchdog_interval_s`` is how often ``watchdog`` should be called (a third of what
    the unit allows: one sign may come late); ``None`` without a watchdog.
    """

    def __init__(self, address: str | None, watchdog_interval_s: float | None) -> None:
        self._address = address
        self.watchdog_interval_s = watchdog_interval_s

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str], *, pid: int | None = None
    ) -> "Notifier":
        """As ``$NOTIFY_SOCKET``, ``$WATCHDOG_USEC`` and ``$WATCHDOG_PID`` say."""
        address = environ.get("NOTIFY_SOCKET") or None
        usec = environ.get("WATCHDOG_USEC", "")
        meant_for = environ.get("WATCHDOG_PID", "")
        ours = not meant_for or meant_for == str(os.getpid() if pid is None else pid)
        interval = int(usec) / 3e6 if usec.isdecimal() and int(usec) and ours else None
        return cls(address, interval if address else None)

    @property
    def listened_to(self) -> bool:
        """Whether a service manager wants to hear anything at all."""
        return self._address is not None

    def ready(self, status: str = "") -> None:
        """Started, or the reload is done."""
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        """Both in one datagram: a reload without the time is taken for a stall."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def stopping(self, status: str = "") -> None:
        self._send("STOPPING=1", *_status(status))

    def extend(self, seconds: float) -> None:
        """Be given at least so long from now, whatever the unit's time limits say."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(*_status(text))

    def watchdog(self) -> None:
        """A sign of life: to be sent from the event loop that could hang."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address or not lines:
            return
        # A leading @ means the abstract namespace.
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as out:
            out.sendto("\n".join(lines).encode(), address)


def _status(text: str) -> list[str]:
    return [f"STATUS={' '.join(text.split())}"] if text else []
