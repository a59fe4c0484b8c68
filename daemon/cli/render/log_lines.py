"""Log lines as people read them: when, how grave, what, and the fields that matter.

Lines come from the daemon's own output, or from ``journalctl -o json``. What is no JSON,
such as a traceback or what systemd says, is shown as it came.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from daemon.cli.render.table import Paint, Tone, one_line, printable
from daemon.cli.render.units import UNKNOWN, moment, money, name_of, seconds

Fields = dict[str, object]

_RANK: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3, "critical": 4}
_LEVEL_OF_PRIORITY: Final = (
    *("critical", "critical", "critical", "error", "warning", "info", "info", "debug"),
)
_TONES: Final[Mapping[str, Tone]] = {
    "debug": "dim",
    "warning": "warn",
    "error": "bad",
    "critical": "bad",
}
_PREFIX: Final = re.compile(r"^<[0-7]>")
_INFO: Final = 6  # what journald takes a line for that says nothing of itself
_IDS: Final = ("request_id", "decision_id", "task_id")
_PROSE: Final = ("outcome", "failure", "status", "text", "message", "error", "reason")
_ELSEWHERE: Final = frozenset(
    {
        *("timestamp", "level", "event", "service", "actor", "traceback", "advice"),
        *("provider", "model", "before", "after", "code", *_PROSE, *_IDS),
    }
)
_OF_REQUESTS: Final = (
    *("cost_source", "overhead_s", "stream", "door", "strategy", "confidence"),
)
"""What ``explain`` tells of a request and would only be in the way in its line."""

_LARGEST: Final = 10**15
"""What is larger is no duration and no sum of money."""

_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode


class Line(Struct, frozen=True, kw_only=True):
    """One line. ``fields`` is ``None`` for what is no line of ours: only ``text`` is there.

    ``at`` is UTC epoch seconds, ``level`` one of the five; ``None`` where nobody says.
    """

    text: str
    at: float | None = None
    level: str | None = None
    fields: Fields | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """Which lines are shown. What is no line of ours has no id, but may be grave."""

    level: str | None = None
    request: str | None = None
    since: float | None = None

    @property
    def everything(self) -> bool:
        return self == Wanted()

    def takes(self, line: Line) -> bool:
        """Whether the line is one of them."""
        if self.since is not None and line.at is not None and line.at < self.since:
            return False
        if self.request is not None:
            fields = line.fields or {}
            if self.request not in {fields.get(name) for name in _IDS}:
                return False
        if self.level is None or line.level is None:
            return True
        return _RANK[line.level] >= _RANK[self.level]


# ---- reading


def from_text(text: str, at: float | None = None, level: str | None = None) -> Line:
    """A line of the daemon's output, with its priority or without.

    ``at`` and ``level`` are what others say of it; the line itself knows better.
    """
    text = _PREFIX.sub("", text.rstrip("\r\n"))
    fields = _object(text)
    if fields is None or not isinstance(fields.get("event"), str):
        return Line(text=text, at=at, level=level)
    said = fields.get("level")
    return Line(
        text=text,
        at=_epoch(fields.get("timestamp"), at),
        level=said if isinstance(said, str) and said in _RANK else level,
        fields=fields,
    )


def from_journal(entry: str) -> Line:
    """One entry as ``journalctl -o json`` prints it.

    Raises:
        ValueError: It is none.
    """
    found = _object(entry)
    if found is None:
        raise ValueError(f"journalctl said {entry[:100]!r}, which is no entry")
    stamp = found.get("__REALTIME_TIMESTAMP")
    at = int(stamp) / 1e6 if isinstance(stamp, str) and stamp.isdecimal() else None
    return from_text(_message(found.get("MESSAGE")), at, _journal_level(found))


def _message(message: object) -> str:
    """Text, or its bytes as numbers where it holds what is no text, or nothing.

    Without ``--all`` journalctl leaves long messages out.
    """
    if isinstance(message, str):
        return message
    if isinstance(message, list):
        if all(isinstance(each, int) and 0 <= each < 256 for each in message):
            return bytes(message).decode("utf-8", "replace")
        return " ".join(_message(each) for each in message)  # the field came twice
    return "(journalctl does not show this line)"


def _journal_level(entry: Fields) -> str | None:
    priority = entry.get("PRIORITY")
    if not isinstance(priority, str) or priority not in set("01234567"):
        return None
    own = entry.get("_TRANSPORT") == "stdout"
    if own and int(priority) == _INFO:
        return None  # a traceback is not marked as grave
    return _LEVEL_OF_PRIORITY[int(priority)]


def _object(text: str) -> Fields | None:
    if not text.startswith("{"):
        return None
    try:
        found = _decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _epoch(stamp: object, otherwise: float | None) -> float | None:
    try:
        at = datetime.fromisoformat(stamp) if isinstance(stamp, str) else None
    except ValueError:
        return otherwise
    return otherwise if at is None or at.tzinfo is None else at.timestamp()


# ---- showing


def document(line: Line) -> Fields:
    """The line for programs: its own fields, or when and what was said."""
    if line.fields is not None:
        return line.fields
    return {"timestamp": moment(line.at) if line.at else None, "raw": line.text}


def log_line(line: Line, paint: Paint) -> str:
    """The line for people. Nothing in it drives the terminal."""
    at = paint(moment(line.at), "dim") if line.at is not None else ""
    fields = line.fields
    if fields is None:
        text = printable(line.text)
        return f"{at}  {text}" if at else text
    level = line.level or UNKNOWN
    grave = paint(f"{level:<8}", _TONES.get(level, "plain"))
    event = paint(one_line(str(fields["event"])), "bold")
    words = [word for word in _words(fields, paint) if word]
    parts = [part for part in (at, grave, " ".join([event, *words])) if part]
    return "\n".join(["  ".join(parts), *_below(fields, paint)])


def _words(fields: Fields, paint: Paint) -> list[str]:
    name = fields["event"]
    who = name_of(_text(fields.get("provider")), _text(fields.get("model")))
    actor = _text(fields.get("actor")) or "daemon"
    if who == UNKNOWN:
        who = "" if actor in {"daemon", "router"} else actor
    hidden = _OF_REQUESTS if name == "request_finished" else ()
    rest = [
        one_line(_pair(key, value))
        for key, value in fields.items()
        if key not in _ELSEWHERE and key not in hidden
        if value is not None and value is not False
    ]
    ids = [_text(fields.get(key)) for key in _IDS]
    return [
        one_line(_text(fields.get("code")) or ""),
        one_line(who),
        _change(fields),
        *(one_line(each) for each in _prose(fields)),
        *rest,
        paint(one_line(next((each for each in ids if each), "")), "dim"),
    ]


def _prose(fields: Fields) -> list[str]:
    """What was said, each thing once: messages often begin with their status."""
    said = [text for text in (_said(fields.get(key)) for key in _PROSE) if text]
    later = [*said[1:], ""] if said else []
    return [
        text
        for text, after in zip(said, later, strict=True)
        if not after.startswith(f"{text} ")
    ]


def _change(fields: Fields) -> str:
    before, after = (_text(fields.get(key)) for key in ("before", "after"))
    return one_line(f"{before} → {after}") if before and after else ""


def _below(fields: Fields, paint: Paint) -> list[str]:
    """Advice, and the frames of a traceback, one a line."""
    frames = fields.get("traceback")
    lines = [str(each) for each in frames] if isinstance(frames, list) else []
    advice = _text(fields.get("advice"))
    return [
        paint(f"    {one_line(each)}", "dim")
        for each in ([advice, *lines] if advice else lines)
    ]


def _pair(key: str, value: object) -> str:
    """``key=value``; a duration and money lose their unit's name for its sign."""
    if isinstance(value, int | Decimal) and -_LARGEST < value < _LARGEST:
        if key.endswith("_s"):
            return f"{key[:-2]}={seconds(float(value)).replace(' ', '')}"
        if key.endswith("_usd"):
            return f"{key[:-4]}={money(Decimal(value))}"
    return f"{key}={_said(value)}"


def _said(value: object) -> str:
    """Text as it is, everything else as JSON; nothing for nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return msgspec.json.Encoder(decimal_format="number").encode(value).decode()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
