"""The two native framings: bytes in any chunking -> whole messages, and back.

``JsonLines`` is one JSON object a line; ``MsgpackFrames`` the same objects as msgpack
maps, each behind a 4-byte big-endian length below 16 MiB, so that the first byte on a
connection is 0x00. Both do no I/O, take time linear in what is fed, and never hold more
than the limit and the chunk at hand. What is wrong with the input comes back as a
``FrameError`` in its place among the messages; feeding never raises.
"""

from collections.abc import Callable
from typing import Final, Literal, Protocol

import msgspec
from msgspec import Struct

MAX_MESSAGE_BYTES: Final = (1 << 24) - 1
"""Longest message either way: what a length with first byte 0x00 can say."""

_HEADER_BYTES: Final = 4


class FrameError(Struct, frozen=True, kw_only=True):
    """Why bytes are no message.

    ``fatal`` says that the place of the next message is lost: answer, then close.
    """

    message: str
    got: str
    wanted: str
    fatal: bool = False


class MessageTooLong(ValueError):
    """Raised when a message to be sent does not fit a frame."""


class Framing(Protocol):
    """One direction-less framing of one connection; not shared between connections."""

    door: Literal["json", "msgpack"]

    def feed(self, data: bytes) -> list[bytes | FrameError]:
        """Take the next bytes; whole messages, undecoded, in order."""

    def finish(self) -> list[bytes | FrameError]:
        """Say that no more bytes come: what is left over, if anything."""

    def decode(self, message: bytes) -> object:
        """A message as plain Python data, or a ``FrameError``."""

    def encode(self, message: object) -> bytes:
        """A message as framed bytes; ``Decimal`` becomes a number.

        Raises:
            MessageTooLong: It is longer than ``MAX_MESSAGE_BYTES``.
            ValueError: It holds text that is not Unicode (lone surrogates).
        """


