"""OpenAI's chat API <-> the router's messages, without I/O.

The fields of the body are read by ``ipc.conversation``, as for every other door; here
are the ones that only HTTP has, the ``x-gitbridge-*`` headers, and the way back.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

import msgspec
from msgspec import UNSET, Struct

from actors.errors import InvalidRequest
from actors.messages.chat import ChatRequest, Usage
from actors.messages.consensus import ConsensusAsk
from actors.messages.routing import RouteRequest, RouteResult, Started
from ipc import fields, route
from ipc.conversation import chat_request
from ipc.frames import decode_json
from ipc.http import schema
from ipc.http.errors import plain, rate_limit_headers
from ipc.plain import PlainBody, plain_body, plain_chat

PREFIX: Final = "x-gitbridge-"
REQUEST_HEADERS: Final = (
    "task-type",
    "strategy",
    "provider",
    "deadline-s",
    "budget-usd",
    "stream-mode",
    "priority",
    "progress",
    "thread",
    "idempotency-key",
    "cache",
)
"""The request headers we know, behind ``PREFIX``."""

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


ProgressShape = Literal["comments", "chunks"]
PROGRESS_SHAPES: Final[tuple[ProgressShape, ...]] = get_args(ProgressShape)


class Asked(Struct, frozen=True):
    """A chat request, and whether its stream is to end with the usage.

    ``progress``: how a round of consensus is told of in its stream, if it is.
    """

    request: RouteRequest
    include_usage: bool = False
    progress: ProgressShape | None = None


# In -----------------------------------------------------------------------------------


def read_json(body: bytes) -> Mapping[str, object]:
    """The body of a request as an object.

    Raises:
        InvalidRequest: It is no JSON, or no object.
    """
    wanted = "one JSON object"
    if not body.strip():
        raise InvalidRequest("the body is empty", got="nothing", wanted=wanted)
    try:
        document: object = decode_json(body)
    except RecursionError:
        reason = "it is nested too deeply"
    except (msgspec.MsgspecError, ValueError) as error:
        reason = str(error)
    else:
        return fields.mapping(document, "body", wanted)
    start = body[:40].decode(errors="replace")
    raise InvalidRequest(
        f"the body is not JSON: {reason}",
        got=f"{len(body)} bytes beginning {start!r}",
        wanted=wanted,
    )


def unicode_text(value: str, field: str) -> str:
    """Text from a header or a query; what is not Unicode could not be written down.

    Raises:
        InvalidRequest: Its bytes are no UTF-8.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise fields.wrong(field, value, "UTF-8") from None
    return value


def chat_asked(
    body: bytes,
    headers: Iterable[tuple[str, str]],
    *,
    request_id: str,
    user: str | None,
) -> Asked:
    """A chat request as the router takes it.

    Args:
        body: The JSON document.
        headers: All headers, in any case.
        request_id: The id it gets.
        user: Who asks, as far as the door knows.

    Raises:
        InvalidRequest: A field or header does not hold what it must.
    """
    extra = read_headers(headers)
    usual = None if extra else plain_body(body)
    if usual is not None:
        return _plainly_asked(usual, request_id=request_id, user=user)
    given = read_json(body)
    stream = _flag(given, "stream")
    metadata = given.get("metadata")
    model = _name(given.get("model"), "model")
    request = routed(
        extra,
        request_id=request_id,
        chat=chat_request(given, ignore=("model", "stream", "stream_options")),
        model=model,
        stream=stream,
        metadata={} if metadata is None else fields.plain_object(metadata, "metadata"),
        user=user,
        consensus=route.named_consensus(model),
    )
    include_usage = _include_usage(given.get("stream_options"), stream=stream)
    return Asked(request, include_usage, _progress(extra.get("progress"), request))


