"""Where records go before the answer leaves: append-only segments in a folder.

One ``os.write`` a record, into a file only this process writes. Segments never change
once closed; a new process always begins a new one. A closed segment is removed after
its records are committed elsewhere (``Spool.done``). The live segment is locked
(``flock``), so another process that looks into the folder leaves it alone.
"""

import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.messages.routing import RequestRecord
from daemon.storage.records import decode_record, encode_record, scan

_SUFFIX = ".spool"
_DAMAGED_BYTES = 64 << 20
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

Trouble = Callable[[OSError | None], None]


class Place(Struct, frozen=True):
    """Where reading goes on: a closed segment, and how much of it is done."""

    path: Path
    offset: int


class Entry(Struct, frozen=True):
    """One record and the bytes it was written as."""

    record: RequestRecord
    payload: bytes


class Batch(Struct, frozen=True):
    """Records of one segment. ``damaged`` pieces are in the ``damaged`` folder."""

    place: Place
    entries: tuple[Entry, ...]
    end: int
    last: bool
    damaged: int = 0


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
        self._offset = 0
        self._closed: deque[tuple[Path, int]] = deque(_segments(folder))
        self._closed_bytes = sum(size for _, size in self._closed)
        self._number = _number(self._closed[-1][0]) if self._closed else 0

    def append(self, record: RequestRecord) -> None:
        """Write the record with one system call.

        Raises:
            OSError: The record is not on disk. The next append tries afresh.
        """
        data = encode_record(record)
        try:
            self._write(data)
        except OSError as error:
            self.failed += 1
            self._report(error)
            raise
        self._report(None)

    @property
    def pending(self) -> bool:
        """Whether there is anything left to fold."""
        return bool(self._closed) or self._size > 0

    @property
    def pending_bytes(self) -> int:
        return self._closed_bytes + self._size

    def next_place(self) -> Place | None:
        """The oldest closed segment; the live one is closed when it is the only one."""
        if not self._closed:
            self.roll()
        if not self._closed:
            return None
        return Place(self._closed[0][0], self._offset)

    def done(self, batch: Batch) -> None:
        """Forget what is committed: its segment goes when all of it is."""
        if not self._closed or self._closed[0][0] != batch.place.path:
            return
        self._offset = batch.end
        if batch.last:
            batch.place.path.unlink(missing_ok=True)
            _, size = self._closed.popleft()
            self._closed_bytes -= size
            self._offset = 0

    def skip(self, place: Place) -> None:
        """Leave this segment to the process that is writing it."""
        if self._closed and self._closed[0][0] == place.path:
            self._closed_bytes -= self._closed.popleft()[1]
            self._offset = 0

    def roll(self) -> None:
        """Close the live segment; the next append begins another."""
        if self._fd < 0:
            return
        with suppress(OSError):  # what was written is in the file either way
            os.close(self._fd)
        self._fd = -1
        if self._size:
            self._closed.append((self._path, self._size))
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
        if self._size >= self._segment_bytes:
            self.roll()

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
        self.roll()

    def _sync_to_disk(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError:
            self.roll()  # after a failed sync nothing more is to be trusted to it
            raise

    def _report(self, error: OSError | None) -> None:
        trouble = error is not None
        if trouble != self._trouble and self._on_trouble is not None:
            self._on_trouble(error)
        self._trouble = trouble


def read_batch(place: Place, limit: int) -> Batch | None:
    """Read the next records of a closed segment; blocking, fit for a thread.

    Pieces that are no records are copied to the ``damaged`` folder first. ``None``
    when the segment is another process's live one.

    Raises:
        OSError: The segment cannot be read, or a damaged piece not be set aside.
    """
    try:
        data = _read(place.path)
    except FileNotFoundError:
        return Batch(place, (), place.offset, last=True, damaged=1)
    if data is None:
        return None
    result = scan(data, place.offset, limit)
    entries: list[Entry] = []
    damaged = 0
    for piece in result.damage:
        set_aside(place.path, piece.start, data[piece.start : piece.end])
        damaged += not piece.torn
    for found in result.found:
        try:
            entries.append(Entry(decode_record(found.payload), found.payload))
        except (msgspec.DecodeError, RecursionError):
            set_aside(place.path, found.start, found.payload)
            damaged += 1
    last = result.end >= len(data)
    return Batch(place, tuple(entries), result.end, last=last, damaged=damaged)


def set_aside(segment: Path, offset: int, data: bytes) -> None:
    """Keep bytes that cannot be folded, named by where they were."""
    folder = segment.parent / "damaged"
    folder.mkdir(mode=0o700, exist_ok=True)
    _make_room(folder, len(data))
    (folder / f"{segment.stem}-{offset}.bin").write_bytes(data)


def _make_room(folder: Path, size: int) -> None:
    """Remove the oldest pieces so that the folder stays bounded."""
    pieces = sorted(
        (path.stat().st_mtime, path.stat().st_size, path)
        for path in folder.glob("*.bin")
    )
    total = size + sum(size for _, size, _ in pieces)
    for _, piece_size, path in pieces:
        if total <= _DAMAGED_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= piece_size


def _read(path: Path) -> bytes | None:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return file.read()


def _claim(fd: int) -> bool:
    """Lock a new segment; false when somebody else came first, or removed it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(fd).st_nlink > 0


def _segments(folder: Path) -> Iterator[tuple[Path, int]]:
    paths = [path for path in folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal()]
    for path in sorted(paths, key=_number):
        with suppress(OSError):  # another process was faster
            yield path, path.stat().st_size


def _number(path: Path) -> int:
    return int(path.stem)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
