"""Which answers may be given again, to whom, and as what.

Two requests are the same when a provider would be asked the same by both, and both come
from one owner: everything that changes an answer goes into the fingerprint, and nothing
that only says how it is delivered (streamed or not, deadline, money, priority, metadata).
"""

import hashlib
from collections.abc import Iterator
from decimal import Decimal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.errors import ErrorKind, InvalidRequest
from actors.messages.chat import ChatRequest, Delta, ToolCallDelta
from actors.messages.consensus import ConsensusAsk
from actors.messages.reuse import CacheUse, Reused
from actors.messages.routing import ErrorInfo, RouteRequest, RouteResult, Strategy

PIECE_CHARS = 1_000
"""Of a stream that is told again: so much of a text at once."""

_OWN_FAILURES: frozenset[ErrorKind] = frozenset(
    ("deadline_exceeded", "cancelled", "budget_exceeded", "overloaded")
)
"""Ends that have to do with who asked: somebody else may well be answered."""

_encode = msgspec.json.Encoder(order="sorted", decimal_format="string").encode


class _Asked(Struct, frozen=True):
    """What goes into a fingerprint."""

    scope: str
    owner: str | None
    shared: bool
    chat: ChatRequest
    model: str | None
    provider: str | None
    strategy: Strategy | None
    task_type: str | None
    consensus: ConsensusAsk | None


class Kept(Struct, frozen=True):
    """An answer as it is stored.

    Attributes:
        asked: The fingerprint of what was asked; under a key its ``body_print``.
        at: When it was answered, or began to be; UTC epoch seconds.
        result: ``None``: it had begun, and what came of it was never written down.
        request_id: Of the request that had begun.
    """

    asked: bytes
    at: float
    result: RouteResult | None = None
    request_id: str = ""


_encode_kept = msgspec.msgpack.Encoder().encode
_decode_kept = msgspec.msgpack.Decoder(Kept).decode


def fingerprint(request: RouteRequest, scope: str, *, shared: bool) -> bytes:
    """32 bytes that are the same for requests which may be given one answer.

    Args:
        request: What is asked.
        scope: What else decides about answers: the models and providers configured.
        shared: Answers go to every caller, not only to the one who asked first.
    """
    asked = _Asked(
        scope=scope,
        owner=None if shared else request.user,
        shared=shared,
        chat=_undelivered(request.chat),
        model=None if request.model == "auto" else request.model,
        provider=request.provider,
        strategy=request.strategy,
        task_type=request.task_type,
        consensus=request.consensus,
    )
    return hashlib.sha256(_canonical(asked)).digest()


def _undelivered(chat: ChatRequest) -> ChatRequest:
    """Without how vectors are written, and what is passed on that no model sees."""
    if chat.embed is not None and chat.embed.base64:
        chat = replace(chat, embed=replace(chat.embed, base64=False))
    if "metadata" not in chat.extra:
        return chat
    extra = {name: value for name, value in chat.extra.items() if name != "metadata"}
    return replace(chat, extra=extra)


def _canonical(asked: _Asked) -> bytes:
    try:
        return _encode(asked)
    except (ValueError, RecursionError):  # what JSON cannot say
        return repr(asked).encode(errors="backslashreplace")


def body_print(request: RouteRequest) -> bytes:
    """What the repeats of a key are compared by: 32 bytes, whatever is configured now."""
    return fingerprint(request, "", shared=True)


def repeat_key(user: str | None, key: str) -> bytes:
    """Where the answer of an owner's idempotency key is kept: 32 bytes."""
    return hashlib.sha256(_encode(("idempotency", user, key))).digest()


def cache_use(request: RouteRequest, *, enabled: bool) -> CacheUse:
    """What the cache has to do with this request.

    What a model wants done with a tool is an act, not only an answer: where tools are
    offered the caller must ask for the cache. A task asks again because it wants another
    answer, so it never gets a kept one.
    """
    if not enabled or request.durable:
        return "off"
    if request.cache is None and request.chat.tools:
        return "off"
    return request.cache or "on"


def worth_keeping(result: RouteResult) -> bool:
    """Whole answers only: none that was cut short, filtered, refused or empty."""
    if result.refusal is not None:
        return False
    if result.finish_reason == "tool_calls":
        return bool(result.tool_calls)
    return result.finish_reason == "stop" and bool(result.content or result.vectors)


def write_kept(kept: Kept) -> bytes | None:
    """As bytes; ``None`` where it cannot be written."""
    result = kept.result
    if result is not None:
        kept = replace(kept, result=replace(result, attempts=(), rate_limits=None))
    try:
        return _encode_kept(kept)
    except (OverflowError, ValueError, TypeError, RecursionError):
        return None


def read_kept(data: bytes | None) -> Kept | None:
    """What was written; ``None`` where it is nothing of ours (any more)."""
    if data is None:
        return None
    try:
        return _decode_kept(data)
    except (msgspec.MsgspecError, RecursionError):
        return None


def same_as_before(key: str, kept_asked: bytes, asked: bytes) -> None:
    """Check that a repeat asks for the same.

    Raises:
        InvalidRequest: It does not, under the same key.
    """
    if kept_asked != asked:
        raise InvalidRequest(
            f"idempotency_key {key!r} was used before, for something else",
            field="idempotency_key",
            got=key,
            wanted="a new key, or exactly what was asked with this one",
        )


def own_failure(error: ErrorInfo) -> bool:
    """Whether it is no answer for others who asked the same."""
    return error.kind in _OWN_FAILURES


def given_again(
    result: RouteResult,
    request: RouteRequest,
    *,
    decision_id: str,
    latency_s: float,
    overhead_s: float,
    first_token_s: float | None,
) -> RouteResult:
    """The answer as it is told to somebody who had no call made for it."""
    return replace(
        result,
        request_id=request.request_id,
        decision_id=decision_id,
        cost_usd=Decimal(0),
        cost_source="free",
        latency_s=latency_s,
        overhead_s=overhead_s,
        time_to_first_token_s=first_token_s,
        attempts=(),
        confidence=None,
        cached=True,
        rate_limits=None,
    )


def told_why(reused: Reused) -> str:
    """The reason of a decision that asked nobody."""
    of = f"request {reused.request_id}"
    if reused.kind == "joined":
        return f"joined the call of {of}, which asked the same and was under way"
    ago = "" if reused.age_s is None else f", {reused.age_s:.0f} s ago"
    if reused.kind == "repeated":
        return f"a repeat by its idempotency key: the answer of {of}{ago}"
    return f"from the cache: the answer of {of}{ago}"


def deltas_of(result: RouteResult) -> Iterator[Delta]:
    """A whole answer as a stream of pieces, each of which names the model at first."""
    model: str | None = result.model
    for reasoning in _pieces(result.reasoning):
        yield Delta(reasoning=reasoning, model=model)
        model = None
    for content in _pieces(result.content):
        yield Delta(content=content, model=model)
        model = None
    if result.refusal is not None:
        yield Delta(refusal=result.refusal, model=model)
        model = None
    if result.tool_calls:
        calls = tuple(
            ToolCallDelta(i, call.id, call.name, call.arguments)
            for i, call in enumerate(result.tool_calls)
        )
        yield Delta(tool_calls=calls, model=model)


def _pieces(text: str | None) -> Iterator[str]:
    for start in range(0, len(text or ""), PIECE_CHARS):
        yield (text or "")[start : start + PIECE_CHARS]
