"""Where records go before the answer leaves: append-only segments in a folder.

One ``os.write`` a record, into a file only this process writes. Segments never change
once closed; a new process always begins a new one. A closed segment is removed after
its records are committed elsewhere (``Spool.done``); as long as that keeps up, they are
remembered, and not read back. The live segment is locked
(``flock``), so another process that looks into the folder leaves it alone.
"""

import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemon.storage.batches import Batch, Entry, Place
from daemon.storage.records import Spooled, encode_record, exact_payload, frame

_SUFFIX = ".spool"
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

Trouble = Callable[[OSError | None], None]

REMEMBERED = 1000
"""Records of a segment that are remembered; one with more is read back."""


@dataclass(slots=True)
class _Closed:
    """A closed segment; ``entries`` is what of it is not done, if remembered."""

    path: Path
    size: int
    offset: int = 0
    entries: tuple[Entry, ...] | None = None


class Spool:
    """The writing side and the list of segments; belongs to the event loop.

    Args:
        folder: Where segments are; made when needed.
        sync: Also wait for the disk at each append (power-loss safety).
        segment_bytes: A segment of at least this size is closed.
        max_bytes: Appending fails when this much is not folded yet.
        on_trouble: Called when appending begins to fail, and with ``None`` when it
            works again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync: bool = False,
        segment_bytes: int = 4 << 20,
        max_bytes: int = 1 << 30,
        on_trouble: Trouble | None = None,
    ) -> None:
        self.failed = 0
        self._folder = folder
        self._sync = sync
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._on_trouble = on_trouble
        self._trouble = False
        self._fd = -1
        self._path = folder
        self._size = 0
        self._entries: list[Entry] | None = []  # of the live segment, all or none
        self._closed = deque(_segments(folder))
        self._closed_bytes = sum(closed.size for closed in self._closed)
        self._number = _number(self._closed[-1].path) if self._closed else 0

    def append(self, record: Spooled) -> None:
        """Write the record with one system call.

        Raises:
            OSError: The record is not on disk. The next append tries afresh.
        """
        payload = exact_payload(record)
        data = encode_record(record) if payload is None else frame(payload)
        try:
            self._write(data)
        except OSError as error:
            self.failed += 1
            self._report(error)
            raise
        self._remember(record, payload)
        if self._size >= self._segment_bytes:
            self.roll()
        self._report(None)

    @property
    def backlog(self) -> bool:
        """Whether there are closed segments that are not folded yet."""
        return bool(self._closed)

    @property
    def pending_bytes(self) -> int:
        return self._closed_bytes + self._size

    def next_place(self) -> Place | None:
        """The oldest closed segment, and how much of it is done."""
        if not self._closed:
            return None
        first = self._closed[0]
        return Place(first.path, first.offset, first.entries)

    def done(self, batch: Batch) -> None:
        """Forget what is committed: its segment goes when all of it is."""
        if not self._closed or self._closed[0].path != batch.place.path:
            return
        first = self._closed[0]
        first.offset = batch.end
        if first.entries is not None:
            first.entries = first.entries[len(batch.entries) :]
        if batch.last:
            first.path.unlink(missing_ok=True)
            self._closed.popleft()
            self._closed_bytes -= first.size

    def skip(self, place: Place) -> None:
        """Leave this segment to the process that is writing it."""
        if self._closed and self._closed[0].path == place.path:
            self._closed_bytes -= self._closed.popleft().size

    def roll(self) -> None:
        """Close the live segment; the next append begins another."""
        if self._fd < 0:
            return
        with suppress(OSError):  # what was written is in the file either way
            os.close(self._fd)
        self._fd = -1
        entries, self._entries = self._entries, []
        if self._size:
            # With others before it, it will be some time: no need to hold it all.
            known = None if entries is None or self._closed else tuple(entries)
            self._closed.append(_Closed(self._path, self._size, entries=known))
            self._closed_bytes += self._size
        else:
            with suppress(OSError):  # an empty segment is harmless
                self._path.unlink()
        self._size = 0

    def close(self) -> None:
        """Close the live segment. What was appended stays for the next start."""
        self.roll()

    def _write(self, data: bytes) -> None:
        if self.pending_bytes + len(data) > self._max_bytes:
            raise OSError(
                errno.EDQUOT,
                f"the spool holds {self.pending_bytes} bytes that are not folded yet,"
                f" allowed are {self._max_bytes}",
                str(self._folder),
            )
        if self._fd < 0:
            self._open()
        self._write_whole(data)
        self._size += len(data)
        if self._sync:
            self._sync_to_disk()

    def _remember(self, record: Spooled, payload: bytes | None) -> None:
        entries = self._entries
        if entries is None:
            return
        if payload is None or len(entries) >= REMEMBERED:
            self._entries = None
        else:
            entries.append(Entry(record, payload))

    def _write_whole(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
        except OSError:
            self._take_back()
            raise
        if written != len(data):
            self._take_back()
            raise OSError(
                errno.ENOSPC,
                f"only {written} of {len(data)} bytes could be written",
                str(self._path),
            )

    def _open(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            self._number += 1
            path = self._folder / f"{self._number:016d}{_SUFFIX}"
            try:
                fd = os.open(path, _FLAGS, 0o600)
            except FileExistsError:
                continue
            if _claim(fd):
                break
            os.close(fd)
        self._fd, self._path, self._size = fd, path, 0
        if self._sync:
            _sync_folder(self._folder)

    def _take_back(self) -> None:
        """Undo a failed write; a tail that cannot be cut off ends its segment."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._size = max(self._size, 1)  # keep it: something is in there
        self._roll_unsure()

    def _sync_to_disk(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError:
            # After a failed sync nothing more is to be trusted to it.
            self._roll_unsure()
            raise

    def _roll_unsure(self) -> None:
        """Close the live segment, and read it back: who knows what is in there."""
        self._entries = None
        self.roll()

    def _report(self, error: OSError | None) -> None:
        trouble = error is not None
        if trouble != self._trouble and self._on_trouble is not None:
            self._on_trouble(error)
        self._trouble = trouble


def _claim(fd: int) -> bool:
    """Lock a new segment; false when somebody else came first, or removed it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(fd).st_nlink > 0


def _segments(folder: Path) -> Iterator[_Closed]:
    paths = [path for path in folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal()]
    for path in sorted(paths, key=_number):
        with suppress(OSError):  # another process was faster
            yield _Closed(path, path.stat().st_size)


def _number(path: Path) -> int:
    return int(path.stem)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
