"""Neutral request -> body of ``POST /messages`` (provider-apis 3.2 and 5.1)."""

import re

from msgspec.json import Encoder

from actors.errors import InvalidRequest
from actors.messages.chat import ChatRequest
from actors.wire.anthropic_messages import Conversation, converse
from actors.wire.anthropic_models import (
    BUDGETS,
    DEFAULT_MAX_TOKENS,
    MIN_BUDGET,
    ClaudeRule,
    rule_for,
)
from actors.wire.anthropic_tools import ask
from actors.wire.tolerant import mapping, sequence

DEFAULT_VERSION = "2023-06-01"

_ENCODER = Encoder(decimal_format="number")
_WITH_SAMPLING = "2023-06-01"  # the only version that knows temperature and top_p
_TIERS = {"auto": "auto", "default": "standard_only"}
_PERSONAL = re.compile(r".*@.*|\+?[0-9 ().-]{7,}", re.DOTALL)
_MAX_USER_CHARS = 256

Json = dict[str, object]


def encode_body(
    model: str, request: ChatRequest, *, stream: bool, version: str = DEFAULT_VERSION
) -> tuple[bytes, tuple[str, ...]]:
    """The body, and what was left out because the model or the API refuses it.

    ``version`` is the ``anthropic-version`` it will be sent with.

    Raises:
        InvalidRequest: Something that this dialect cannot carry at all.
    """
    dropped: list[str] = []
    try:
        body = _body(model, request, version, dropped)
        if stream:
            body["stream"] = True
        return _ENCODER.encode(body), tuple(dict.fromkeys(dropped))
    except UnicodeEncodeError as error:
        text = "the request holds half of a surrogate pair, which is not text"
        raise InvalidRequest(text, wanted="valid Unicode") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request is no JSON: {error}") from error


def _body(model: str, request: ChatRequest, version: str, dropped: list[str]) -> Json:
    rule = rule_for(model)
    talk = converse(request.messages)
    asked = ask(rule, request, dropped)
    body: Json = {"model": model}
    _add_talk(
        body, rule, talk, asked.instructions, dropped, word_for_word=request.continues
    )
    if asked.tools:
        body["tools"] = asked.tools
    if asked.choice:
        body["tool_choice"] = asked.choice
    may_budget = not (asked.forced or talk.answers_tools or talk.prefilled)
    _add_reasoning(body, rule, request, dropped, forced=asked.forced, fits=may_budget)
    if asked.output_format:
        _output_config(body)["format"] = asked.output_format
    _add_limits(body, rule, request, dropped)
    takes = "never" if version != _WITH_SAMPLING else rule.sampling
    _add_sampling(body, takes, request, dropped)
    _add_extra(body, request, dropped)
    return body


def _add_talk(
    body: Json,
    rule: ClaudeRule,
    talk: Conversation,
    instructions: list[str],
    dropped: list[str],
    *,
    word_for_word: bool,
) -> None:
    if talk.names:
        dropped.append("messages.name")
    system = "\n\n".join(talk.system + instructions)
    if system:
        body["system"] = system
    if talk.prefilled and not rule.prefill:
        if word_for_word:
            text = "this model does not go on from a given beginning of its answer"
            raise InvalidRequest(text, wanted="a request that does not continue")
        dropped.append("prefill")
        go_on: Json = {"type": "text", "text": "Continue."}
        talk.turns.append({"role": "user", "content": [go_on]})
    elif talk.prefilled:
        _strip_end(talk.turns[-1])
    body["messages"] = talk.turns


def _strip_end(turn: Json) -> None:
    """White space at the very end of a prefill, which is always text, is refused."""
    for block in map(mapping, sequence(turn["content"])[-1:]):
        block["text"] = str(block["text"]).rstrip()


def _output_config(body: Json) -> Json:
    config: Json = {}
    return mapping(body.setdefault("output_config", config))


