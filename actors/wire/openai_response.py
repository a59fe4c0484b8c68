"""Body of a chat completion or of a models list -> neutral (provider-apis 2.3)."""

from msgspec import Struct, field
from msgspec.json import Decoder, Encoder

from actors.errors import ProviderResponseError
from actors.messages.chat import Completion, FinishReason, ModelInfo, ToolCall
from actors.wire.call_ids import invented_id, signature_in, signed_id
from actors.wire.failures import raise_if_error, raise_in_answer
from actors.wire.openai_usage import UsagePolicy, decode_usage
from actors.wire.tolerant import ANY, count, decode, mapping, sequence, text

_ENCODER = Encoder()

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "length": "length",
    "model_length": "length",  # Mistral
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",  # Z.AI
}
_BROKEN = frozenset(
    {
        "error",  # OpenRouter, Mistral
        "network_error",  # Z.AI
        "insufficient_system_resource",  # DeepSeek
    }
)


class Function(Struct):
    """The function of a call; ``arguments`` is JSON text, or at some servers JSON."""

    name: object = None
    arguments: object = None


class Call(Struct):
    """A tool call, or in a stream a piece of one."""

    id: object = None
    index: object = None
    function: Function | None = None
    extra_content: object = None

    def own_id(self, response_id: str | None, position: int) -> str:
        """Its id, or one made for it, with Google's signature inside."""
        call_id = text(self.id) or invented_id(response_id, position)
        return signed_id(call_id, signature_in(self.extra_content))


class Spoken(Struct):
    """``message`` of an answer and ``delta`` of a chunk: the same members."""

    content: object = None
    refusal: object = None
    reasoning_content: object = None
    reasoning: object = None
    tool_calls: list[Call] | None = None
    function_call: Function | None = None


class Choice(Struct):
    """One choice; ``message`` in an answer, ``delta`` in a chunk."""

    index: object = 0
    message: Spoken | None = None
    delta: Spoken | None = None
    finish_reason: object = None
    error: object = None


class Answer(Struct):
    """A whole answer, and a chunk of a stream."""

    choices: list[Choice] | None = None
    usage: object = None
    error: object = None
    type: object = None
    id: object = None
    model: object = None
    service_tier: object = None
    said_to_be: object = field(default=None, name="object")
    x_groq: object = None

    def first_choice(self) -> Choice | None:
        """The choice with index 0; we never ask for others."""
        for choice in self.choices or ():
            if not choice.index:
                return choice
        return None

    def said_usage(self) -> object:
        """Its usage; Groq's older streams have it in a corner of their own."""
        return self.usage or (self.x_groq and mapping(self.x_groq).get("usage"))

    def raise_for_error(self) -> None:
        """Raise what an error in here means (provider-apis 1.2, rule 6)."""
        if self.error or self.type == "error":
            raise_in_answer(self.error or "an error without words")
        for choice in self.choices or ():
            if choice.error:
                raise_in_answer(choice.error)
            reason = choice.finish_reason
            if isinstance(reason, str) and reason in _BROKEN:
                raise_in_answer(f"the provider broke the answer off: {reason}")


ANSWER = Decoder(Answer)


def decode_completion(body: bytes, policy: UsagePolicy) -> Completion:
    """Decode a 2xx answer.

    Raises:
        ProviderError: The body holds an error, no choice, or cannot be decoded.
    """
    answer = _answer(body)
    answer.raise_for_error()
    choice = answer.first_choice()
    if choice is None or choice.message is None:
        raise ProviderResponseError("the answer holds no choice")
    message = choice.message
    response_id = text(answer.id)
    content, thoughts = spoken_text(message.content)
    calls = tuple(_calls(message, response_id))
    return Completion(
        content=content,
        finish_reason=finish_reason(choice.finish_reason, has_calls=bool(calls)),
        model=text(answer.model),
        reasoning=reasoning_text(message) or thoughts,
        refusal=text(message.refusal),
        tool_calls=calls,
        usage=decode_usage(answer.usage, policy),
        response_id=response_id,
        service_tier=text(answer.service_tier),
    )


def decode_model_list(body: bytes) -> tuple[ModelInfo, ...]:
    """Decode ``GET /models``: ``data``, or ``models`` as xAI's language-models has it.

    Raises:
        ProviderError: The body holds an error or no list.
    """
    value = decode(ANY, body, "the models list")
    listing = mapping(value)
    if listing.get("error"):
        raise_in_answer(value)
    rows = listing.get("data", listing.get("models", value))
    if rows is None:
        return ()  # Ollama without a model
    if not isinstance(rows, list):
        raise ProviderResponseError("the models list holds no list")
    return tuple(_model(row) for row in map(mapping, rows) if text(row.get("id")))


def spoken_text(content: object) -> tuple[str | None, str | None]:
    """Visible text and reasoning of ``content``: a string, or Mistral's typed parts."""
    if content is None or isinstance(content, str):
        return content, None
    said: list[str] = []
    thought: list[str] = []
    for part in map(mapping, sequence(content)):
        said.append(text(part.get("text")) or "")
        pieces = map(mapping, sequence(part.get("thinking")))
        thought.extend(text(piece.get("text")) or "" for piece in pieces)
    return "".join(said) or None, "".join(thought) or None


def reasoning_text(spoken: Spoken) -> str | None:
    """The reasoning, under either of its names (provider-apis 1.2, rule 13)."""
    return text(spoken.reasoning_content) or text(spoken.reasoning)


def arguments_text(arguments: object) -> str:
    """Arguments as JSON text, whatever the server sent; "" where it sent nothing.

    Raises:
        ProviderResponseError: Not text, and not JSON that can be written again.
    """
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    try:
        return _ENCODER.encode(arguments).decode()
    except (ValueError, RecursionError) as error:
        message = "a tool call's arguments are no JSON that can be passed on"
        raise ProviderResponseError(message) from error


def finish_reason(reason: object, *, has_calls: bool) -> FinishReason:
    """Tool calls decide, not the reason: forced ones used to end with ``stop``."""
    known = _FINISH.get(reason, "stop") if isinstance(reason, str) else "stop"
    if known in ("stop", "tool_calls"):
        return "tool_calls" if has_calls else "stop"
    return known


def _answer(body: bytes) -> Answer:
    try:
        return decode(ANSWER, body, "the answer")
    except ProviderResponseError:
        raise_if_error(body)
        raise


def _calls(message: Spoken, response_id: str | None) -> list[ToolCall]:
    calls = message.tool_calls
    if not calls:
        if message.function_call is None:
            return []
        calls = [Call(function=message.function_call)]
    return [
        ToolCall(
            id=call.own_id(response_id, position),
            name=text(call.function.name) or "",
            arguments=arguments_text(call.function.arguments) or "{}",
        )
        for position, call in enumerate(calls)
        if call.function is not None
    ]


def _model(row: dict[str, object]) -> ModelInfo:
    windows = ("context_window", "context_length", "max_model_len", "max_input_tokens")
    known = (count(row.get(name)) for name in windows)
    retires = row.get("shutdown_date")
    return ModelInfo(
        id=str(row["id"]),
        context_window=next((size for size in known if size), None),
        max_output_tokens=count(row.get("max_completion_tokens")),
        retires_at=str(retires) if isinstance(retires, str | int) else None,
    )
