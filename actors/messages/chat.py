"""What is asked of a model and what it answers, in no provider's dialect."""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class TextPart(Struct, frozen=True, gc=False, tag="text"):
    """A run of text."""

    text: str


class ImagePart(Struct, frozen=True, gc=False, tag="image"):
    """An image by URL, or inline as a ``data:`` URI.

    ``detail`` is OpenAI's ``auto | low | high``; other dialects drop it.
    """

    url: str
    detail: str | None = None


class AudioPart(Struct, frozen=True, gc=False, tag="audio"):
    """Base64 audio; only the OpenAI dialect can carry it."""

    data: str
    format: str


class FilePart(Struct, frozen=True, gc=False, tag="file"):
    """A document, inline as a ``data:`` URI or by the provider's own file id."""

    data: str | None = None
    file_id: str | None = None
    filename: str | None = None


Part = TextPart | ImagePart | AudioPart | FilePart


class ToolCall(Struct, frozen=True, gc=False):
    """One call a model wants made. ``arguments`` is JSON text, ``{}`` when empty."""

    id: str
    name: str
    arguments: str = "{}"


class Message(Struct, frozen=True, gc=False):
    """One turn of a conversation.

    ``content`` is ``None`` only beside ``tool_calls``. ``tool_call_id`` names the call
    that a ``tool`` message answers. ``reasoning`` is the model's own earlier reasoning
    text, sent back to the servers that demand it.
    """

    role: Role
    content: str | tuple[Part, ...] | None = None
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning: str | None = None


class Tool(Struct, frozen=True, gc=False):
    """A function the model may call. ``parameters`` is a JSON Schema object."""

    name: str
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None


class ToolChoice(Struct, frozen=True, gc=False):
    """Which tool to call: ``function`` forces ``name``, ``required`` forces any."""

    mode: Literal["auto", "none", "required", "function"]
    name: str | None = None


class ResponseFormat(Struct, frozen=True, gc=False):
    """The shape the answer must have; ``schema`` only with ``json_schema``."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, object] | None = None
    strict: bool | None = None


ContinuesAs = Literal["none", "appended", "echoed"]
"""How a model goes on from the beginning of an answer: not at all, with what follows
it, or with the beginning again and then what follows."""


class EmbedAsk(Struct, frozen=True, gc=False, kw_only=True):
    """What is to be turned into vectors: texts, or tokens of the model's own.

    ``dimensions`` is how long a vector is to be, ``None`` as the model has it.
    ``base64``: the caller takes them packed, so that numbers need not be written out.
    """

    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    base64: bool = False


class ChatRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Everything a provider is asked, except who and when.

    ``extra`` holds fields of the OpenAI chat dialect this project does not interpret,
    by name; they go to providers of that dialect and are left out elsewhere.
    ``max_tokens`` caps visible and reasoning tokens together. ``continues``: the last
    message is the beginning of the answer, which goes on from there word for word.
    ``embed`` asks for vectors in place of an answer; then there are no ``messages``.
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: ReasoningEffort | None = None
    user: str | None = None
    extra: dict[str, object] = {}
    continues: bool = False
    embed: EmbedAsk | None = None


class ToolCallDelta(Struct, frozen=True, gc=False, omit_defaults=True):
    """A piece of a tool call; ``index`` counts tool calls, not content blocks.

    ``id`` and ``name`` come once, with the first piece; ``arguments`` are appended.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class Delta(Struct, frozen=True, gc=False, omit_defaults=True):
    """A piece of an answer; every text is to be appended to what came before.

    ``model`` comes with the first content: what the provider says answers.
    """

    content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: tuple[ToolCallDelta, ...] = ()
    model: str | None = None


class Usage(Struct, frozen=True, gc=False):
    """Tokens, normalised over all dialects; ``None`` where the provider did not say.

    ``prompt_tokens`` is all input, cached and cache-written included;
    ``completion_tokens`` all billed output, reasoning included. ``reported_cost_usd``
    is the provider's own figure, never a zero beside non-zero tokens.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    reported_cost_usd: Decimal | None = None


class Completion(Struct, frozen=True, gc=False, kw_only=True):
    """A whole answer. ``model`` is what the provider says it was.

    ``vectors`` are those that were asked for, each packed as little-endian doubles.
    """

    content: str | None
    finish_reason: FinishReason
    model: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    response_id: str | None = None
    service_tier: str | None = None
    vectors: tuple[bytes, ...] = ()


class ModelInfo(Struct, frozen=True, kw_only=True):
    """One row of a provider's models list; ``None`` where it does not say."""

    id: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    retires_at: str | None = None