def _add_reasoning(
    body: Json,
    rule: ClaudeRule,
    request: ChatRequest,
    dropped: list[str],
    *,
    forced: bool,
    fits: bool,
) -> None:
    """Say how much to think; ``fits`` allows a budget, ``forced`` forbids to say it.

    A budget goes neither with a forced call nor, since the thinking behind the calls
    is not kept, with their results, nor with a prefill.
    """
    effort = request.reasoning_effort
    if effort is None:
        return
    if effort == "none":
        _switch_off(body, rule, dropped)
    elif rule.thinking == "adaptive":
        wanted = "low" if effort == "minimal" else effort
        known = wanted if wanted in rule.efforts else "max"
        _output_config(body)["effort"] = known
        if not forced:
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
    elif rule.thinking == "budget" and fits and _budget(request, rule, effort):
        tokens = _budget(request, rule, effort)
        body["thinking"] = {"type": "enabled", "budget_tokens": tokens}
    else:
        dropped.append("reasoning_effort")


def _switch_off(body: Json, rule: ClaudeRule, dropped: list[str]) -> None:
    if rule.off == "never":
        _output_config(body)["effort"] = "low"
        dropped.append("reasoning_effort")
    elif rule.off != "omit":
        body["thinking"] = {"type": rule.off}


def _budget(request: ChatRequest, rule: ClaudeRule, effort: str) -> int | None:
    """Tokens to think with: at most three quarters of what may come out.

    ``None`` if that leaves no budget that would be taken.
    """
    wanted = BUDGETS[effort]
    if request.max_tokens is None:
        return wanted
    cap = min(request.max_tokens, rule.max_output or request.max_tokens)
    if cap <= MIN_BUDGET:
        return None
    return min(wanted, max(MIN_BUDGET, cap * 3 // 4))


def _add_limits(
    body: Json, rule: ClaudeRule, request: ChatRequest, dropped: list[str]
) -> None:
    largest = rule.max_output
    cap = request.max_tokens
    if cap is None:
        thinking = body.get("thinking")
        budget = thinking.get("budget_tokens", 0) if isinstance(thinking, dict) else 0
        cap = DEFAULT_MAX_TOKENS + budget
    elif largest is not None and cap > largest:
        dropped.append(f"max_tokens>{largest}")
    body["max_tokens"] = cap if largest is None else min(cap, largest)
    stop = [text for text in request.stop if text and not text.isspace()]
    if stop:
        body["stop_sequences"] = stop
    if len(stop) < len(request.stop):
        dropped.append("stop")


def _add_sampling(
    body: Json, takes: str, request: ChatRequest, dropped: list[str]
) -> None:
    """Temperature and top_p, where they are taken and change anything."""
    heat, mass = request.temperature, request.top_p
    if heat is not None and heat > 1:
        heat = 1.0
        dropped.append("temperature>1")
    if takes == "never" or "thinking" in body:
        dropped.extend(
            name
            for name, value in (("temperature", heat), ("top_p", mass))
            if value is not None and value != 1
        )
        return
    if heat is not None:
        body["temperature"] = heat
        if mass is not None and takes == "one":
            if mass != 1:
                dropped.append("top_p")
            mass = None
    if mass is not None:
        body["top_p"] = mass


def _add_extra(body: Json, request: ChatRequest, dropped: list[str]) -> None:
    """What has a place here of the rest; a value that asks for nothing is not missed."""
    extra = request.extra
    if extra.get("n", 1) not in (1, None):
        text = "several choices (n > 1) are not supported"
        raise InvalidRequest(text, field="n", got=str(extra["n"])[:20], wanted="1")
    if request.seed is not None:
        dropped.append("seed")
    user = request.user or extra.get("safety_identifier")
    if isinstance(user, str) and user:
        if len(user) > _MAX_USER_CHARS or _PERSONAL.fullmatch(user):
            dropped.append("user")
        else:
            body["metadata"] = {"user_id": user}
    tier = extra.get("service_tier")
    if isinstance(tier, str) and tier in _TIERS:
        body["service_tier"] = _TIERS[tier]
    elif tier:
        dropped.append("service_tier")
    placed = {"n", "stream", "stream_options", "service_tier", "safety_identifier"}
    left = {name for name, value in extra.items() if value and name not in placed}
    dropped.extend(sorted(left - {"model", "messages"}))
