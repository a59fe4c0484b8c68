"""The requests that nearly everybody sends, read in one go.

A typed decoder makes Structs while it reads: texts, numbers and booleans where they
belong. Everything else, right or wrong, is ``None`` here, and is read field by field,
which also finds the words for what is wrong. What is read here is read there as the
same request.
"""

import sys
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from actors.messages.chat import ChatRequest, Message
from actors.messages.routing import Door, RouteRequest, Strategy
from ipc.fields import MAX_NAME

_MOST: Final = 2**63 - 1
_FAILURES: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)

Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Count = Annotated[int, Meta(ge=1, le=_MOST)]
Integer = Annotated[int, Meta(ge=-_MOST, le=_MOST)]
Temperature = Annotated[float, Meta(ge=0.0, le=2.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(gt=0.0, le=sys.float_info.max)]
CallName = Annotated[str, Meta(max_length=256)]


class PlainMessage(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A message that is a role and a text."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


Messages = Annotated[tuple[PlainMessage, ...], Meta(min_length=1)]


class PlainParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Params of ``route``; see ``RouteParams``."""

    messages: Messages | None = None
    prompt: Text | None = None
    model: Name | None = None
    provider: Name | None = None
    strategy: Strategy | None = None
    task_type: Name | None = None
    max_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    seed: Integer | None = None
    stream: bool | None = None
    deadline_s: Seconds | None = None


class PlainCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call of ``route`` that wants a reply."""

    id: Integer | CallName
    method: Literal["route"]
    params: PlainParams
    jsonrpc: Literal["2.0"] = "2.0"


class StreamOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a stream ends with the usage."""

    include_usage: bool | None = None


class PlainBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a chat completion as OpenAI's clients send it."""

    messages: Messages
    model: Name | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    seed: Integer | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None


_CALL_OF_JSON: Final = msgspec.json.Decoder(PlainCall).decode
_CALL_OF_MSGPACK: Final = msgspec.msgpack.Decoder(PlainCall).decode
_BODY: Final = msgspec.json.Decoder(PlainBody).decode


def plain_call(message: bytes, door: Door) -> PlainCall | None:
    """One message of a native connection, if it is such a call."""
    try:
        if door == "msgpack":
            return _CALL_OF_MSGPACK(message)
        return _CALL_OF_JSON(message)
    except _FAILURES:
        return None


def plain_route(
    params: PlainParams, *, request_id: str, user: str | None, door: Door
) -> RouteRequest | None:
    """The request; ``None`` unless there is either a prompt or messages."""
    if params.model is not None and params.model.startswith("consensus"):
        return None
    given, prompt = params.messages, params.prompt
    if (given is None) is (prompt is None):
        return None
    messages = (Message("user", prompt),) if given is None else _messages(given)
    return RouteRequest(
        request_id=request_id,
        chat=ChatRequest(
            messages=messages,
            max_tokens=params.max_tokens,
            temperature=params.temperature,
            top_p=params.top_p,
            seed=params.seed,
        ),
        model=params.model,
        provider=params.provider,
        strategy=params.strategy,
        task_type=params.task_type,
        stream=params.stream or False,
        deadline_s=params.deadline_s,
        user=user,
        door=door,
    )


def plain_body(body: bytes) -> PlainBody | None:
    """The body of a chat completion, if it is such a one."""
    try:
        found = _BODY(body)
    except _FAILURES:
        return None
    if found.model is not None and found.model.startswith("consensus"):
        return None
    # Options without a stream are a mistake that has its own words.
    return found if found.stream or found.stream_options is None else None


def plain_chat(body: PlainBody) -> ChatRequest:
    """What providers are asked."""
    return ChatRequest(
        messages=_messages(body.messages),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed,
        user=body.user,
    )


def _messages(given: tuple[PlainMessage, ...]) -> tuple[Message, ...]:
    return tuple([Message(each.role, each.content) for each in given])
