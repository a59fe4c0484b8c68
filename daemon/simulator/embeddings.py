"""A pretend OpenAI's ``POST /v1/embeddings``: texts with words in common lie close.

A vector is the sum of one direction a word, of length one, rounded to single precision:
the same text always has the same vector, whoever is asked.
"""

import re
import struct
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from itertools import count, islice
from math import sqrt
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from daemon.simulator.answer import Refusal, count_tokens
from daemon.simulator.behaviour import Behaviour, SimModel

PATH: Final = "/v1/embeddings"
_MOST_INPUTS: Final = 2048
_WORD: Final = re.compile(r"\w+")

Token = Annotated[int, Meta(ge=0)]
Texts = Annotated[
    list[str | Annotated[list[Token], Meta(min_length=1)]], Meta(min_length=1)
]


class EmbedBody(Struct, forbid_unknown_fields=True):
    """Every field OpenAI documents."""

    model: str
    input: str | list[object]
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None


class Wanted(Struct, frozen=True):
    """What is to be embedded, as text: tokens count as words."""

    model: SimModel
    texts: tuple[str, ...]
    prompt_tokens: int
    dimensions: int
    packed: bool

    @property
    def cost_usd(self) -> Decimal:
        return self.model.price.input * self.prompt_tokens / 1_000_000


def parse(behaviour: Behaviour, body: bytes) -> Wanted:
    """Read a request.

    Raises:
        Refusal: It is none, or of a model that gives no vectors.
    """
    try:
        asked = msgspec.json.decode(body, type=EmbedBody)
        inputs = _inputs(asked.input)
    except msgspec.MsgspecError as error:
        raise Refusal(400, "invalid", f"Invalid request: {error}") from None
    model = behaviour.model(asked.model)
    if model is None:
        message = f"The model `{asked.model}` does not exist"
        raise Refusal(404, "unknown_model", message, param="model")
    if not model.dimensions:
        message = "You are not allowed to generate embeddings from this model"
        raise Refusal(403, "invalid", message)
    if asked.dimensions is not None and asked.dimensions > model.dimensions:
        message = f"Invalid value for 'dimensions': at most {model.dimensions}"
        raise Refusal(400, "invalid", message, param="dimensions")
    sizes = [
        count_tokens(each) if isinstance(each, str) else len(each) for each in inputs
    ]
    if max(sizes) > model.context_window:
        message = f"{max(sizes)} tokens > {model.context_window} maximum"
        raise Refusal(400, "context_too_long", message)
    return Wanted(
        model,
        tuple(each if isinstance(each, str) else _worded(each) for each in inputs),
        sum(sizes),
        asked.dimensions or model.dimensions,
        asked.encoding_format == "base64",
    )


def whole(wanted: Wanted) -> dict[str, object]:
    """The answer's body."""
    rows = [
        {"object": "embedding", "index": place, "embedding": _written(text, wanted)}
        for place, text in enumerate(wanted.texts)
    ]
    return {
        "object": "list",
        "data": rows,
        "model": wanted.model.answers_as or wanted.model.id,
        "usage": {
            "prompt_tokens": wanted.prompt_tokens,
            "total_tokens": wanted.prompt_tokens,
        },
    }


def vector(text: str, dimensions: int) -> tuple[float, ...]:
    """Where a text lies."""
    found = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        for place, value in enumerate(islice(_direction(word), dimensions)):
            found[place] += value
    length = sqrt(sum(value * value for value in found)) or 1.0
    scaled = (value / length for value in found)
    form = f"<{dimensions}f"
    return struct.unpack(form, struct.pack(form, *scaled))


def _direction(word: str) -> Iterator[float]:
    for block in count():
        digest = sha256(f"{block}:{word}".encode(errors="surrogatepass")).digest()
        for byte in digest:
            for bit in range(8):
                yield 1.0 if byte >> bit & 1 else -1.0


def _written(text: str, wanted: Wanted) -> tuple[float, ...] | str:
    floats = vector(text, wanted.dimensions)
    if not wanted.packed:
        return floats
    return b64encode(struct.pack(f"<{len(floats)}f", *floats)).decode()


def _worded(tokens: list[int]) -> str:
    return " ".join(f"t{token}" for token in tokens)


def _inputs(given: object) -> list[str | list[int]]:
    tokens = isinstance(given, list) and given and isinstance(given[0], int)
    if tokens or isinstance(given, str):
        given = [given]
    inputs = msgspec.convert(given, Texts)
    if len(inputs) > _MOST_INPUTS or "" in inputs:
        raise Refusal(400, "invalid", "'$.input' is invalid.", param="input")
    return inputs
