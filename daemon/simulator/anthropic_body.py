"""A Messages request as Anthropic reads it."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from daemon.simulator.answer import Ask, Refusal, told_prompt
from daemon.simulator.behaviour import Behaviour, SimModel
from daemon.simulator.catalogue import FORCED_CHOICE

NEW_VERSION: Final = "2026-10-21"
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_THINKS: Final = ("enabled", "adaptive")
_UNKNOWN: Final = "Object contains unknown field"


class Block(Struct):
    """A content block; only what changes the answer or breaks the rules."""

    type: str
    text: str | None = None
    id: str | None = None
    tool_use_id: str | None = None
    content: object = None


class MessageBody(Struct, forbid_unknown_fields=True):
    """One turn."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]

    @property
    def blocks(self) -> list[Block]:
        content = self.content
        return [Block("text", content)] if isinstance(content, str) else content

    @property
    def text(self) -> str:
        return "".join(_text(block) for block in self.blocks)


class ToolBody(Struct):
    """A tool on offer."""

    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: dict[str, object]


class ToolChoiceBody(Struct, forbid_unknown_fields=True):
    """Which tool to use."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MessagesBody(Struct, forbid_unknown_fields=True):
    """Every field Anthropic documents; what does not matter here is ``object``."""

    model: str
    max_tokens: Annotated[int, Meta(ge=0)]
    messages: Annotated[list[MessageBody], Meta(min_length=1)]
    system: str | list[Block] | None = None
    stream: bool = False
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[ToolBody] | None = None
    tool_choice: ToolChoiceBody | None = None
    thinking: dict[str, object] | None = None
    output_config: dict[str, object] | None = None
    metadata: dict[str, object] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: str | None = None
    inference_geo: str | None = None
    cache_control: dict[str, object] | None = None
    container: object = None
    diagnostics: object = None


def parse_messages(
    behaviour: Behaviour, body: bytes, headers: Mapping[str, str]
) -> Ask:
    """Read a request.

    Raises:
        Refusal: It is not valid, or for a model not on offer.
    """
    version = headers.get("anthropic-version")
    if version is None:
        raise _invalid("anthropic-version: header is required")
    asked = _decode(body)
    model = behaviour.model(asked.model)
    if model is None:
        raise Refusal(404, "unknown_model", f"model: {asked.model}")
    _check_sampling(asked, model, version)
    _check_choice(asked, model)
    _check_blocks(asked.messages)
    choice = asked.tool_choice
    users = [m.text for m in asked.messages if m.role == "user" and m.text]
    system = [] if asked.system is None else [MessageBody("system", asked.system)]
    last = asked.messages[-1]
    begun = last.text if last.role == "assistant" else ""
    texts = [m.text for m in [*system, *asked.messages]]
    return Ask(
        model=model,
        prompt=told_prompt(texts, begun, model),
        last_user=users[-1] if users else "",
        stream=asked.stream,
        include_usage=True,
        max_tokens=asked.max_tokens,
        tools=()
        if choice and choice.type == "none"
        else tuple(t.name for t in asked.tools or ()),
        forced=choice.name if choice and choice.type == "tool" else None,
        any_tool=choice is not None and choice.type == "any",
        answered_tools=any(block.type == "tool_result" for block in last.blocks),
        begun=begun,
        schema=_schema(asked.output_config),
        think=asked.thinking is not None and asked.thinking.get("type") in _THINKS,
    )


def _decode(body: bytes) -> MessagesBody:
    try:
        return msgspec.json.decode(body, type=MessagesBody)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$.")
        path = path.rstrip("`")
        if what.startswith(_UNKNOWN):
            field = what.removeprefix(_UNKNOWN).strip(" `")
            raise _invalid(f"{field}: Extra inputs are not permitted") from None
        if "missing required field" in what:
            field = what.rsplit("`", 2)[1]
            path = f"{path}.{field}" if path else field
            raise _invalid(f"{path}: Field required") from None
        raise _invalid(f"{path or 'body'}: {what}") from None
    except (msgspec.DecodeError, RecursionError):
        raise _invalid("The request body is not valid JSON") from None


def _check_sampling(asked: MessagesBody, model: SimModel, version: str) -> None:
    for field in _SAMPLING:
        if getattr(asked, field) is None:
            continue
        if version == NEW_VERSION:
            raise _invalid(f"{field}: Extra inputs are not permitted")
        if field in model.refuses:
            raise _invalid(f"`{field}` is not supported by {model.id}")


def _check_choice(asked: MessagesBody, model: SimModel) -> None:
    choice = asked.tool_choice
    if choice is None:
        return
    if choice.type in ("any", "tool") and FORCED_CHOICE in model.refuses:
        raise _invalid(f"tool_choice: `{choice.type}` is not supported by {model.id}")
    if not asked.tools and choice.type != "none":
        raise _invalid("tool_choice: may only be specified while providing `tools`")


def _check_blocks(messages: list[MessageBody]) -> None:
    """Texts hold something, and each use of a tool is answered in the next message."""
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        answered = {b.tool_use_id for b in message.blocks if b.type == "tool_result"}
        if answered != open_calls:
            raise _invalid(
                f"messages.{index}: `tool_result` blocks must answer the `tool_use`"
                f" blocks of the previous message: {sorted(open_calls)}"
            )
        if any(b.type == "text" and not b.text for b in message.blocks):
            raise _invalid(f"messages.{index}: text content blocks must be non-empty")
        open_calls = {str(b.id) for b in message.blocks if b.type == "tool_use"}


def _text(block: Block) -> str:
    if block.text is not None:
        return block.text
    return block.content if isinstance(block.content, str) else ""


def _schema(config: dict[str, object] | None) -> dict[str, object] | None:
    match config:
        case {"format": {"type": "json_schema", "schema": dict(schema)}}:
            return dict(schema)
        case _:
            return None


def _invalid(message: str) -> Refusal:
    return Refusal(400, "invalid", message)
