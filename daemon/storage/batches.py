"""Reading closed segments of the spool; blocking, fit for a thread."""

import fcntl
from pathlib import Path

import msgspec
from msgspec import Struct

from daemon.storage.records import HEADER_BYTES, Spooled, decode_spooled, scan

_DAMAGED_BYTES = 64 << 20


class Entry(Struct, frozen=True):
    """One record and the bytes it was written as."""

    record: Spooled
    payload: bytes


class Place(Struct, frozen=True):
    """Where reading goes on: a closed segment, and how much of it is done.

    ``entries`` is all the rest of it, where this process still remembers that.
    """

    path: Path
    offset: int
    entries: tuple[Entry, ...] | None = None


class Batch(Struct, frozen=True):
    """Records of one segment. ``damaged`` pieces are in the ``damaged`` folder."""

    place: Place
    entries: tuple[Entry, ...]
    end: int
    last: bool
    damaged: int = 0


class Kept:
    """The segment being read: it never changes, and its batches come in turn."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.data = b""


def read_batch(place: Place, limit: int, kept: Kept | None = None) -> Batch | None:
    """Read the next records of a closed segment; blocking, fit for a thread.

    What is remembered is not read again. Pieces that are no records are copied to the ``damaged`` folder first. ``None``
    when the segment is another process's live one. ``kept`` saves reading the segment
    again for every batch.

    Raises:
        OSError: The segment cannot be read, or a damaged piece not be set aside.
    """
    if place.entries is not None and place.path.exists():
        return _remembered(place, place.entries, limit)
    kept = kept or Kept()
    try:
        data = kept.data if place.path == kept.path else _read(place.path)
    except FileNotFoundError:
        return Batch(place, (), place.offset, last=True, damaged=1)
    if data is None:
        return None
    batch = _batch(place, data, limit)
    kept.path, kept.data = (None, b"") if batch.last else (place.path, data)
    return batch


def _remembered(place: Place, rest: tuple[Entry, ...], limit: int) -> Batch:
    entries = rest[:limit]
    size = sum(HEADER_BYTES + len(entry.payload) for entry in entries)
    last = len(entries) == len(rest)
    return Batch(place, entries, place.offset + size, last=last)


def _batch(place: Place, data: bytes, limit: int) -> Batch:
    result = scan(data, place.offset, limit)
    entries: list[Entry] = []
    damaged = 0
    for piece in result.damage:
        set_aside(place.path, piece.start, data[piece.start : piece.end])
        damaged += not piece.torn
    for found in result.found:
        try:
            entries.append(Entry(decode_spooled(found.payload), found.payload))
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
