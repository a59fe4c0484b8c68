"""JSON from servers that do not quite keep to their own schema.

Typed where it matters for speed, forgiving in the details: a count that is a string is
no count, a lone surrogate is a replacement character, and whatever cannot be understood
at all is a ``ProviderResponseError``, never another exception.
"""

import re
from typing import TypeVar

from msgspec.json import Decoder

from actors.errors import ProviderResponseError

T = TypeVar("T")

ANY = Decoder()
"""Decodes to plain dicts, lists and scalars."""

_ESCAPE = re.compile(
    rb"\\(?:"
    rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: keep
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|.)",
    re.DOTALL,
)


def decode(decoder: Decoder[T], body: bytes, what: str) -> T:
    """Decode ``body``; ``what`` names it in the error ("the answer", "a chunk").

    Raises:
        ProviderResponseError: Not JSON, not of the type, or nested too deeply.
    """
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:
        problem = error
    repaired = _repaired(body)
    if repaired is not None:
        try:
            return decoder.decode(repaired)
        except (ValueError, RecursionError) as error:
            problem = error
    message = f"{what} cannot be decoded: {problem}"
    raise ProviderResponseError(message[:500]) from problem


def text(value: object) -> str | None:
    """``value`` if it is text that is not empty."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """``value`` if it is a whole number that can count something."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def mapping(value: object) -> dict[str, object]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[object]:
    """``value`` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def _repaired(body: bytes) -> bytes | None:
    """``body`` with broken UTF-8 and lone surrogates replaced; None if it has none.

    Servers that cut text by UTF-16 units send the halves of an emoji as two escapes
    in two strings, which no strict parser takes.
    """
    try:
        body.decode()
        repaired = body
    except UnicodeDecodeError:
        repaired = body.decode("utf-8", "replace").encode()
    if b"\\ud" in repaired or b"\\uD" in repaired:
        repaired = _ESCAPE.sub(_keep_or_replace, repaired)
    return None if repaired == body else repaired


def _keep_or_replace(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape[1] else escape[0]