def routed(
    extra: Mapping[str, str],
    *,
    request_id: str,
    chat: ChatRequest,
    model: str | None,
    user: str | None,
    stream: bool = False,
    metadata: dict[str, object] | None = None,
    consensus: ConsensusAsk | None = None,
) -> RouteRequest:
    """A request with what its headers say, as ``read_headers`` gave them.

    Raises:
        InvalidRequest: A header does not hold what it must.
    """
    strategy = extra.get("strategy")
    deadline = extra.get("deadline-s")
    return RouteRequest(
        request_id=request_id,
        chat=chat,
        model=model,
        provider=_name(extra.get("provider"), PREFIX + "provider"),
        strategy=None
        if strategy is None
        else route.parse_strategy(strategy, PREFIX + "strategy"),
        task_type=_name(extra.get("task-type"), PREFIX + "task-type"),
        thread=_name(extra.get("thread"), PREFIX + "thread"),
        stream=stream,
        stream_mode=route.parse_stream_mode(
            extra.get("stream-mode"), PREFIX + "stream-mode"
        ),
        deadline_s=route.parse_deadline(_number(deadline), PREFIX + "deadline-s"),
        budget_usd=route.parse_budget(extra.get("budget-usd"), PREFIX + "budget-usd"),
        priority=route.parse_priority(extra.get("priority"), PREFIX + "priority"),
        metadata=metadata or {},
        user=user,
        door="http",
        consensus=consensus,
        cache=route.parse_cache(extra.get("cache"), PREFIX + "cache"),
        idempotency_key=_name(extra.get("idempotency-key"), PREFIX + "idempotency-key"),
    )


def _plainly_asked(body: PlainBody, *, request_id: str, user: str | None) -> Asked:
    options = body.stream_options
    request = RouteRequest(
        request_id=request_id,
        chat=plain_chat(body),
        model=body.model,
        stream=body.stream or False,
        user=user,
        door="http",
    )
    return Asked(request, options is not None and options.include_usage is True)


def read_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The ``x-gitbridge-*`` headers by what follows the prefix.

    Raises:
        InvalidRequest: One is not known, or comes twice.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        if not lowered.startswith(PREFIX):
            continue
        key = lowered.removeprefix(PREFIX)
        if key not in REQUEST_HEADERS:
            hint = fields.nearest(key, REQUEST_HEADERS)
            raise InvalidRequest(
                f"{fields.shown(lowered)} is no header of ours{hint}",
                field=lowered[:200],
                got=fields.shown(value),
                wanted="one of " + ", ".join(REQUEST_HEADERS) + f", behind {PREFIX}",
            )
        if key in found:
            raise fields.wrong(lowered, value, "this header once")
        found[key] = unicode_text(value.strip(), lowered)
    return found


def _progress(value: str | None, request: RouteRequest) -> ProgressShape | None:
    """As the header says; of what is no round, or not streamed, there is nothing."""
    if value is None:
        return None
    for shape in PROGRESS_SHAPES:
        if shape == value.lower():
            told = request.stream and request.consensus is not None
            return shape if told else None
    wanted = "one of " + ", ".join(PROGRESS_SHAPES)
    raise fields.wrong(PREFIX + "progress", value, wanted)


def _number(text: str | None) -> object:
    """A number, or the text as it came, for whoever says what was wanted."""
    try:
        return text if text is None else float(text)
    except ValueError:
        return text


def _name(value: object, field: str) -> str | None:
    return None if value is None else fields.short_name(value, field)


def _flag(given: Mapping[str, object], name: str) -> bool:
    value = given.get(name)
    return False if value is None else fields.boolean(value, name)


def _include_usage(value: object, *, stream: bool) -> bool:
    if value is None:
        return False
    options = fields.mapping(value, "stream_options")
    if not stream:
        raise fields.wrong("stream_options", value, "it only beside stream: true")
    wanted = options.get("include_usage")
    if wanted is None:
        return False
    return fields.boolean(wanted, "stream_options.include_usage")


# Out ----------------------------------------------------------------------------------


