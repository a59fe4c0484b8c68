"""Log lines to a descriptor through a bounded queue and a thread.

A stalled reader of stdout (journald, a pipe) blocks ``write``; it must never block the
event loop. So callers only append; when the queue is full lines are dropped and counted,
and the first line written afterwards says how many. So it is with lines that could not
be written: a disk that was full.
"""

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable

from msgspec import Struct

MAX_QUEUED_BYTES = 4 * 1024 * 1024
_BATCH_BYTES = 64 * 1024
_GATHER_S = (
    0.02  # lines of one moment leave in one write: waking costs more than writing
)


class _Batch(Struct, frozen=True):
    """Lines to write at once. The last of them says ``gap``, where there is one."""

    data: bytes
    gap: int


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
        self._gap = 0  # lines dropped since the last line that said so
        self._lost = 0  # of those, to be said when something can be written again
        self._torn = False  # the last line that was written has no end
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
            batch = self._take()
            if batch is None:
                return
            self._write(batch)

    def _take(self) -> _Batch | None:
        """The next lines joined; ``None`` only at the end."""
        with self._changed:
            while not self._lines and not self._gap:
                if self._closing.is_set():
                    return None
                self._waiting = True
                self._changed.wait()
        self._closing.wait(_GATHER_S)
        with self._changed:
            data, gap = bytearray(), 0
            while self._lines and len(data) < _BATCH_BYTES:
                data += self._lines.popleft()
            self._queued_bytes -= len(data)
            # Said behind the lines that were queued before the gap.
            if not self._lines:
                gap, self._gap, self._lost = self._gap + self._lost, 0, 0
            if gap:
                data += self._dropped_line(gap)
            return _Batch(bytes(data), gap)

    def _write(self, batch: _Batch) -> None:
        """All of it, however slowly; what cannot be written is lost, and said later."""
        data = b"\n" + batch.data if self._torn else batch.data
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                with contextlib.suppress(OSError, ValueError):
                    select.select((), (self._descriptor,), (), 1.0)
            except OSError:
                self._lose(batch, data, len(data) - len(view))
                return
        self._torn = False

    def _lose(self, batch: _Batch, data: bytes, written: int) -> None:
        """Nobody reads any more, or the disk is full: it may be otherwise later."""
        if written:
            self._torn = data[written - 1 : written] != b"\n"
        own = max(written, len(data) - len(batch.data))
        lost = data.count(b"\n", own) - (1 if batch.gap else 0)
        with self._changed:
            self.dropped += lost
            self._lost += lost + batch.gap
