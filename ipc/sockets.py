"""Making or taking over the listening socket, and keeping a second daemon away."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from actors.errors import OurError

LONGEST_PATH_BYTES: Final = 107
"""``sun_path`` has 108 bytes, one of them for the final NUL."""

_FIRST_PASSED: Final = 3
_PROBE_S: Final = 2.0


class ListenError(OurError):
    """Raised when the daemon cannot listen where it was told to."""


class SecondDaemon(ListenError):
    """Raised when another daemon is at work already."""


class AddressTaken(ListenError):
    """Raised when somebody else listens on the TCP address; that may pass."""


class PassedDescriptor(Struct, frozen=True):
    """A descriptor that the service manager opened for us, and its name."""

    fd: int
    name: str


class Lock:
    """An exclusive lock on a file, held until ``release`` or the end of the process.

    The file stays: removing it would let two processes lock two files of one name.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def take_lock(path: Path, what: str) -> Lock:
    """Lock a file, so that only one daemon uses ``what``.

    Raises:
        SecondDaemon: Another process holds the lock; the message names it.
        ListenError: The file cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise ListenError(f"cannot open the lock file {path}: {_why(error)}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(fd, 32, 0).decode(errors="replace").strip()
        os.close(fd)
        by = f" (process {owner})" if owner else ""
        raise SecondDaemon(
            f"a second daemon runs already{by}: it holds {path}, the lock on {what}"
        ) from None
    with suppress(OSError):  # on a full disk people do without our number
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return Lock(path, fd)


class ListeningSocket:
    """A bound Unix socket. ``close`` removes its file only if it is still ours.

    ``mode`` are the permissions that ``restore`` gives a new file.
    """

    def __init__(
        self,
        sock: socket.socket,
        path: str,
        *,
        lock: Lock | None = None,
        mode: int = 0o660,
    ) -> None:
        self.sock = sock
        self.path = path
        self._lock = lock
        self._mode = mode
        self._identity = _identity(path) if lock else None  # adopted: not ours

    @property
    def adopted(self) -> bool:
        return self._lock is None

    @property
    def lost(self) -> bool:
        """Whether its file was removed or replaced: nobody finds it any more."""
        return self._identity is not None and _identity(self.path) != self._identity

    def set_mode(self, mode: int) -> None:
        """Give the file these permissions; systemd's own keeps those of its unit."""
        self._mode = mode
        if not self.adopted and not self.lost:
            with suppress(OSError):  # it went away meanwhile, and is made anew
                os.chmod(self.path, mode)  # noqa: PTH101 - a plain path throughout

    def restore(self) -> None:
        """Bind a new socket, not yet listening, in place of one that is lost.

        Raises:
            ListenError: Something else is there now, or the folder is gone.
        """
        _clear(self.path)
        sock = _bound(self.path, self._mode)
        self.sock.close()
        self.sock = sock
        self._identity = _identity(self.path)

    def withdraw(self) -> None:
        """Be found no more: whoever connects from now on is refused at once.

        An adopted socket stays: those who connect wait for the next daemon.
        """
        if self.adopted:
            return
        self.sock.close()
        if self._identity is not None and not self.lost:
            Path(self.path).unlink(missing_ok=True)
        self._identity = None

    def close(self) -> None:
        """Close; remove the file if it is ours; then let the next daemon in."""
        self.withdraw()
        self.sock.close()
        if self._lock is not None:
            self._lock.release()


def create(path: str | Path, *, mode: int = 0o660) -> ListeningSocket:
    """Bind a Unix socket, not yet listening, with exactly these permissions.

    Nobody can connect before it listens, so nobody can before the mode is set. A lock
    file beside the socket (``<path>.lock``) is held for life.

    Raises:
        SecondDaemon: A daemon holds the lock, or somebody answers on the socket.
        ListenError: The path is too long, no socket, or not writable.
    """
    path = os.path.abspath(path)  # noqa: PTH100 - `resolve` would follow links
    check_length(path)
    folder = Path(path).parent
    if not folder.is_dir():
        raise ListenError(f"the socket {path} cannot be made: {folder} is no folder")
    lock = take_lock(Path(f"{path}.lock"), f"the socket {path}")
    try:
        _clear(path)
        sock = _bound(path, mode)
    except BaseException:
        lock.release()
        raise
    return ListeningSocket(sock, path, lock=lock, mode=mode)


def _bound(path: str, mode: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, mode)  # noqa: PTH101 - a plain path throughout
    except BaseException as error:
        sock.close()
        if not isinstance(error, OSError):
            raise
        raise ListenError(f"cannot make the socket {path}: {_why(error)}") from error
    return sock


def check_length(path: str) -> None:
    """Raise ``ListenError`` for a path that no Unix socket can have."""
    size = len(os.fsencode(path))
    if size > LONGEST_PATH_BYTES:
        raise ListenError(
            f"the socket path is too long: {size} bytes, at most {LONGEST_PATH_BYTES} "
            f"are possible: {path}"
        )


def _clear(path: str) -> None:
    """Remove what a dead daemon left; refuse to remove anything else."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ListenError(f"{path} is there already and is no socket: not removed")
    if answers(path):
        raise SecondDaemon(f"a second daemon runs already: it answers on {path}")
    Path(path).unlink(missing_ok=True)


def answers(path: str) -> bool:
    """Whether somebody listens on this socket. A full backlog counts as somebody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True


def passed_descriptors(
    environ: Mapping[str, str], pid: int
) -> tuple[PassedDescriptor, ...]:
    """What systemd passed to this process: ``LISTEN_FDS`` and its companions.

    Empty when nothing was, or when it was meant for another process.
    """
    try:
        count = int(environ.get("LISTEN_FDS", "0"))
        meant_for = int(environ.get("LISTEN_PID", "-1"))
    except ValueError:
        return ()
    if meant_for != pid:
        return ()
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    return tuple(
        PassedDescriptor(
            _FIRST_PASSED + i, (names[i] if i < len(names) else "") or "unknown"
        )
        for i in range(max(0, count))
    )


def adopt(fd: int) -> ListeningSocket:
    """Take over a listening Unix socket that the service manager made and owns.

    Raises:
        ListenError: The descriptor is nothing of the kind.
    """
    try:
        sock = socket.socket(fileno=fd)
        listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ListenError(
            f"the passed descriptor {fd} is no socket: {_why(error)}"
        ) from error
    fits = sock.family == socket.AF_UNIX and sock.type == socket.SOCK_STREAM
    if not fits or not listening:
        sock.detach()
        raise ListenError(f"the passed descriptor {fd} is no listening Unix socket")
    sock.set_inheritable(False)
    return ListeningSocket(sock, os.fsdecode(sock.getsockname()))


def bind_tcp(host: str, port: int) -> socket.socket:
    """A TCP socket bound to exactly one address, not yet listening.

    Raises:
        AddressTaken: Somebody listens there.
        ListenError: The address cannot be had.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, proto)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        wrong = AddressTaken if taken else ListenError
        raise wrong(f"cannot listen on {host}:{port}: {_why(error)}") from error
    return sock


def _identity(path: str) -> tuple[int, int] | None:
    """Which socket is there, if one is: numbers of removed files are used again."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None


def _why(error: OSError) -> str:
    return error.strerror or str(error)