def completion(result: RouteResult, created: int) -> bytes:
    """The body of an answer that was not streamed."""
    calls = tuple(
        schema.ToolCallBody(call.id, schema.FunctionBody(call.arguments, call.name))
        for call in result.tool_calls
    )
    message = schema.MessageBody(
        content=result.content,
        refusal=result.refusal,
        reasoning_content=UNSET if result.reasoning is None else result.reasoning,
        tool_calls=calls or UNSET,
    )
    return _ENCODER.encode(
        schema.Completion(
            id=completion_id(result.request_id),
            created=created,
            model=result.model,
            choices=(schema.Choice(message, result.finish_reason),),
            usage=usage_body(result.usage),
            x_gitbridge=UNSET if result.consensus is None else facts(result),
        )
    )


def facts(result: RouteResult) -> schema.Facts:
    """What OpenAI has no field for."""
    return schema.Facts(
        provider=result.provider,
        model=result.model,
        decision=result.decision_id,
        request=result.request_id,
        attempts=len(result.attempts),
        cost_usd=result.cost_usd,
        cost_source=result.cost_source,
        latency_s=result.latency_s,
        time_to_first_token_s=result.time_to_first_token_s,
        overhead_ms=round(result.overhead_s * 1000, 3),
        cache=cache_state(result),
        simulated=result.simulated,
        consensus=UNSET if result.consensus is None else result.consensus,
    )


def completion_id(request_id: str) -> str:
    """Ours, not the provider's: known from the first chunk on, and in the ledger."""
    return f"chatcmpl-{request_id}"


def usage_body(usage: Usage) -> schema.UsageBody | None:
    """Usage in OpenAI's shape; ``None`` where the provider said nothing at all."""
    prompt, answer, total = (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
    )
    if prompt is None and answer is None and total is None:
        return None
    if total is None and prompt is not None and answer is not None:
        total = prompt + answer
    written = usage.cache_write_tokens
    return schema.UsageBody(
        prompt_tokens=prompt,
        completion_tokens=answer,
        total_tokens=total,
        prompt_tokens_details=schema.PromptDetails(
            usage.cached_tokens, UNSET if written is None else written
        ),
        completion_tokens_details=schema.CompletionDetails(usage.reasoning_tokens),
    )


def result_headers(result: RouteResult) -> dict[str, str]:
    """What is said about an answer beside it.

    ``x-gitbridge-cost-usd`` is left out when the cost is not known: a caller that adds
    costs up meets either a number or nothing.
    """
    headers = started_headers(started(result), result.request_id)
    headers |= rate_limit_headers(result.rate_limits)
    headers["x-gitbridge-overhead-ms"] = f"{result.overhead_s * 1000:.3f}"
    if result.thread is not None:
        headers["x-gitbridge-thread"] = plain(result.thread)
    if result.cost_usd is not None:
        headers["x-gitbridge-cost-usd"] = f"{result.cost_usd:f}"
    return headers


def started_headers(served: Started, request_id: str) -> dict[str, str]:
    """What is known of an answer when its first content leaves."""
    return {
        "x-request-id": plain(request_id),
        "x-gitbridge-provider": plain(served.provider),
        "x-gitbridge-model": plain(served.model),
        "x-gitbridge-decision": plain(served.decision_id),
        "x-gitbridge-attempts": str(served.attempts),
        "x-gitbridge-cache": "hit" if served.cached else "miss",
        "x-gitbridge-simulated": "true" if served.simulated else "false",
    }


def started(result: RouteResult) -> Started:
    """Who served, told by an answer that came whole."""
    return Started(
        provider=result.provider,
        model=result.model,
        decision_id=result.decision_id,
        attempts=len(result.attempts),
        simulated=result.simulated,
        cached=result.cached,
    )


def cache_state(result: RouteResult) -> schema.CacheState:
    return "hit" if result.cached else "miss"
