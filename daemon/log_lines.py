"""A finished event as one line: of JSON for programs, of words for people.

Redacted last, below 16 KiB, and with its ``<N>`` priority where it goes to a journal.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from daemon.redaction import Redactor

SERVICE: Final = "gitbridge"
MAX_LINE_BYTES: Final = 16 * 1024 - 16  # journald's readers; prefix and newline fit in
_SYSLOG = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_HEAD = ("timestamp", "level", "event", "service", "actor")

_encoder = msgspec.json.Encoder(decimal_format="number")


class JsonRenderer:
    """The last processor: one redacted line of JSON, below 16 KiB, newline included.

    Most lines hold nothing to redact, which shows soonest once they are rendered.
    """

    def __init__(self, redactor: Redactor, *, journal: bool) -> None:
        self.redactor = redactor
        self._prefix = _prefixes(journal=journal)

    def __call__(
        self, _logger: object, _method: str, event: Mapping[str, object]
    ) -> bytes:
        return self.framed(str(event.get("level")), self._line(event))

    def framed(self, level: str, line: bytes) -> bytes:
        """The line as it is written."""
        return b"%b%b\n" % (self._prefix.get(level, b""), line)

    def _line(self, event: Mapping[str, object]) -> bytes:
        redactor = self.redactor
        if redactor.is_plain(event):
            line = _encode(event)
            if len(line) <= MAX_LINE_BYTES and redactor.is_clean(line):
                return line
        return encode_line(redactor(None, "", dict(event)))


class ConsoleRenderer:
    """For people, redacted: time, level, event, then the rest as ``key=value``."""

    def __init__(
        self, redactor: Redactor, *, colours: bool, journal: bool = False
    ) -> None:
        self._redactor = redactor
        self._colours = colours
        self._prefix = _prefixes(journal=journal)

    def __call__(
        self, _logger: object, _method: str, event: Mapping[str, object]
    ) -> bytes:
        event = self._redactor(None, "", dict(event))
        level = str(event.get("level"))
        rest = " ".join(
            f"{key}={_shown(value)}" for key, value in event.items() if key not in _HEAD
        )
        mark = f"{level:<8}"
        if self._colours and _SYSLOG.get(level, 6) <= 4:
            mark = f"\x1b[{31 if _SYSLOG[level] <= 3 else 33}m{mark}\x1b[0m"
        clock = str(event.get("timestamp"))[11:23]
        name = f"{event.get('actor')}: {event.get('event')}"
        line = f"{clock} {mark} {_on_one_line(f'{name} {rest}'.rstrip())}"
        data = line.encode("utf-8", "backslashreplace")
        if len(data) > MAX_LINE_BYTES:
            data = (
                data[: MAX_LINE_BYTES - 3].decode("utf-8", "ignore").encode() + b"..."
            )
        return b"%b%b\n" % (self._prefix.get(level, b""), data)


def encode_line(event: Mapping[str, object]) -> bytes:
    """JSON of at most ``MAX_LINE_BYTES``: long texts are cut and ``truncated`` set."""
    line = _encode(event)
    limit = 4096
    while len(line) > MAX_LINE_BYTES and limit:
        short = {k: _cut(v, limit) for k, v in event.items()}
        line = _encode({**short, "truncated": True})
        limit //= 8
    if len(line) > MAX_LINE_BYTES:
        head = {k: _cut(v, 512) for k, v in event.items() if k in _HEAD}
        line = _encode({**head, "truncated": True})
    return line


def _encode(event: Mapping[str, object]) -> bytes:
    try:
        return _encoder.encode(event)
    except (ValueError, TypeError, OverflowError, RecursionError):
        # A lone surrogate, an integer beyond 64 bits: still worth a line.
        plain = {
            _utf8(str(key)): _utf8(value if isinstance(value, str) else repr(value))
            for key, value in event.items()
        }
        return _encoder.encode(plain)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _cut(value: object, limit: int) -> object:
    text = value if isinstance(value, str) else None
    if text is None and isinstance(value, list | dict):
        text = _encode({"value": value}).decode()
    return value if text is None or len(text) <= limit else text[:limit] + "…"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else _encode({"": value})[4:-1].decode()


def _on_one_line(text: str) -> str:
    """Nothing in it drives the terminal or ends the line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _prefixes(*, journal: bool) -> dict[str, bytes]:
    """What a line of each level begins with."""
    return {
        level: f"<{number}>".encode() if journal else b""
        for level, number in _SYSLOG.items()
    }
