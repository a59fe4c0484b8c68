"""``embed`` and ``POST /v1/embeddings``: texts in, vectors out, in OpenAI's terms."""

import struct
import sys
from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from actors.messages.chat import ChatRequest, EmbedAsk, Usage
from actors.messages.provider import CostSource
from actors.messages.routing import AttemptSummary, Door, RouteRequest, RouteResult
from ipc import fields, route

FIELDS: Final = ("input", "model", "dimensions", "encoding_format", "user")
_INPUT: Final = (
    "a string, an array of strings, an array of tokens, or an array of those; "
    "none of them empty"
)


class EmbedParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Turn texts into vectors.

    ``input`` is a string, an array of strings, or tokens (OpenAI's shapes); ``model`` a
    name that means one model: vectors of different ones cannot be compared. The others
    as in ``route``.
    """

    input: object = None
    model: str | None = None
    dimensions: object = None
    user: str | None = None
    provider: str | None = None
    strategy: str | None = None
    task_type: str | None = None
    deadline_s: object = None
    budget_usd: object = None
    priority: str | None = None
    cache: object = None
    idempotency_key: str | None = None
    metadata: object = None


class EmbedReply(Struct, frozen=True, kw_only=True):
    """One vector an input, in that order; the other fields as in ``RouteReply``."""

    embeddings: tuple[Sequence[float], ...]
    provider: str
    model: str
    usage: Usage
    cost_usd: Decimal | None
    cost_source: CostSource
    latency_s: float
    overhead_s: float
    decision_id: str
    request_id: str
    attempts: tuple[AttemptSummary, ...]
    cached: bool = False
    simulated: bool = False


def embed_request(
    params: EmbedParams, *, request_id: str, user: str | None, door: Door
) -> RouteRequest:
    """The request as the router takes it.

    Raises:
        InvalidRequest: A param does not hold what it must.
    """
    given = {
        name: value
        for name in FIELDS
        if (value := getattr(params, name, None)) is not None
    }
    name, strategy = _name(params.provider, "provider"), params.strategy
    return RouteRequest(
        request_id=request_id,
        chat=embed_chat(given),
        model=model_of(given),
        provider=name,
        strategy=None if strategy is None else route.parse_strategy(strategy),
        task_type=_name(params.task_type, "task_type"),
        deadline_s=route.parse_deadline(params.deadline_s),
        budget_usd=route.parse_budget(params.budget_usd),
        priority=route.parse_priority(params.priority),
        metadata={}
        if params.metadata is None
        else fields.plain_object(params.metadata, "metadata"),
        user=user,
        door=door,
        cache=route.parse_cache(params.cache),
        idempotency_key=_name(params.idempotency_key, "idempotency_key"),
    )


def model_of(given: Mapping[str, object]) -> str:
    """The model that is asked for, which must be.

    Raises:
        InvalidRequest: There is none, or it is no name.
    """
    wanted = "the name of an embeddings model"
    if given.get("model") is None:
        raise fields.missing("model", wanted)
    model = fields.short_name(given["model"], "model")
    if model.partition(":")[0] == route.CONSENSUS:
        raise fields.wrong("model", model, f"{wanted}: vectors are not voted on")
    return model


def embed_chat(given: Mapping[str, object]) -> ChatRequest:
    """What is to be turned into vectors. Fields that we do not know go through.

    Args:
        given: The fields of OpenAI's embeddings request by name.

    Raises:
        InvalidRequest: A field does not hold what it must.
    """
    if given.get("input") is None:
        raise fields.missing("input", _INPUT)
    dimensions, user = given.get("dimensions"), given.get("user")
    return ChatRequest(
        messages=(),
        user=None if user is None else fields.text(user, "user"),
        extra={
            name: fields.plain(value, name)
            for name, value in given.items()
            if name not in FIELDS and value is not None
        },
        embed=EmbedAsk(
            inputs=_inputs(given["input"]),
            dimensions=None
            if dimensions is None
            else fields.integer(dimensions, "dimensions", 1),
            base64=wants_base64(given),
        ),
    )


def wants_base64(given: Mapping[str, object]) -> bool:
    """How the vectors are to be written.

    Raises:
        InvalidRequest: ``encoding_format`` is neither of the two.
    """
    form = given.get("encoding_format")
    if form is None:
        return False
    return fields.choice(form, "encoding_format", ("float", "base64")) == "base64"


def _inputs(value: object) -> tuple[str | tuple[int, ...], ...]:
    if isinstance(value, str):
        return (_text(value, "input"),)
    items = fields.array(value, "input", _INPUT)
    if not items:
        raise fields.wrong("input", value, _INPUT)
    if _is_token(items[0]):
        return (_tokens(items, "input"),)
    return tuple(_input(item, f"input[{place}]") for place, item in enumerate(items))


def _input(value: object, field: str) -> str | tuple[int, ...]:
    if isinstance(value, str):
        return _text(value, field)
    return _tokens(fields.array(value, field, "a string, or an array of tokens"), field)


def _text(value: str, field: str) -> str:
    if not value:
        raise fields.wrong(field, value, "a string that is not empty")
    return value


def _tokens(items: Sequence[object], field: str) -> tuple[int, ...]:
    if not items:
        raise fields.wrong(field, items, "at least one token")
    return tuple(
        fields.integer(each, f"{field}[{place}]", 0) for place, each in enumerate(items)
    )


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _name(value: str | None, field: str) -> str | None:
    return None if value is None else fields.short_name(value, field)


# Out ----------------------------------------------------------------------------------


def floats_of(vector: bytes) -> tuple[float, ...]:
    """A packed vector as numbers."""
    return struct.unpack(f"<{len(vector) // 8}d", vector)


def base64_of(vector: bytes) -> str:
    """A packed vector as OpenAI packs it: base64 of little-endian single precision."""
    single = array("f", floats_of(vector))
    if sys.byteorder == "big":  # pragma: no cover - nobody here has one
        single.byteswap()
    return b64encode(single.tobytes()).decode()


def embed_reply(result: RouteResult) -> EmbedReply:
    """The router's answer in the shape callers get."""
    return EmbedReply(
        embeddings=tuple(map(floats_of, result.vectors)),
        provider=result.provider,
        model=result.model,
        usage=result.usage,
        cost_usd=result.cost_usd,
        cost_source=result.cost_source,
        latency_s=result.latency_s,
        overhead_s=result.overhead_s,
        decision_id=result.decision_id,
        request_id=result.request_id,
        attempts=result.attempts,
        cached=result.cached,
        simulated=result.simulated,
    )
