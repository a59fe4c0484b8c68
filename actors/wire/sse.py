"""Server-sent events, incrementally: bytes in any chunking -> events.

The WHATWG event-stream grammar as far as providers use it: LF, CRLF and CR end lines, a
blank line ends an event, ``:`` starts a comment. Every byte is looked at a constant
number of times however it is cut, and no more than one event is ever held.
"""

from msgspec import Struct

from actors.errors import ProviderResponseError

MAX_EVENT_BYTES = 2 * 1024 * 1024
"""Default bound on one line and on one event; the largest hold a whole tool call."""

_LINE_OVERHEAD = 64  # what holding even an empty data line costs

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class SseEvent(Struct, frozen=True):
    """One event. ``event`` is ``""`` where the server named none."""

    event: str
    data: bytes


class SseParser:
    """One stream's parser."""

    __slots__ = ("_data", "_event", "_first", "_held", "_limit", "_skip_lf", "_tail")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._tail = bytearray()  # the line that has not ended yet
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._held = 0  # bytes in _data
        self._event = ""
        self._skip_lf = False  # a CR ended the last chunk: an LF now belongs to it
        self._first = True  # no line seen yet, so a byte order mark may come

    def feed(self, data: bytes) -> list[SseEvent]:
        """Take the next bytes and return the events they complete.

        Raises:
            ProviderResponseError: A line or an event is larger than allowed.
        """
        if b"\r" in data or self._skip_lf:
            data = self._normalised(data)
        lines = data.split(b"\n")
        rest = lines.pop()
        events: list[SseEvent] = []
        if lines and self._tail:
            self._grow_tail(lines[0])
            lines[0] = bytes(self._tail)
            self._tail.clear()
        for line in lines:
            if line:
                self._take(line)
            else:
                self._dispatch(events)
        if rest:
            self._grow_tail(rest)
        return events

    def finish(self) -> list[SseEvent]:
        """Return the event that end-of-stream left without its blank line, if any.

        The grammar discards it; callers decide, because some servers forget the blank
        line and others were cut in the middle of it.

        Raises:
            ProviderResponseError: The event is larger than allowed.
        """
        events = self.feed(b"\n") if self._tail else []
        self._dispatch(events)
        return events

    def _normalised(self, data: bytes) -> bytes:
        if self._skip_lf and data:
            data = data.removeprefix(b"\n")
            self._skip_lf = False
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _grow_tail(self, piece: bytes) -> None:
        if len(self._tail) + len(piece) > self._limit:
            raise _too_large(self._limit)
        self._tail += piece

    def _take(self, line: bytes) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        field, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            self._held += len(value) + _LINE_OVERHEAD
            if self._held > self._limit:
                raise _too_large(self._limit)
            self._data.append(value)
        elif field == b"event":
            self._event = value[:256].decode("utf-8", "replace")

    def _dispatch(self, events: list[SseEvent]) -> None:
        if self._data:
            events.append(SseEvent(self._event, b"\n".join(self._data)))
            self._data.clear()
            self._held = 0
        self._event = ""


def _too_large(limit: int) -> ProviderResponseError:
    return ProviderResponseError(f"the stream sent an event of more than {limit} bytes")
