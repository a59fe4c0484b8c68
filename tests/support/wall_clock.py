"""A wall clock that a test sets, for a daemon in a process of its own.

Realism: only Python's own reading of the time is set; the kernel's stamps on files, and
what certificates are held against, are not. The monotonic clock goes on as it does when
somebody sets the real one.
"""

from tests.support.daemon_process import DaemonProcess

_CODE = """
import time
from pathlib import Path

_time, _time_ns = time.time, time.time_ns


def _offset():
    return float(Path({path!r}).read_text())


time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + int(_offset() * 1e9)
"""


class WallClock:
    """The clock of one daemon, to be made before it starts."""

    def __init__(self, daemon: DaemonProcess) -> None:
        folder = daemon.folder / "clock"
        folder.mkdir()
        self._path = folder / "offset"
        self.set(0.0)
        (folder / "sitecustomize.py").write_text(_CODE.format(path=str(self._path)))
        daemon.environ["PYTHONPATH"] = str(folder)

    def set(self, offset_s: float) -> None:
        """From now on it is so many seconds from the right time."""
        beside = self._path.with_suffix(".new")
        beside.write_text(str(offset_s))
        beside.rename(self._path)
