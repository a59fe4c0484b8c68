"""Log lines to a descriptor through a bounded queue and a thread.

A stalled reader of stdout (journald, a pipe) blocks ``write``; it must never block the
event loop. So callers only append; when the queue is full lines are dropped and counted,
and the first line written afterwards says how many.
"""

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable

MAX_QUEUED_BYTES = 4 * 1024 * 1024
_BATCH_BYTES = 64 * 1024
_GATHER_S = (
    0.02  # lines of one moment leave in one write: waking costs more than writing
)


class LogWriter:
    """Writes whole lines in order. ``dropped`` counts the lines that were not written.

    ``dropped_line`` makes the line that reports a gap of that many lines.
    """

    def __init__(
        self,
        descriptor: int,
        dropped_line: Callable[[int], bytes],
        *,
        max_bytes: int = MAX_QUEUED_BYTES,
    ) -> None:
        self._descriptor = descriptor
        self._dropped_line = dropped_line
        self._max_bytes = max_bytes
        self._lines: deque[bytes] = deque()
        self._queued_bytes = 0
        self._gap = 0
        self._waiting = False
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue a line (with its newline). Never blocks on the reader."""
        with self._changed:
            if self._queued_bytes + len(line) > self._max_bytes:
                self._gap += 1
                self.dropped += 1
                return
            self._lines.append(line)
            self._queued_bytes += len(line)
            if self._waiting:
                self._waiting = False
                self._changed.notify()

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write what is queued, for at most so long; whether all of it was written."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            lines = self._take()
            if not lines:
                return
            self._write(lines)

    def _take(self) -> bytes:
        """The next lines joined; empty only at the end."""
        with self._changed:
            while not self._lines and not self._gap:
                if self._closing.is_set():
                    return b""
                self._waiting = True
                self._changed.wait()
        self._closing.wait(_GATHER_S)
        with self._changed:
            batch = bytearray()
            while self._lines and len(batch) < _BATCH_BYTES:
                batch += self._lines.popleft()
            self._queued_bytes -= len(batch)
            # Said behind the lines that were queued before the gap.
            if self._gap and not self._lines:
                batch += self._dropped_line(self._gap)
                self._gap = 0
            return bytes(batch)

    def _write(self, data: bytes) -> None:
        """All of it, however slowly; a reader that is gone loses it."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                with contextlib.suppress(OSError, ValueError):
                    select.select((), (self._descriptor,), (), 1.0)
            except OSError:
                with self._changed:
                    self.dropped += bytes(view).count(b"\n")
                return
