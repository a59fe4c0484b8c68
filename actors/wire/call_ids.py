"""Ids of tool calls on their way out and back.

Servers differ in the ids they take, and Gemini wants a thought signature back with each
call it made, which no other dialect has a place for: it travels inside the id, because
that is the one thing about a call every client keeps.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hashlib import blake2b

from actors.wire.quirks import ToolIds
from actors.wire.tolerant import mapping, text

NO_SIGNATURE = "skip_thought_signature_validator"
"""What Google takes for a call that somebody else made."""

_MARK = "__sig__"
_MAX_SIGNATURE_CHARS = 16 * 1024
_ALPHANUMERIC = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ID_CHARS = frozenset(_ALPHANUMERIC + "_-")
_MAX_ID_CHARS = 40  # what OpenAI takes back


def invented_id(response_id: str | None, position: int) -> str:
    """An id for a call that came without one (Gemini), the same every time."""
    end = f"_{position}"
    seen = (response_id or "")[:_MAX_ID_CHARS]  # however long a hostile one is
    start = "".join(char for char in seen if char in _ID_CHARS)
    return f"call_{start}"[: _MAX_ID_CHARS - len(end)].rstrip("_") + end


def fitting_id(call_id: str, wanted: ToolIds | None) -> str:
    """``call_id``, or where the server would not take it, one made from it."""
    if wanted is None or re.fullmatch(wanted.pattern, call_id):
        return call_id
    size = 8 * -(-wanted.length // 8)
    digest = blake2b(call_id.encode("utf-8", "replace"), digest_size=size).digest()
    return "".join(_ALPHANUMERIC[byte % 62] for byte in digest)[: wanted.length]


def signature_in(extra_content: object) -> str | None:
    """Google's thought signature in the ``extra_content`` of a call, if one is there."""
    google = mapping(mapping(extra_content).get("google"))
    signature = text(google.get("thought_signature"))
    if signature is None or len(signature) > _MAX_SIGNATURE_CHARS:
        return None
    return signature


def signed_id(call_id: str, signature: str | None) -> str:
    """``call_id`` with the signature inside."""
    if signature is None:
        return call_id
    packed = urlsafe_b64encode(signature.encode("utf-8", "replace")).decode()
    return f"{call_id}{_MARK}{packed.rstrip('=')}"


def unsigned_id(call_id: str) -> tuple[str, str | None]:
    """The id and the signature that ``signed_id`` was given."""
    bare, mark, packed = call_id.partition(_MARK)
    if not mark:
        return call_id, None
    try:
        padded = packed + "=" * (-len(packed) % 4)
        return bare, urlsafe_b64decode(padded.encode()).decode() or None
    except (Base64Error, ValueError):
        return bare, None
