"""Event stream of a message -> deltas and a completion (provider-apis 3.4 and 5.3)."""

from msgspec import Struct
from msgspec.json import Decoder

from actors.errors import ProviderResponseError
from actors.messages.chat import Completion, Delta, ToolCallDelta, Usage
from actors.wire.anthropic_names import ANSWER_TOOL, neutral_name
from actors.wire.anthropic_response import (
    call_id,
    finish_reason,
    input_text,
    refusal_text,
)
from actors.wire.anthropic_usage import decode_usage, updated
from actors.wire.assembly import MAX_ANSWER_BYTES, Assembly, Kind
from actors.wire.failures import raise_if_error, raise_in_answer
from actors.wire.sse import MAX_EVENT_BYTES, SseEvent, SseParser
from actors.wire.tolerant import ANY, count, decode, mapping, text

_KEPT_BYTES = 64 * 1024  # of a stream that has no event yet: an error may be all of it
_MAX_INDEX = 2**31

Json = dict[str, object]


class _Event(Struct):
    """Any event; which members it has depends on its type."""

    type: object = None
    index: object = None
    delta: object = None
    content_block: object = None
    message: object = None
    usage: object = None
    error: object = None


_EVENT = Decoder(_Event)


class AnthropicStreamDecoder:
    """Implements ``wire.base.StreamDecoder``.

    Blocks are told apart by Anthropic's index; tool calls count among themselves.
    """

    def __init__(
        self,
        *,
        max_event_bytes: int = MAX_EVENT_BYTES,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._events = SseParser(max_event_bytes)
        self._assembly = Assembly(max_answer_bytes)
        self._calls: dict[int, int] = {}  # open block's index -> position of its call
        self._answer: int | None = None  # index of the open block of the answer tool
        self._empty: set[int] = set()  # those of them that have no input yet
        self._prefix: bytearray | None = bytearray()  # until the first event
        self._stop_reason: str | None = None
        self._done = False
        self._raw_usage: Json = {}
        self._id: str | None = None
        self._model: str | None = None

    @property
    def done(self) -> bool:
        return self._done

    @property
    def model(self) -> str | None:
        return self._model

    @property
    def usage(self) -> Usage:
        return decode_usage(self._raw_usage)

    @property
    def text_bytes(self) -> int:
        return self._assembly.text_bytes

    def feed(self, data: bytes) -> list[Delta]:
        if self._done:
            return []
        events = self._events.feed(data)
        if self._prefix is not None:
            if events:
                self._prefix = None
            else:
                self._prefix += data[: _KEPT_BYTES - len(self._prefix)]
        return self._read(events)

    def finish(self) -> Completion:
        if not self._done:
            self._read_unended()
        if self._stop_reason is None:
            raise ProviderResponseError("the stream ended without a stop reason")
        calls = self._assembly.calls()
        return Completion(
            content=self._assembly.content(),
            finish_reason=finish_reason(self._stop_reason, has_calls=bool(calls)),
            model=self._model,
            reasoning=self._assembly.text("reasoning"),
            refusal=self._assembly.text("refusal"),
            tool_calls=calls,
            usage=self.usage,
            response_id=self._id,
            service_tier=text(self._raw_usage.get("service_tier")),
        )

    def _read_unended(self) -> None:
        """Take the event that came without its blank line, if nothing is lost by it.

        Text in it can no longer be handed on, so it counts as cut; half an event after
        the stop reason does not undo the answer.
        """
        try:
            unended = self._read(self._events.finish())
        except ProviderResponseError:
            if self._stop_reason is None:
                raise
            return
        if unended:
            raise ProviderResponseError("the stream was cut inside an event")
        if self._prefix:
            raise_if_error(bytes(self._prefix))

    def _read(self, events: list[SseEvent]) -> list[Delta]:
        deltas: list[Delta] = []
        for event in events:
            if event.event == "error":
                raise_in_answer(decode(ANY, event.data, "the error event"))
            delta = self._take(decode(_EVENT, event.data, "an event"))
            if delta is not None:
                deltas.append(delta)
            if self._done:
                break
        return deltas

    def _take(self, event: _Event) -> Delta | None:
        if event.error or event.type == "error":
            raise_in_answer(event.error or "an error without words")
        match event.type:
            case "content_block_delta":
                return self._add(_index(event.index), mapping(event.delta))
            case "content_block_start":
                return self._open(_index(event.index), mapping(event.content_block))
            case "content_block_stop":
                return self._close(_index(event.index))
            case "message_start":
                self._start(mapping(event.message))
            case "message_delta":
                self._raw_usage = updated(self._raw_usage, event.usage)
                return self._stop(mapping(event.delta))
            case "message_stop":
                self._done = True
            case _:
                pass  # a ping, or newer than this
        return None

    def _start(self, message: Json) -> None:
        self._id = self._id or text(message.get("id"))
        self._model = self._model or text(message.get("model"))
        self._raw_usage = updated(self._raw_usage, message.get("usage"))

    def _stop(self, said: Json) -> Delta | None:
        if self._stop_reason is None:
            self._stop_reason = text(said.get("stop_reason"))
            return self._say("refusal", refusal_text(said))
        return None

    def _open(self, index: int | None, block: Json) -> Delta | None:
        match block.get("type"):
            case "text":
                return self._say("content", block.get("text"))
            case "thinking":
                return self._say("reasoning", block.get("thinking"))
            case "tool_use":
                return self._open_tool(index, block)
            case _:
                return None

    def _open_tool(self, index: int | None, block: Json) -> Delta | None:
        """Begin a call, or the answer; an imitator may send its input whole, at once."""
        given = input_text(block["input"]) if block.get("input") else ""
        awaited = None if given else index
        self._forget(index)
        if block.get("name") == ANSWER_TOOL:
            self._forget(self._answer)  # one at a time: nothing bounds their number
            self._answer = awaited
            if awaited is not None:
                self._empty.add(awaited)
            return self._say("content", given)
        wire_id = call_id(block, self._assembly.call_count)
        name = neutral_name(text(block.get("name")) or "")
        position = self._assembly.open_call(wire_id, name)
        if awaited is not None:
            self._calls[awaited] = position
            self._empty.add(awaited)
        self._assembly.add_arguments(position, given)
        return _calling(ToolCallDelta(position, wire_id, name or None, given))

    def _add(self, index: int | None, delta: Json) -> Delta | None:
        match delta.get("type"):
            case "text_delta":
                return self._say("content", delta.get("text"))
            case "thinking_delta":
                return self._say("reasoning", delta.get("thinking"))
            case "input_json_delta":
                return self._add_input(index, text(delta.get("partial_json")))
            case _:
                return None

    def _add_input(self, index: int | None, piece: str | None) -> Delta | None:
        if index is None or piece is None:
            return None
        self._empty.discard(index)
        if index == self._answer:
            return self._say("content", piece)
        position = self._calls.get(index)
        if position is None:
            return None  # the input of a tool that Anthropic runs itself
        self._assembly.add_arguments(position, piece)
        return _calling(ToolCallDelta(position, arguments=piece))

    def _close(self, index: int | None) -> Delta | None:
        """End a block; a call that got no input has an empty one."""
        delta = self._add_input(index, "{}") if index in self._empty else None
        self._forget(index)
        return delta

    def _forget(self, index: int | None) -> None:
        if index is None:
            return
        self._calls.pop(index, None)
        self._empty.discard(index)
        if self._answer == index:
            self._answer = None

    def _say(self, kind: Kind, value: object) -> Delta | None:
        piece = text(value)
        if piece is None:
            return None
        self._assembly.add_text(kind, piece)
        if kind == "content":
            return Delta(content=piece)
        return Delta(reasoning=piece) if kind == "reasoning" else Delta(refusal=piece)


def _index(value: object) -> int | None:
    """``value`` if it can be the index of a block."""
    position = count(value)
    return position if position is not None and position < _MAX_INDEX else None


def _calling(piece: ToolCallDelta) -> Delta:
    return Delta(tool_calls=(piece,))
