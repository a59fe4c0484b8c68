"""The params of ``route`` -> one ``RouteRequest``."""

from decimal import Decimal, InvalidOperation
from typing import Final, get_args

from msgspec import Struct, structs

from actors.messages.chat import ChatRequest, Message
from actors.messages.consensus import ConsensusAsk, ConsensusMethod
from actors.messages.reuse import CacheUse
from actors.messages.routing import (
    PRIORITIES,
    Door,
    Priority,
    RouteRequest,
    Strategy,
    StreamMode,
)
from ipc import fields
from ipc.conversation import chat_request

STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)
CONSENSUS: Final = "consensus"
CONSENSUS_METHODS: Final[tuple[ConsensusMethod, ...]] = get_args(ConsensusMethod)
STREAM_MODES: Final[tuple[StreamMode, ...]] = get_args(StreamMode)

_CHAT_PARAMS: Final = (
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "seed",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
)
MIN_BUDGET_USD: Final = Decimal("1e-12")
MAX_BUDGET_USD: Final = Decimal("1e12")
CACHE_USES: Final[tuple[CacheUse, ...]] = get_args(CacheUse)
_NOT_YET: Final = ("hedge",)


class AskParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked, however it is done. ``prompt`` or ``messages`` (OpenAI's shape) must be there.

    What is typed ``object`` is read, and refused with its path, by ``chat_request``.
    ``deadline_s`` counts from arrival; ``budget_usd`` is the most it may cost;
    ``thread`` names the record that this becomes part of.
    """

    prompt: str | None = None
    messages: list[object] | None = None
    system: str | None = None
    task_type: str | None = None
    strategy: str | None = None
    provider: str | None = None
    model: str | None = None
    max_tokens: object = None
    temperature: object = None
    top_p: object = None
    stop: object = None
    seed: object = None
    tools: object = None
    tool_choice: object = None
    parallel_tool_calls: object = None
    response_format: object = None
    reasoning_effort: object = None
    stream: bool | None = None
    stream_mode: str | None = None
    deadline_s: object = None
    budget_usd: object = None
    metadata: object = None
    cache: object = None
    idempotency_key: object = None
    priority: str | None = None
    hedge: object = None
    thread: str | None = None


class RouteParams(AskParams, frozen=True, kw_only=True):
    """Ask a provider, and wait for the answer."""


class ConsensusParams(RouteParams, frozen=True, kw_only=True):
    """Ask several models; what is left out is as configured.

    ``members`` (or ``providers``) are providers or ``<provider>/<model>`` names;
    ``replace`` has somebody else asked in place of a member that failed. A stream tells
    how the round goes as ``notice`` notifications, unless ``progress`` is false.
    """

    method: str | None = None
    members: list[str] | None = None
    providers: list[str] | None = None
    quorum: object = None
    judge: str | None = None
    replace: bool | None = None
    progress: bool = True


def route_request(
    params: RouteParams, *, request_id: str, user: str | None, door: Door
) -> RouteRequest:
    """The request as the router takes it.

    Raises:
        InvalidRequest: A param does not hold what it must, or its feature does not
            exist yet.
    """
    for name in _NOT_YET:
        value = getattr(params, name)
        if value is not None and value is not False:
            raise fields.unsupported(name, value)
    ask = _consensus(params)
    return RouteRequest(
        request_id=request_id,
        chat=_chat(params),
        model=_name(params.model, "model"),
        provider=_name(params.provider, "provider"),
        strategy=None if params.strategy is None else parse_strategy(params.strategy),
        task_type=_name(params.task_type, "task_type"),
        stream=params.stream or False,
        stream_mode=parse_stream_mode(params.stream_mode),
        deadline_s=parse_deadline(params.deadline_s),
        budget_usd=parse_budget(params.budget_usd),
        priority=parse_priority(params.priority),
        metadata={}
        if params.metadata is None
        else fields.plain_object(params.metadata, "metadata"),
        user=user,
        door=door,
        consensus=ask,
        thread=_name(params.thread, "thread"),
        cache=parse_cache(params.cache),
        idempotency_key=None
        if params.idempotency_key is None
        else fields.short_name(params.idempotency_key, "idempotency_key"),
    )


def named_consensus(model: str | None) -> ConsensusAsk | None:
    """What ``consensus`` or ``consensus:<method>`` as a model asks for.

    Raises:
        InvalidRequest: There is no such method.
    """
    if model is None or not model.startswith(CONSENSUS):
        return None
    form, colon, method = model.partition(":")
    if form != CONSENSUS:
        return None
    if not colon:
        return ConsensusAsk()
    if method not in CONSENSUS_METHODS:
        methods = "|".join(CONSENSUS_METHODS)
        raise fields.wrong("model", model, f"{CONSENSUS}, or {CONSENSUS}:{methods}")
    return ConsensusAsk(method=_method(method, "model"))


def _consensus(params: RouteParams) -> ConsensusAsk | None:
    named = named_consensus(params.model)
    if not isinstance(params, ConsensusParams):
        return named
    if params.model is not None and named is None:
        wanted = "consensus, consensus:<method> or none, beside members"
        raise fields.wrong("model", params.model, wanted)
    if params.members is not None and params.providers is not None:
        raise fields.wrong("providers", params.providers, "either members or providers")
    members = params.members or params.providers or []
    method = None if params.method is None else _method(params.method, "method")
    return ConsensusAsk(
        method=method or (named.method if named else None),
        members=tuple(fields.short_name(each, "members") for each in members),
        quorum=None
        if params.quorum is None
        else fields.integer(params.quorum, "quorum", 1),
        judge=_name(params.judge, "judge"),
        replace=params.replace,
    )


def _method(value: str, field: str) -> ConsensusMethod:
    for method in CONSENSUS_METHODS:
        if method == value:
            return method
    wanted = "one of " + ", ".join(CONSENSUS_METHODS)
    raise fields.wrong(field, value, wanted)


def _chat(params: RouteParams) -> ChatRequest:
    body: dict[str, object] = {
        name: value
        for name in _CHAT_PARAMS
        if (value := getattr(params, name)) is not None
    }
    if params.prompt is None:
        if params.messages is None:
            raise fields.missing("prompt", "a prompt, or messages in its place")
        body["messages"] = params.messages
    elif params.messages is None:
        prompt = fields.name(params.prompt, "prompt")
        body["messages"] = [{"role": "user", "content": prompt}]
    else:
        raise fields.wrong("messages", params.messages, "either prompt or messages")
    chat = chat_request(body)
    if not params.system:
        return chat
    system = Message("system", params.system)
    return structs.replace(chat, messages=(system, *chat.messages))


def _name(value: str | None, field: str) -> str | None:
    return None if value is None else fields.short_name(value, field)


def parse_strategy(value: object, field: str = "strategy") -> Strategy:
    """A strategy by its name; ``cost_optimized`` and ``cost-optimized`` mean ``cost``."""
    name = fields.text(value, field, "one of " + ", ".join(STRATEGIES))
    plain = name.strip().lower().replace("-", "_").removesuffix("_optimized")
    for strategy in STRATEGIES:
        if strategy == plain:
            return strategy
    raise fields.wrong(field, value, "one of " + ", ".join(STRATEGIES))


def parse_stream_mode(value: object, field: str = "stream_mode") -> StreamMode | None:
    if value is None:
        return None
    for mode in STREAM_MODES:
        if mode == value:
            return mode
    raise fields.wrong(field, value, "one of " + ", ".join(STREAM_MODES))


def parse_cache(value: object, field: str = "cache") -> CacheUse | None:
    """What it wants of the response cache; true and false are on and off."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "on" if value else "off"
    for use in CACHE_USES:
        if use == value:
            return use
    raise fields.wrong(field, value, "one of " + ", ".join(CACHE_USES))


def parse_priority(value: object, field: str = "priority") -> Priority:
    """How urgent it is, where requests wait for a place; normal unless said."""
    if value is None:
        return "normal"
    for priority in PRIORITIES:
        if priority == value:
            return priority
    raise fields.wrong(field, value, "one of " + ", ".join(PRIORITIES))


def parse_deadline(value: object, field: str = "deadline_s") -> float | None:
    """Seconds, more than none."""
    if value is None:
        return None
    seconds = fields.number(value, field, 0.0)
    if seconds == 0.0:
        raise fields.wrong(field, value, "a number of seconds above 0")
    return seconds


def parse_budget(value: object, field: str = "budget_usd") -> Decimal | None:
    """US dollars as a number or, exactly, as a decimal string."""
    wanted = f"a number of US dollars: 0, or from {MIN_BUDGET_USD} to {MAX_BUDGET_USD}"
    if value is None:
        return None
    try:
        budget = Decimal(
            value if isinstance(value, str) else repr(fields.number(value, field, 0.0))
        )
    except InvalidOperation:
        raise fields.wrong(field, value, wanted) from None
    # 1e-99999999 is no money, and written out it fills the memory.
    if not budget.is_finite() or (
        budget != 0 and not MIN_BUDGET_USD <= budget <= MAX_BUDGET_USD
    ):
        raise fields.wrong(field, value, wanted)
    return budget
