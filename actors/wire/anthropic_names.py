"""Names and ids of tools in Anthropic's alphabet, ``[a-zA-Z0-9_-]``.

Names are escaped so that the answer's names can be read back without remembering the
request; ids need no way back, only to be the same each time a conversation is sent.
"""

import re
from collections import deque

from actors.errors import InvalidRequest

ANSWER_TOOL = "gbx_answer"
"""The tool whose input is the structured answer. No escaped name can be this one: what
it would stand for needs no escaping."""

_MARK = "gbx_"
_MAX_NAME_CHARS = 128
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ESCAPE = re.compile(rb"_([0-9a-f]{2})")
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_NO_PLAIN = re.compile(rb"[^a-zA-Z0-9-]")


def wire_name(name: str, field: str) -> str:
    """A tool's name as Anthropic takes it; ``wire_name`` of an allowed name is itself.

    Raises:
        InvalidRequest: Too long, even though every other rule could be met.
    """
    if _NAME.fullmatch(name) and not name.startswith(_MARK):
        return name
    escaped = _NO_PLAIN.sub(lambda found: b"_%02x" % found[0][0], name.encode())
    wire = _MARK + escaped.decode()
    if len(wire) > _MAX_NAME_CHARS:
        text = f"a tool name does not fit into {_MAX_NAME_CHARS} characters"
        wanted = "a shorter name of letters, digits, _ and -"
        raise InvalidRequest(text, field=field, got=name[:40], wanted=wanted)
    return wire


def neutral_name(wire: str) -> str:
    """The name that ``wire_name`` made ``wire`` from."""
    if not wire.startswith(_MARK):
        return wire
    escaped = wire[len(_MARK) :].encode("utf-8", "replace")
    name = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), escaped)
    try:
        return name.decode()
    except UnicodeDecodeError:
        return wire


class CallIds:
    """Ids of the calls in one conversation, each allowed and used once.

    ``open`` gives a call its id; ``answer`` finds the call a result belongs to among
    those of the turn before, by id and within one id in order.
    """

    __slots__ = ("_next", "_open", "_used")

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._next: dict[str, int] = {}
        self._open: dict[str, deque[str]] = {}

    def open(self, call_id: str) -> str:
        base = _FOREIGN.sub("_", call_id) or "call"
        wire = base
        while wire in self._used:
            number = self._next[base] = self._next.get(base, 1) + 1
            wire = f"{base}_{number}"
        self._used.add(wire)
        self._open.setdefault(call_id, deque()).append(wire)
        return wire

    def answer(self, call_id: str) -> str | None:
        """The open call of this id, now answered; ``None`` if there is none."""
        waiting = self._open.get(call_id)
        if not waiting:
            return None
        wire = waiting.popleft()
        if not waiting:
            del self._open[call_id]
        return wire

    def abandon(self) -> list[str]:
        """The calls still open, in order, which count as answered from now on."""
        left = [wire for waiting in self._open.values() for wire in waiting]
        self._open.clear()
        return left
