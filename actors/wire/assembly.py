"""The pieces of one streamed answer, put together within a bound. Any dialect's."""

from io import StringIO
from typing import Literal

from actors.errors import ProviderResponseError
from actors.messages.chat import ToolCall

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Default bound on everything one stream may add up to."""

_CALL_OVERHEAD = 512  # bytes charged for a call's own bookkeeping

Kind = Literal["content", "reasoning", "refusal"]


class _Call:
    __slots__ = ("arguments", "id", "name")

    def __init__(self, call_id: str, name: str) -> None:
        self.id = call_id
        self.name = name
        self.arguments = StringIO()


class Assembly:
    """What one stream has said so far.

    Calls are addressed by their position, counted from 0 in order of arrival.

    Attributes:
        text_bytes: UTF-8 length of content, reasoning, refusal and arguments so far.
    """

    __slots__ = ("_calls", "_charged", "_limit", "_texts", "text_bytes")

    def __init__(self, max_bytes: int = MAX_ANSWER_BYTES) -> None:
        self.text_bytes = 0
        self._charged = 0
        self._limit = max_bytes
        self._texts: dict[Kind, StringIO] = {}
        self._calls: list[_Call] = []

    def add_text(self, kind: Kind, piece: str) -> None:
        """Append to one of the texts.

        Raises:
            ProviderResponseError: The answer is larger than allowed.
        """
        self._charge(piece)
        buffer = self._texts.get(kind)
        if buffer is None:
            buffer = self._texts[kind] = StringIO()
        buffer.write(piece)

    def open_call(self, call_id: str, name: str) -> int:
        """Begin a tool call and return its position; raises as ``add_text`` does."""
        self._charged += _CALL_OVERHEAD + len(call_id) + len(name)
        self._charge("")
        self._calls.append(_Call(call_id, name))
        return len(self._calls) - 1

    def name_call(self, position: int, name: str) -> None:
        """Name a call that was opened without a name."""
        self._charged += len(name)
        self._calls[position].name = name

    def add_arguments(self, position: int, piece: str) -> None:
        """Append to a call's arguments; raises as ``add_text`` does."""
        self._charge(piece)
        self._calls[position].arguments.write(piece)

    def text(self, kind: Kind) -> str | None:
        """One of the texts so far; ``None`` if nothing came."""
        buffer = self._texts.get(kind)
        return buffer.getvalue() if buffer is not None else None

    def content(self) -> str | None:
        """Visible text; ``None`` only where calls or a refusal stand in its place."""
        text = self.text("content")
        if text is None and not self._calls and "refusal" not in self._texts:
            return ""
        return text

    @property
    def call_count(self) -> int:
        return len(self._calls)

    def call_name(self, position: int) -> str:
        return self._calls[position].name

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls; empty arguments mean ``{}``."""
        return tuple(
            ToolCall(call.id, call.name, call.arguments.getvalue() or "{}")
            for call in self._calls
        )

    def _charge(self, piece: str) -> None:
        size = len(piece) if piece.isascii() else len(piece.encode())
        self.text_bytes += size
        self._charged += size
        if self._charged > self._limit:
            text = f"the answer is longer than {self._limit} bytes"
            raise ProviderResponseError(text)
