"""Body of a message or of a models list -> neutral (provider-apis 3.3, 3.6 and 5.2)."""

from msgspec.json import Encoder

from actors.errors import ProviderResponseError
from actors.messages.chat import Completion, FinishReason, ModelInfo, ToolCall
from actors.wire.anthropic_names import ANSWER_TOOL, neutral_name
from actors.wire.anthropic_usage import decode_usage
from actors.wire.failures import raise_in_answer
from actors.wire.tolerant import ANY, count, decode, mapping, text

Json = dict[str, object]

_ENCODER = Encoder()
_FINISH: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # a server tool wants more turns than we take
    "refusal": "content_filter",
}


def decode_message(body: bytes) -> Completion:
    """Decode a 2xx answer.

    Raises:
        ProviderError: The body holds an error, no content, or cannot be decoded.
    """
    answer = mapping(decode(ANY, body, "the answer"))
    raise_for_error(answer)
    blocks = answer.get("content")
    if not isinstance(blocks, list):
        raise ProviderResponseError("the answer holds no content")
    said: list[str] = []
    thought: list[str] = []
    calls: list[ToolCall] = []
    for block in map(mapping, blocks):
        match block.get("type"):
            case "text":
                said.append(text(block.get("text")) or "")
            case "thinking":
                thought.append(text(block.get("thinking")) or "")
            case "tool_use" if block.get("name") == ANSWER_TOOL:
                said.append(input_text(block.get("input")))
            case "tool_use":
                calls.append(_call(block, len(calls)))
            case _:
                pass  # signatures, redacted thoughts, what the server's tools did
    refusal = refusal_text(answer)
    content = "".join(said)
    return Completion(
        content=content if content or not (calls or refusal) else None,
        finish_reason=finish_reason(answer.get("stop_reason"), has_calls=bool(calls)),
        model=text(answer.get("model")),
        reasoning="".join(thought) or None,
        refusal=refusal,
        tool_calls=tuple(calls),
        usage=decode_usage(answer.get("usage")),
        response_id=text(answer.get("id")),
        service_tier=text(mapping(answer.get("usage")).get("service_tier")),
    )


def decode_model_list(body: bytes) -> tuple[ModelInfo, ...]:
    """Decode ``GET /models``.

    Raises:
        ProviderError: The body holds an error or no list.
    """
    listing = mapping(decode(ANY, body, "the models list"))
    raise_for_error(listing)
    rows = listing.get("data")
    if not isinstance(rows, list):
        raise ProviderResponseError("the models list holds no list")
    return tuple(
        ModelInfo(
            id=str(row["id"]),
            context_window=count(row.get("max_input_tokens")) or None,
            max_output_tokens=count(row.get("max_tokens")) or None,
            retires_at=text(row.get("retires_at")),
        )
        for row in map(mapping, rows)
        if text(row.get("id"))
    )


def raise_for_error(answer: Json) -> None:
    """Raise what an error in here means.

    Raises:
        ProviderError: ``answer`` holds one.
    """
    if answer.get("error") or answer.get("type") == "error":
        raise_in_answer(answer)


def finish_reason(reason: object, *, has_calls: bool) -> FinishReason:
    """The neutral reason; whether it stopped for tools is for the calls to say."""
    known = _FINISH.get(reason) if isinstance(reason, str) else None
    return known or ("tool_calls" if has_calls else "stop")


def refusal_text(said: Json) -> str | None:
    """Why the model refused, where ``stop_details`` explains it."""
    details = mapping(said.get("stop_details"))
    return text(details.get("explanation")) if said.get("stop_reason") else None


def input_text(value: object) -> str:
    """The input of a tool as JSON text.

    Raises:
        ProviderResponseError: It is no JSON that can be written again.
    """
    try:
        return _ENCODER.encode({} if value is None else value).decode()
    except (ValueError, RecursionError) as error:
        message = "a tool's input is no JSON that can be passed on"
        raise ProviderResponseError(message) from error


def call_id(block: Json, position: int) -> str:
    """The id of a call; the position makes one up where an imitator sends none."""
    return text(block.get("id")) or f"toolu_{position}"


def _call(block: Json, position: int) -> ToolCall:
    name = neutral_name(text(block.get("name")) or "")
    return ToolCall(call_id(block, position), name, input_text(block.get("input")))
