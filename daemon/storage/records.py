"""Records in a spool segment as bytes, without I/O.

A record is a 4-byte big-endian length, the CRC-32 of that length and the payload, and
the payload as a msgpack map: a ``RequestRecord``, or ``ThreadNotes``. Which of the two
shows in the first byte: notes are a map of one key, the record of a request has dozens.
"""

import struct
import zlib
from collections.abc import Callable

import msgspec
from msgspec import Struct

from actors.messages.routing import RequestRecord
from actors.messages.threads import ThreadNotes

Spooled = RequestRecord | ThreadNotes

MAX_PAYLOAD_BYTES = 16 << 20

_HEADER = struct.Struct(">II")
HEADER_BYTES = _HEADER.size
_RESYNC_BUDGET_BYTES = 64 << 20  # checksummed per segment while looking for a record
_MAX_DEPTH = 32
_ONE_KEY = 0x81  # a msgpack map of one entry

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(RequestRecord).decode
_decode_notes = msgspec.msgpack.Decoder(ThreadNotes).decode


class Found(Struct, frozen=True):
    """A record at ``start``; its bytes end before ``end``."""

    start: int
    end: int
    payload: bytes


class Damage(Struct, frozen=True):
    """Bytes that are no record. ``torn``: a last record that was cut while written."""

    start: int
    end: int
    torn: bool = False


class Scan(Struct, frozen=True):
    """What was found, in order, and where to go on."""

    found: tuple[Found, ...]
    damage: tuple[Damage, ...]
    end: int


def frame(payload: bytes) -> bytes:
    """The payload as one record.

    Raises:
        ValueError: The payload is larger than a record may be.
    """
    size = len(payload)
    if not 0 < size <= MAX_PAYLOAD_BYTES:
        raise ValueError(f"a record of {size} bytes; allowed are {MAX_PAYLOAD_BYTES}")
    length = size.to_bytes(4, "big")
    return _HEADER.pack(size, zlib.crc32(payload, zlib.crc32(length))) + payload


def scan(data: bytes, start: int = 0, limit: int | None = None) -> Scan:
    """Read records from ``start`` on, at most ``limit``.

    Bytes that are no record are stepped over to the next one that is. Bytes after the
    last record are damage too: torn when they are the beginning of a record, which is
    what a process that was killed leaves behind.
    """
    found: list[Found] = []
    damage: list[Damage] = []
    budget = [_RESYNC_BUDGET_BYTES]
    position = start
    while position < len(data) and (limit is None or len(found) < limit):
        record = _record_at(data, position)
        if record is not None:
            found.append(record)
            position = record.end
            continue
        following = _next_record(data, position + 1, budget)
        torn = following is None and _is_cut(data, position)
        end = len(data) if following is None else following
        damage.append(Damage(position, end, torn))
        position = end
    return Scan(tuple(found), tuple(damage), position)


def _record_at(data: bytes, start: int) -> Found | None:
    if start + _HEADER.size > len(data):
        return None
    size, checksum = _HEADER.unpack_from(data, start)
    begin = start + _HEADER.size
    end = begin + size
    if not 0 < size <= MAX_PAYLOAD_BYTES or end > len(data):
        return None
    crc = zlib.crc32(data[start : start + 4])
    if checksum != zlib.crc32(memoryview(data)[begin:end], crc):
        return None
    return Found(start, end, data[begin:end])


def _is_cut(data: bytes, start: int) -> bool:
    """Whether a record that begins here would end beyond the data."""
    if start + _HEADER.size > len(data):
        return True
    size = int.from_bytes(data[start : start + 4], "big")
    return 0 < size <= MAX_PAYLOAD_BYTES and start + _HEADER.size + size > len(data)


def _next_record(data: bytes, start: int, budget: list[int]) -> int | None:
    """Where the next whole record begins; lengths begin with a zero byte."""
    position = data.find(b"\0", start)
    while position >= 0 and budget[0] > 0:
        begin = position + _HEADER.size
        if begin < len(data) and _is_map(data[begin]):
            budget[0] -= min(
                int.from_bytes(data[position : position + 4], "big"), len(data)
            )
            if _record_at(data, position) is not None:
                return position
        position = data.find(b"\0", position + 1)
    return None


def _is_map(first: int) -> bool:
    return 0x80 <= first <= 0x8F or first in {0xDE, 0xDF}


def encode_record(record: Spooled) -> bytes:
    """The record as a framed entry.

    What cannot be written as it is (integers beyond 64 bits, lone surrogates, metadata
    nested too deep or too large) is written approximately rather than not at all.
    """
    payload = exact_payload(record)
    return _encode_cleaned(record) if payload is None else frame(payload)


def exact_payload(record: Spooled) -> bytes | None:
    """The record's bytes, which decode to the same record; ``None`` if it has none."""
    try:
        payload = _encode(record)
    except (OverflowError, ValueError, TypeError, RecursionError):
        return None
    return payload if len(payload) <= MAX_PAYLOAD_BYTES else None


def _encode_cleaned(record: Spooled) -> bytes:
    if isinstance(record, ThreadNotes):
        return frame(_encode(_clean(msgspec.to_builtins(record), _MAX_DEPTH)))
    fields: dict[str, object] = {
        name: getattr(record, name) for name in record.__struct_fields__
    }
    metadata = _clean(fields.pop("metadata"), _MAX_DEPTH)
    plain = _clean(msgspec.to_builtins(fields), _MAX_DEPTH)
    assert isinstance(plain, dict)
    try:
        return frame(_encode({**plain, "metadata": metadata}))
    except ValueError:  # too large: the metadata is the only part without a bound
        return frame(_encode({**plain, "metadata": {}}))


def _clean(value: object, depth: int) -> object:
    cleaner = _CLEANERS.get(type(value))
    if cleaner is not None:
        return cleaner(value, depth - 1)
    return value if value is None or isinstance(value, float | bool) else str(value)


def _clean_text(value: object, _depth: int) -> object:
    return str(value).encode("utf-8", "replace").decode()


def _clean_int(value: object, _depth: int) -> object:
    assert isinstance(value, int)
    return max(-(2**63), min(value, 2**63 - 1))


def _clean_dict(value: object, depth: int) -> object:
    assert isinstance(value, dict)
    if depth < 0:
        return {}
    return {_clean_text(k, 0): _clean(v, depth) for k, v in value.items()}


def _clean_list(value: object, depth: int) -> object:
    assert isinstance(value, list | tuple)
    return [_clean(item, depth) for item in value] if depth >= 0 else []


_CLEANERS: dict[type, Callable[[object, int], object]] = {
    str: _clean_text,
    int: _clean_int,
    dict: _clean_dict,
    list: _clean_list,
    tuple: _clean_list,
}


def decode_record(payload: bytes) -> RequestRecord:
    """Raises ``msgspec.DecodeError`` (or ``RecursionError``) for what is no record."""
    return _decode(payload)


def decode_spooled(payload: bytes) -> Spooled:
    """What was appended to the spool; raises as ``decode_record`` does."""
    if payload[:1] == bytes((_ONE_KEY,)):
        return _decode_notes(payload)
    return _decode(payload)
