"""``POST /embeddings``: neutral request -> body, and body -> vectors.

A vector is packed as little-endian IEEE 754 doubles: a JSON number goes through without
loss, and so does what OpenAI sends as base64 of single-precision floats.
"""

import binascii
import struct
from base64 import b64decode

from msgspec import Struct
from msgspec.json import Decoder, Encoder

from actors.errors import InvalidRequest, ProviderResponseError
from actors.messages.chat import ChatRequest, Completion, EmbedAsk, Usage
from actors.wire.failures import raise_in_answer
from actors.wire.openai_usage import UsagePolicy, decode_usage
from actors.wire.quirks import Quirks
from actors.wire.tolerant import count, decode, text

_ENCODER = Encoder()
_OURS = ("model", "input", "dimensions", "encoding_format")
_SENDS_BASE64 = frozenset({"openai", "azure"})
"""Kinds that are known to take ``encoding_format``; of others numbers are asked."""


class _Row(Struct):
    """One vector; ``embedding`` is numbers, or base64 of single-precision floats."""

    embedding: list[float] | str | None = None
    index: object = None


class _Answer(Struct):
    data: list[_Row] | None = None
    model: object = None
    usage: object = None
    error: object = None


_DECODER = Decoder(_Answer)


def encode_body(quirks: Quirks, model: str, request: ChatRequest) -> bytes:
    """The body of a request whose ``embed`` says what is wanted.

    Raises:
        InvalidRequest: It is no embeddings request, or no JSON.
    """
    ask = request.embed
    if ask is None:
        raise InvalidRequest("this asks for no vectors", wanted="texts to embed")
    body = {name: v for name, v in request.extra.items() if name not in _OURS}
    body["model"] = model
    body["input"] = ask.inputs
    if ask.dimensions is not None:
        body["dimensions"] = ask.dimensions
    if ask.base64 and quirks.kind in _SENDS_BASE64:
        body["encoding_format"] = "base64"
    if request.user is not None:
        body["user"] = request.user
    try:
        return _ENCODER.encode(body)
    except UnicodeEncodeError as error:
        message = "the request holds half of a surrogate pair, which is not text"
        raise InvalidRequest(message, wanted="valid Unicode") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request is no JSON: {error}") from error


def decode_embeddings(body: bytes, ask: EmbedAsk, policy: UsagePolicy) -> Completion:
    """Decode a 2xx answer: one vector an input, in the order of the inputs.

    Raises:
        ProviderError: The body holds an error, cannot be decoded, or has not what was
            asked for.
    """
    answer = decode(_DECODER, body, "the answer")
    if answer.error:
        raise_in_answer(answer.error)
    rows = answer.data
    wanted = len(ask.inputs)
    if rows is None or len(rows) != wanted:
        got = "none" if rows is None else str(len(rows))
        raise ProviderResponseError(f"{wanted} vectors were asked for and {got} came")
    places = [count(row.index) for row in rows]
    if sorted(place for place in places if place is not None) == [*range(wanted)]:
        order = [row for _, row in sorted(zip(places, rows, strict=True), key=_place)]
    elif all(place is None for place in places):
        order = rows
    else:
        raise ProviderResponseError("the vectors' indices are not those of the inputs")
    vectors = tuple(_packed(row.embedding) for row in order)
    if len({len(vector) for vector in vectors}) > 1:
        raise ProviderResponseError("the vectors are not of one length")
    return Completion(
        content=None,
        finish_reason="stop",
        model=text(answer.model),
        usage=_usage(answer.usage, policy),
        vectors=vectors,
    )


def _place(row: tuple[int | None, _Row]) -> int:
    return row[0] or 0


def _packed(embedding: list[float] | str | None) -> bytes:
    if isinstance(embedding, str):
        try:
            raw = b64decode(embedding, validate=True)
            floats = struct.unpack(f"<{len(raw) // 4}f", raw)
        except (binascii.Error, ValueError, struct.error) as error:
            message = f"a vector is no base64 of floats: {error}"
            raise ProviderResponseError(message) from error
    else:
        floats = tuple(embedding or ())
    if not floats:
        raise ProviderResponseError("a vector is empty")
    return struct.pack(f"<{len(floats)}d", *floats)


def _usage(raw: object, policy: UsagePolicy) -> Usage:
    """There is nothing but a prompt; a count of nothing is no count."""
    said = decode_usage(raw, policy)
    prompt = said.prompt_tokens or said.total_tokens or None
    if prompt is None:
        return Usage(reported_cost_usd=said.reported_cost_usd)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=0,
        total_tokens=prompt,
        reported_cost_usd=said.reported_cost_usd,
    )
