"""Event stream of a chat completion -> deltas and a completion (provider-apis 2.4)."""

from actors.errors import ProviderResponseError
from actors.messages.chat import Completion, Delta, ToolCallDelta, Usage
from actors.wire.assembly import MAX_ANSWER_BYTES, Assembly, Kind
from actors.wire.failures import raise_in_answer
from actors.wire.openai_response import (
    ANSWER,
    Answer,
    Call,
    Spoken,
    arguments_text,
    finish_reason,
    reasoning_text,
    spoken_text,
)
from actors.wire.openai_usage import UsagePolicy, decode_usage
from actors.wire.openai_whole import WholeAnswer
from actors.wire.sse import MAX_EVENT_BYTES, SseEvent, SseParser
from actors.wire.tolerant import ANY, decode, text

_ENDED = "chat.completion.done"  # Perplexity's last chunk, which no [DONE] follows


class OpenAIStreamDecoder:
    """Implements ``wire.base.StreamDecoder``.

    The first finish reason wins; of the usages the last. Tool calls are told apart by
    their index, without one by their order; neutral indexes count in order of arrival.
    What begins as JSON is no stream but a ``WholeAnswer``.
    """

    def __init__(
        self,
        policy: UsagePolicy,
        *,
        max_event_bytes: int = MAX_EVENT_BYTES,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._policy = policy
        self._events = SseParser(max_event_bytes)
        self._assembly = Assembly(max_answer_bytes)
        self._positions: dict[int, int] = {}  # wire index -> position of its call
        self._ids: dict[int, str] = {}  # position -> id as it came
        self._begun = False  # something other than white space came
        self._whole: WholeAnswer | None = None
        self._max_answer_bytes = max_answer_bytes
        self._finish: str | None = None
        self._blank_finish = False
        self._done = False
        self._raw_usage: object = None
        self._id: str | None = None
        self._model: str | None = None
        self._service_tier: str | None = None

    @property
    def done(self) -> bool:
        return self._done

    @property
    def model(self) -> str | None:
        return self._model

    @property
    def usage(self) -> Usage:
        if self._whole is not None and self._whole.completion is not None:
            return self._whole.completion.usage
        return decode_usage(self._raw_usage, self._policy)

    @property
    def text_bytes(self) -> int:
        return (
            self._assembly.text_bytes if self._whole is None else self._whole.text_bytes
        )

    def feed(self, data: bytes) -> list[Delta]:
        if self._done:
            return []
        if not self._begun:
            self._begin(data.lstrip()[:1])
        if self._whole is not None:
            deltas = self._whole.feed(data)
            if self._whole.completion is not None:
                self._done, self._model = True, self._whole.completion.model
            return deltas
        return self._read(self._events.feed(data))

    def _begin(self, first: bytes) -> None:
        self._begun = bool(first)
        if first in (b"{", b"["):  # no line of an event stream begins so
            self._whole = WholeAnswer(self._policy, self._max_answer_bytes)

    def finish(self) -> Completion:
        if self._whole is not None:
            return self._whole.finish()
        if not self._done:
            self._read_unended()
        calls = self._assembly.calls()
        if self._finish is None and self._blank_finish and self._done and calls:
            self._finish = "tool_calls"  # xAI: "" beside tool calls
        if self._finish is None:
            raise ProviderResponseError("the stream ended without a finish reason")
        return Completion(
            content=self._assembly.content(),
            finish_reason=finish_reason(self._finish, has_calls=bool(calls)),
            model=self._model,
            reasoning=self._assembly.text("reasoning"),
            refusal=self._assembly.text("refusal"),
            tool_calls=calls,
            usage=self.usage,
            response_id=self._id,
            service_tier=self._service_tier,
        )

    def _read_unended(self) -> None:
        """Take the event that came without its blank line, if nothing is lost by it.

        Text in it can no longer be handed on, so it counts as cut; a finish reason or
        a usage may be all that was missing, and half a chunk after the finish reason
        does not undo the answer.
        """
        try:
            unended = self._read(self._events.finish())
        except ProviderResponseError:
            if self._finish is None:
                raise
            return
        if unended:
            raise ProviderResponseError("the stream was cut inside an event")

    def _read(self, events: list[SseEvent]) -> list[Delta]:
        deltas: list[Delta] = []
        for event in events:
            if self._done:
                break
            if event.data.strip() == b"[DONE]":
                self._done = True
            elif event.event == "error":
                raise_in_answer(decode(ANY, event.data, "the error event"))
            else:
                self._take(decode(ANSWER, event.data, "a chunk"), deltas)
        return deltas

    def _take(self, chunk: Answer, deltas: list[Delta]) -> None:
        self._raw_usage = chunk.said_usage() or self._raw_usage
        chunk.raise_for_error()
        self._id = self._id or text(chunk.id)
        self._model = self._model or text(chunk.model)
        self._service_tier = text(chunk.service_tier) or self._service_tier
        choice = chunk.first_choice()
        if choice is None:
            return
        if choice.delta is not None:
            delta = self._add(choice.delta)
            if delta is not None:
                deltas.append(delta)
        if self._finish is None:
            self._finish = text(choice.finish_reason)
            self._blank_finish |= choice.finish_reason == ""
        self._done = chunk.said_to_be == _ENDED and self._finish is not None

    def _add(self, spoken: Spoken) -> Delta | None:
        content, thoughts = spoken_text(spoken.content)
        reasoning = reasoning_text(spoken) or thoughts
        refusal = text(spoken.refusal)
        calls: tuple[ToolCallDelta, ...] = ()
        if spoken.tool_calls:
            calls = tuple(
                piece
                for piece in map(self._add_call, spoken.tool_calls)
                if piece is not None
            )
        if not (content or reasoning or refusal or calls):
            return None
        self._append("reasoning", reasoning)
        self._append("content", content)
        self._append("refusal", refusal)
        return Delta(content or None, reasoning, refusal, calls)

    def _append(self, kind: Kind, piece: str | None) -> None:
        if piece:
            self._assembly.add_text(kind, piece)

    def _add_call(self, call: Call) -> ToolCallDelta | None:
        """Add one piece; ``None`` if there is nothing in it to hand on."""
        function = call.function
        name = text(function.name) if function else None
        piece = arguments_text(function.arguments) if function else ""
        position = self._position(call, name)
        if position is None:
            call_id = call.own_id(self._id, self._assembly.call_count)
            position = self._assembly.open_call(call_id, name or "")
            self._remember(call, position)
            delta = ToolCallDelta(position, call_id, name, piece)
        elif name and not self._assembly.call_name(position):
            self._assembly.name_call(position, name)
            delta = ToolCallDelta(position, name=name, arguments=piece)
        else:
            delta = ToolCallDelta(position, arguments=piece)
        if piece:
            self._assembly.add_arguments(position, piece)
        elif delta.id is None and delta.name is None:
            return None
        return delta

    def _position(self, call: Call, name: str | None) -> int | None:
        """Which call this piece belongs to; ``None`` if to a new one.

        A named piece under a known index but with another id is a new call all the
        same: some servers number every whole call 0.
        """
        call_id = text(call.id)
        if isinstance(call.index, int):
            position = self._positions.get(call.index)
        else:
            position = self._assembly.call_count - 1 if not call_id else None
            if position == -1 or (name and not call_id):
                position = None
        if position is None or not (call_id and name):
            return position
        return position if self._ids.get(position, call_id) == call_id else None

    def _remember(self, call: Call, position: int) -> None:
        if isinstance(call.index, int):
            self._positions[call.index] = position
        call_id = text(call.id)
        if call_id:
            self._ids[position] = call_id
