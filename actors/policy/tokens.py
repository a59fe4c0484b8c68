"""How many tokens a prompt will be, before anybody counted them.

No tokenizer: bytes and fixed parts, fitted to about 1000 recorded requests over ten
providers. Only for choosing, admitting and windows; the provider's own usage settles
the bill.
"""

import math
from typing import NamedTuple

import msgspec

from actors.messages.chat import (
    AudioPart,
    ChatRequest,
    EmbedAsk,
    FilePart,
    ImagePart,
    Message,
    TextPart,
)

# The body of an inline image, sound or document says little about its tokens: images
# cost 85-1100 (OpenAI by size and detail), about width x height / 750 (Anthropic).
_MEDIA_TOKENS = 800
_MEDIA_TOKENS_UPPER = 2000
_MESSAGE_JSON_BYTES = 28  # {"role":"user","content":""}
_TOOL_JSON_BYTES = 35  # {"type":"function","function":}
_HIDDEN_PROMPT = {"xai": 180}  # what the provider puts before every prompt
_HIDDEN_TOOL_PROMPT = {"anthropic": 600, "xai": 280, "deepseek": 270, "mistral": 50}

COUNT_MORE = frozenset({"anthropic", "xai"})
"""Kinds of providers at which the bound of a prompt is higher than at others."""


class PromptSize(NamedTuple):
    """What both formulas are made of. ``text`` in UTF-8 bytes, ``media`` in parts.

    ``escapes`` are the bytes that JSON adds to the text; ``tools`` and ``schema`` are
    bytes of compact JSON, ``None`` where there are none.
    """

    messages: int
    text: int
    escapes: int
    media: int
    tools: int | None
    schema: int | None


def prompt_size(request: ChatRequest) -> PromptSize:
    """Measure a prompt, once for both formulas."""
    if request.embed is not None:
        return _inputs_size(request.embed)
    text = escapes = 0
    for piece in _texts(request):
        text += _utf8_bytes(piece)
        escapes += piece.count('"') + piece.count("\\") + piece.count("\n")
    schema = request.response_format.schema if request.response_format else None
    return PromptSize(
        messages=len(request.messages),
        text=text,
        escapes=escapes,
        media=_media(request),
        tools=_tools_bytes(request) if request.tools else None,
        schema=None if schema is None else len(msgspec.json.encode(schema)),
    )


def longest_input(ask: EmbedAsk) -> int:
    """The likely tokens of the longest input: a model's window holds one at a time."""
    return max((math.ceil(_input_bytes(each) / 4) for each in ask.inputs), default=0)


def _inputs_size(ask: EmbedAsk) -> PromptSize:
    """Texts without the frame of a conversation; a token counts as four bytes."""
    text = sum(map(_input_bytes, ask.inputs))
    return PromptSize(0, text, 0, 0, None, None)


def _input_bytes(given: str | tuple[int, ...]) -> int:
    return _utf8_bytes(given) if isinstance(given, str) else 4 * len(given)


def estimate_prompt_tokens(request: ChatRequest, kind: str) -> int:
    """``likely_tokens`` of a prompt that is not measured yet."""
    return likely_tokens(prompt_size(request), kind)


def upper_bound_prompt_tokens(request: ChatRequest, kind: str) -> int:
    """``bound_tokens`` of a prompt that is not measured yet."""
    return bound_tokens(prompt_size(request), kind)


def likely_tokens(size: PromptSize, kind: str) -> int:
    """The likely number of prompt tokens (median error about +10 %).

    UTF-8 bytes / 4 + 4 per message + 3; with tools their compact JSON / 4 + 17; for
    Anthropic x 1.1 + 10; plus what xAI, Anthropic, DeepSeek and Mistral add unseen.
    """
    tokens = size.text / 4 + 4 * size.messages + 3 + _MEDIA_TOKENS * size.media
    if size.tools is not None:
        tokens += size.tools / 4 + 17 + _HIDDEN_TOOL_PROMPT.get(kind, 0)
    else:
        tokens += _HIDDEN_PROMPT.get(kind, 0)
    if kind == "anthropic":
        tokens = tokens * 1.1 + 10
    return math.ceil(tokens)


def bound_tokens(size: PromptSize, kind: str) -> int:
    """A bound that held for 808 of 811 recorded prompts; loose for tiny ones.

    100 + JSON bytes of messages and schema / 3 + 10 per message, + 150 with a JSON
    schema, + 700 + tools JSON / 3 with tools, + 250 for xAI. Bytes / 2.5 for
    Anthropic, whose newer models tokenise denser text into more tokens.
    """
    divisor = 2.5 if kind == "anthropic" else 3.0
    json = size.text + size.escapes + _MESSAGE_JSON_BYTES * size.messages
    tokens = 100.0 + 10 * size.messages + _MEDIA_TOKENS_UPPER * size.media
    if size.schema is not None:
        json += size.schema
        tokens += 150
    if size.tools is not None:
        tokens += 700 + size.tools / divisor
    if kind == "xai":
        tokens += 250
    return math.ceil(tokens + json / divisor)


def _texts(request: ChatRequest) -> list[str]:
    pieces: list[str] = []
    for message in request.messages:
        content = message.content
        if isinstance(content, str):
            pieces.append(content)
        elif content is not None:
            pieces += [part.text for part in content if isinstance(part, TextPart)]
        if message.reasoning:
            pieces.append(message.reasoning)
        if message.refusal:
            pieces.append(message.refusal)
        for call in message.tool_calls:
            pieces += (call.name, call.arguments)
    return pieces


def _media(request: ChatRequest) -> int:
    return sum(
        isinstance(part, ImagePart | AudioPart | FilePart)
        for message in request.messages
        if isinstance(message.content, tuple)
        for part in message.content
    )


def _tools_bytes(request: ChatRequest) -> int:
    overhead = _TOOL_JSON_BYTES * len(request.tools)
    return len(msgspec.json.encode(request.tools)) + overhead


def _utf8_bytes(text: str) -> int:
    # A lone surrogate cannot be sent, but must not break an estimate either.
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def prompt_chars(chat: ChatRequest) -> int:
    """Length of all text; the text itself is never kept."""
    if chat.embed is not None:
        return sum(len(each) for each in chat.embed.inputs if isinstance(each, str))
    return sum(_message_chars(message) for message in chat.messages)


def _message_chars(message: Message) -> int:
    content = message.content
    if content is None:
        return 0
    if isinstance(content, str):
        return len(content)
    return sum(len(part.text) for part in content if isinstance(part, TextPart))