class JsonLines:
    """One object and a newline; blank lines are skipped, CR before LF is allowed.

    A line over the limit is skipped up to its end: the connection goes on. At end of
    file a last line needs no newline.
    """

    door: Literal["json", "msgpack"] = "json"

    __slots__ = ("_buffer", "_limit", "_skipping")

    def __init__(self, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._skipping = False  # inside a line that was too long

    def feed(self, data: bytes) -> list[bytes | FrameError]:
        found: list[bytes | FrameError] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._add(data[start:end], found)
            self._end_line(found)
            start = end + 1
        if start < len(data):
            self._add(data[start:], found)
        return found

    def finish(self) -> list[bytes | FrameError]:
        found: list[bytes | FrameError] = []
        self._end_line(found)
        return found

    def _add(self, piece: bytes, found: list[bytes | FrameError]) -> None:
        if self._skipping:
            return
        size = len(self._buffer) + len(piece)
        if size <= self._limit:
            self._buffer += piece
            return
        self._skipping = True
        self._buffer = bytearray()
        found.append(
            FrameError(
                message=f"a line is longer than {self._limit} bytes",
                got=f"{size} bytes or more without a newline",
                wanted=f"lines of at most {self._limit} bytes",
            )
        )

    def _end_line(self, found: list[bytes | FrameError]) -> None:
        self._skipping = False
        line = bytes(self._buffer)
        if line:
            self._buffer = bytearray()
            if not line.isspace():
                found.append(line)

    def decode(self, message: bytes) -> object:
        return _decode(decode_json, message, "JSON")

    def encode(self, message: object) -> bytes:
        data = _JSON_ENCODER.encode(message)
        if len(data) > MAX_MESSAGE_BYTES:
            raise MessageTooLong(_too_long(len(data)))
        return data + b"\n"


class MsgpackFrames:
    """A 4-byte big-endian length and that many bytes of msgpack.

    A length of 16 MiB or more means that this is no frame: fatal. A frame over a lower
    limit is skipped: the connection goes on.
    """

    door: Literal["json", "msgpack"] = "msgpack"

    __slots__ = ("_buffer", "_dead", "_limit", "_skip")

    def __init__(self, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._skip = 0  # bytes to go of a frame that is too long
        self._dead = False  # after a fatal error nothing more is read

    def feed(self, data: bytes) -> list[bytes | FrameError]:
        if self._dead:
            return []
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        if self._buffer:
            self._buffer += data
            data = bytes(self._buffer) if self._has_frame() else b""
            if not data:
                return []
        return self._split(data)

    def _has_frame(self) -> bool:
        held = len(self._buffer)
        if held < _HEADER_BYTES:
            return False
        length = int.from_bytes(self._buffer[:_HEADER_BYTES], "big")
        return length > self._limit or held >= _HEADER_BYTES + length

    def _split(self, data: bytes) -> list[bytes | FrameError]:
        found: list[bytes | FrameError] = []
        start, size = 0, len(data)
        while size - start >= _HEADER_BYTES:
            body = start + _HEADER_BYTES
            length = int.from_bytes(data[start:body], "big")
            if length > self._limit:
                found.append(self._refuse(data[start:body], length))
                self._skip = 0 if self._dead else max(0, body + length - size)
            elif body + length > size:
                break
            else:
                found.append(data[body : body + length])
            start = size if self._dead else min(size, body + length)
        self._buffer = bytearray(data[start:])
        return found

    def _refuse(self, header: bytes, length: int) -> FrameError:
        self._dead = length > MAX_MESSAGE_BYTES
        if self._dead:
            return FrameError(
                message="a frame does not begin with a length below 16 MiB",
                got=f"the bytes {header.hex(' ')}",
                wanted="a 4-byte big-endian length, first byte 00",
                fatal=True,
            )
        return FrameError(
            message=f"a frame is longer than {self._limit} bytes",
            got=f"a frame of {length} bytes",
            wanted=f"frames of at most {self._limit} bytes",
        )

    def finish(self) -> list[bytes | FrameError]:
        held = len(self._buffer)
        if not held and not self._skip:
            return []
        self._buffer = bytearray()
        return [
            FrameError(
                message="the connection ended inside a frame",
                got=f"{held} bytes of one" if held else f"{self._skip} bytes too few",
                wanted="a length and that many bytes",
                fatal=True,
            )
        ]

    def decode(self, message: bytes) -> object:
        return _decode(_MSGPACK_DECODER.decode, message, "msgpack")

    def encode(self, message: object) -> bytes:
        data = _MSGPACK_ENCODER.encode(message)
        if len(data) > MAX_MESSAGE_BYTES:
            raise MessageTooLong(_too_long(len(data)))
        return len(data).to_bytes(_HEADER_BYTES, "big") + data


_JSON_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_JSON_DECODER: Final = msgspec.json.Decoder()
_LENIENT_DECODER: Final = msgspec.json.Decoder(float_hook=float)
_MSGPACK_ENCODER: Final = msgspec.msgpack.Encoder(decimal_format="number")
_MSGPACK_DECODER: Final = msgspec.msgpack.Decoder()


def decode_json(document: bytes) -> object:
    """Any JSON document. A number that no float holds becomes infinity.

    So it is refused like any other wrong number, by whoever reads its field.

    Raises:
        RecursionError: It is nested too deeply.
        msgspec.MsgspecError, ValueError: It is no JSON.
    """
    try:
        return _JSON_DECODER.decode(document)
    except msgspec.ValidationError:  # nothing else can be wrong with untyped data
        return _LENIENT_DECODER.decode(document)


def _decode(decode: Callable[[bytes], object], message: bytes, name: str) -> object:
    try:
        return decode(message)
    except RecursionError:
        reason = "it is nested too deeply"
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        reason = str(error)
    return FrameError(
        message=f"this is not {name}: {reason}",
        got=_glimpse(message, name),
        wanted=f"one {name} object",
    )


def _glimpse(message: bytes, name: str) -> str:
    if name == "JSON":
        start = message[:40].decode(errors="replace")
        return f"{len(message)} bytes beginning {start!r}"
    return f"{len(message)} bytes beginning {message[:12].hex(' ')}"


def _too_long(size: int) -> str:
    return f"a message of {size} bytes does not fit into {MAX_MESSAGE_BYTES}"
