"""What a pretend provider says, and what it costs: the same for every dialect.

An answer can be told from every other: it names the provider that gave it and holds
``prompt_hash`` of the prompt and the start of the last user message. The same request
always gets the same answer.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Final, Literal

from msgspec import Struct, json

from daemon.simulator.behaviour import Behaviour, SimModel

Reason = Literal[
    "no_key",
    "wrong_key",
    "unknown_model",
    "invalid",
    "context_too_long",
    "not_found",
    "too_large",
    "rate_limit",
    "quota",
    "billing",
    "overloaded",
    "server_error",
]

CHARACTERS_PER_TOKEN: Final = 4
_CALL: Final = re.compile(r"\bcall\s+([A-Za-z0-9_-]+)")
_FILLER: Final = "All of this is simulated. "
_ECHO_CHARACTERS: Final = 64


class Refusal(Exception):
    """Raised to answer with an error; each dialect words it its own way."""

    def __init__(
        self,
        status: int,
        reason: Reason,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s


class Ask(Struct, frozen=True, kw_only=True):
    """A request, as far as it changes the answer.

    ``prompt`` is all text of all messages, ``last_user`` that of the last user message.
    ``forced`` is the tool that must be called, ``any_tool`` that some must. ``schema``
    is the JSON Schema of the answer, ``{}`` for any JSON. ``think`` is false where the
    model was not asked to reason. ``begun`` is a last message of the assistant, which
    is no part of ``prompt`` where the model goes on from it.
    """

    model: SimModel
    prompt: str
    last_user: str
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    tools: tuple[str, ...] = ()
    forced: str | None = None
    any_tool: bool = False
    answered_tools: bool = False
    begun: str = ""
    schema: dict[str, object] | None = None
    think: bool = True


class Call(Struct, frozen=True):
    """A tool call; ``arguments`` is JSON text."""

    name: str
    arguments: str


class Answer(Struct, frozen=True, kw_only=True):
    """An answer in pieces of one token each; ``completion`` leaves reasoning out."""

    pieces: tuple[str, ...]
    reasoning: tuple[str, ...]
    calls: tuple[Call, ...]
    finish: Literal["stop", "length", "tool_calls"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def prompt_hash(prompt: str) -> str:
    """The sixteen hex digits by which an answer shows what it answers."""
    return sha256(prompt.encode(errors="surrogatepass")).hexdigest()[:16]


def count_tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def answer(name: str, ask: Ask, behaviour: Behaviour) -> Answer:
    """Answer ``ask`` as the provider ``name``.

    Raises:
        Refusal: The prompt is larger than the model's window.
    """
    prompt_tokens = max(count_tokens(ask.prompt), 1)
    if prompt_tokens > ask.model.context_window:
        raise Refusal(
            400,
            "context_too_long",
            f"{prompt_tokens} tokens > {ask.model.context_window} maximum",
        )
    if ask.begun and ask.model.prefill == "refused":
        text = "This model does not support assistant message prefill."
        raise Refusal(400, "invalid", text)
    reasoning, pieces, calls = _content(name, ask, behaviour)
    whole = len(reasoning) + len(pieces)
    limit = whole if ask.max_tokens is None else ask.max_tokens
    reasoning = reasoning[:limit]
    pieces = pieces[: max(limit - len(reasoning), 0)]
    completion = len(pieces) + sum(count_tokens(c.name + c.arguments) for c in calls)
    cached = min(behaviour.cached_tokens, prompt_tokens)
    price = ask.model.price
    return Answer(
        pieces=pieces,
        reasoning=reasoning,
        calls=calls,
        finish="tool_calls" if calls else "length" if limit < whole else "stop",
        prompt_tokens=prompt_tokens,
        cached_tokens=cached,
        completion_tokens=completion,
        reasoning_tokens=len(reasoning),
        cost_usd=(
            price.input * (prompt_tokens - cached)
            + price.cached_input * cached
            + price.output * (completion + len(reasoning))
        )
        / 1_000_000,
    )


def _content(
    name: str, ask: Ask, behaviour: Behaviour
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Call, ...]]:
    digest = prompt_hash(ask.prompt)
    tokens = behaviour.reasoning_tokens if ask.think else 0
    reasoning = _pieces(f"Thinking about {digest}. " * tokens)[:tokens]
    calls = tuple(
        Call(tool, json.encode({"provider": name, "prompt": digest}).decode())
        for tool in _called(ask)
    )
    if calls:
        return reasoning, (), calls
    if ask.schema is not None:
        value = example(ask.schema, f"{name} {digest}")
        return reasoning, _pieces(json.encode(value).decode()), ()
    text = f"[{name}] {digest} {ask.last_user[:_ECHO_CHARACTERS]} "
    missing = behaviour.tokens * CHARACTERS_PER_TOKEN - len(text)
    filler = _FILLER * (missing // len(_FILLER) + 1) if missing > 0 else ""
    return reasoning, _pieces(_from(ask, text + filler[: max(missing, 0)])), ()


def _from(ask: Ask, whole: str) -> str:
    """What of the whole answer comes: what follows its beginning, if that was given."""
    if ask.model.prefill == "continued":
        return whole[len(ask.begun) :]
    if ask.model.prefill == "repeated":
        return ask.begun + whole[len(ask.begun) :]
    return whole


def told_prompt(texts: Sequence[str], begun: str, model: SimModel) -> str:
    """All text of all messages but the beginning of the answer."""
    goes_on = begun and model.prefill in ("continued", "repeated")
    return "\n".join(texts[:-1] if goes_on else texts)


def _called(ask: Ask) -> tuple[str, ...]:
    """The tools to call: the forced one, else those the user says to ``call``."""
    if ask.forced is not None:
        return (ask.forced,)
    named = tuple(t for t in _CALL.findall(ask.last_user) if t in ask.tools)
    if ask.answered_tools and not ask.any_tool:
        return ()
    return named or (ask.tools[:1] if ask.any_tool else ())


def _pieces(text: str) -> tuple[str, ...]:
    step = CHARACTERS_PER_TOKEN
    return tuple(text[i : i + step] for i in range(0, len(text), step))


def example(schema: dict[str, object], text: str) -> object:
    """A value that fits a JSON Schema of the usual keywords; strings are ``text``."""
    match schema:
        case {"enum": [value, *_]} | {"const": value}:
            return value
        case {"anyOf": [dict(first), *_]}:
            return example(first, text)
        case {"properties": dict(properties)}:
            return {key: example(value, text) for key, value in properties.items()}
        case {"items": dict(items)}:
            return [example(items, text)]
        case _:
            pass
    kind = schema.get("type", "object")
    name = kind[0] if isinstance(kind, list) and kind else kind
    return {
        "string": text,
        "integer": 1,
        "number": 1.5,
        "boolean": True,
        "null": None,
        "array": [],
    }.get(str(name), {"answer": text})
