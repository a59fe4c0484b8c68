"""``POST /v1/embeddings`` <-> the router's messages, without I/O."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import Struct

from actors.messages.routing import RouteRequest, RouteResult
from ipc import embedding
from ipc.http import translate

_ENCODER: Final = msgspec.json.Encoder()


class UsageBody(Struct, frozen=True):
    """Tokens: there is nothing but a prompt."""

    prompt_tokens: int
    total_tokens: int


class Row(Struct, frozen=True):
    """One vector: numbers, or base64 of them."""

    index: int
    embedding: tuple[float, ...] | str
    object: Literal["embedding"] = "embedding"


class Embeddings(Struct, frozen=True, tag_field="object", tag="list"):
    """The whole answer; ``usage`` is ``null`` where the provider said nothing."""

    data: tuple[Row, ...]
    model: str
    usage: UsageBody | None


def asked(
    body: bytes,
    headers: Iterable[tuple[str, str]],
    *,
    request_id: str,
    user: str | None,
) -> RouteRequest:
    """A request for vectors as the router takes it.

    Raises:
        InvalidRequest: A field or header does not hold what it must.
    """
    extra = translate.read_headers(headers)
    given = translate.read_json(body)
    return translate.routed(
        extra,
        request_id=request_id,
        chat=embedding.embed_chat(given),
        model=embedding.model_of(given),
        user=user,
    )


def answered(request: RouteRequest, result: RouteResult) -> bytes:
    """The body of the answer, its vectors written as was asked for."""
    packed = request.chat.embed is not None and request.chat.embed.base64
    write = embedding.base64_of if packed else embedding.floats_of
    prompt = result.usage.prompt_tokens
    return _ENCODER.encode(
        Embeddings(
            data=tuple(Row(n, write(each)) for n, each in enumerate(result.vectors)),
            model=result.model,
            usage=None if prompt is None else UsageBody(prompt, prompt),
        )
    )
