"""Keeps keys and prompts out of log lines: the last step before a line is rendered.

Known keys are masked wherever they stand, and so is whatever looks like a key, in any
field at any depth. Values become plain on the way (text, numbers, lists, tables), so that
nothing is left for the renderer to surprise us with.
"""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from decimal import Decimal

import msgspec

MASK = "***"
HIDDEN = "(hidden)"
SCANNED_CHARS = 32 * 1024  # more than a line may have: the cut falls outside of it
_MAX_DEPTH = 8
_SHORTEST_SECRET = 4

_SECRET_FIELDS = frozenset(
    {
        "api_key", "apikey", "x-api-key", "x_api_key", "authorization", "cookie",
        "set-cookie", "proxy-authorization", "password", "secret", "token",
        "access_token",
    }
)  # fmt: skip
_PROMPT_FIELDS = frozenset(
    {
        "prompt", "prompts", "messages", "content", "completion", "answer", "reasoning",
        "arguments", "system", "body",
    }
)  # fmt: skip

# What providers' keys look like, and the header they travel in.
_PATTERNS = re.compile(
    r"(?<![A-Za-z0-9])(sk-ant-|sk-|xai-|gsk_|pplx-|hf_|AIza)[A-Za-z0-9_\-]{6,}"
    r"|(?i:(?<![A-Za-z0-9])(bearer\s+)[^\s\"',;]+)"
    r"|(?i:(x-api-key[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]+)"
)
# A line without any of these has no such key: much cheaper to see than a pattern.
_MARKS = ("sk-", "xai-", "gsk_", "pplx-", "hf_", "AIza", "earer", "EARER", "pi-", "PI-")
_PLAIN_TYPES = frozenset({str, int, float, bool, type(None), Decimal})
_KNOWN_FIELDS = 1000


class Redactor:
    """Masks secrets in texts and, as a structlog processor, in whole events."""

    def __init__(self, secrets: Iterable[str] = (), *, prompts: bool = False) -> None:
        self._exact: tuple[str, ...] = ()
        self._hidden = frozenset() if prompts else _PROMPT_FIELDS
        self._open_fields: set[str] = set()  # names that hide nothing
        self._needles = tuple(mark.encode() for mark in _MARKS)
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Know one more key; those under 4 characters are words, not keys."""
        if len(secret) >= _SHORTEST_SECRET and secret not in self._exact:
            # The longest first: one may be the beginning of another.
            known = {*self._exact, secret}
            self._exact = tuple(sorted(known, key=len, reverse=True))
            self._needles += (_as_json(secret),)

    @property
    def secrets(self) -> int:
        """How many keys are known by their value; they are never forgotten."""
        return len(self._exact)

    def text(self, text: str) -> str:
        """The text with every key in it masked, cut where nobody would read on."""
        return self.masked(text[:SCANNED_CHARS])

    def masked(self, text: str) -> str:
        """The whole text with every key in it masked."""
        for secret in self._exact:
            if secret in text:
                text = text.replace(secret, MASK)
        for mark in _MARKS:
            if mark in text:
                return _PATTERNS.sub(_keep_the_prefix, text)
        return text

    def is_plain(self, event: Mapping[str, object]) -> bool:
        """Whether only what stands in its texts could have to be masked."""
        if not _PLAIN_TYPES.issuperset(map(type, event.values())):
            return False
        return event.keys() <= self._open_fields or all(map(self._is_open, event))

    def is_clean(self, line: bytes) -> bool:
        """Whether no text of a plain event, encoded as this JSON, has to be masked.

        JSON writes marks as they are, and each key in one way only. Looking through a
        whole line costs a tenth of looking through its fields.
        """
        for needle in self._needles:  # noqa: SIM110 - a generator costs as much again
            if needle in line:
                return False
        return True

    def _is_open(self, field: str) -> bool:
        if field in self._hidden or field.lower() in _SECRET_FIELDS:
            return False
        if len(self._open_fields) < _KNOWN_FIELDS:
            self._open_fields.add(field)
        return True

    def __call__(
        self, _logger: object, _method: str, event: MutableMapping[str, object]
    ) -> Mapping[str, object]:
        return {key: self._field(key, value, 0) for key, value in event.items()}

    def _field(self, key: str, value: object, depth: int) -> object:
        if isinstance(value, str):
            plain: object = self.text(value)
        elif value is None or isinstance(value, int | float):
            return value
        else:
            plain = self._plain(value, depth)
        if key in _SECRET_FIELDS or key.lower() in _SECRET_FIELDS:
            return MASK
        return HIDDEN if key in self._hidden else plain

    def _plain(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, int | float | Decimal):
            return value
        if depth >= _MAX_DEPTH:
            return "(too deep)"
        if isinstance(value, msgspec.Struct):
            value = msgspec.structs.asdict(value)
        return self._nested(value, depth + 1)

    def _nested(self, value: object, depth: int) -> object:
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): self._field(str(key), item, depth)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self._plain(item, depth) for item in value]
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value[:SCANNED_CHARS]).decode("utf-8", "replace"))
        return self.text(_as_text(value))


def _as_text(value: object) -> str:
    try:
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return str(value)
    except Exception:  # noqa: BLE001 - a log line must not fail, whoever wrote __str__
        return f"<{type(value).__name__}>"


def _as_json(secret: str) -> bytes:
    """How a JSON text holds it; empty, which is in every line, if it cannot."""
    try:
        return msgspec.json.encode(secret)[1:-1]
    except ValueError:  # a lone surrogate
        return b""


def _keep_the_prefix(match: re.Match[str]) -> str:
    prefix = match.group(1) or match.group(2) or match.group(3)
    return f"{prefix}{MASK}"
