"""A chat completions request as OpenAI and xAI read it."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from daemon.simulator.answer import Ask, Refusal, told_prompt
from daemon.simulator.behaviour import Behaviour

_UNKNOWN: Final = "Object contains unknown field"


class ChatMessage(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One message; ``content`` is text or a list of parts."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, object]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, object]] | None = None
    tool_call_id: str | None = None
    function_call: dict[str, object] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    audio: dict[str, object] | None = None
    annotations: list[object] | None = None

    @property
    def text(self) -> str:
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "".join(str(part.get("text", "")) for part in self.content)


class Function(Struct):
    """The part of a tool that says what it is called."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]


class ToolBody(Struct):
    """A tool, or a tool choice that names one."""

    type: Literal["function"]
    function: Function


class StreamOptions(Struct, forbid_unknown_fields=True):
    """Only allowed beside ``stream: true``."""

    include_usage: bool = False
    include_obfuscation: bool = True


class ChatBody(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Every field OpenAI documents; what does not change the answer is ``object``."""

    model: str
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    n: Annotated[int, Meta(ge=1, le=1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    tools: list[ToolBody] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolBody | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, object] | None = None
    reasoning_effort: (
        Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    ) = None
    seed: int | None = None
    user: str | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, object] | None = None
    prompt_cache_retention: str | None = None
    modalities: list[str] | None = None
    audio: dict[str, object] | None = None
    prediction: dict[str, object] | None = None
    web_search_options: dict[str, object] | None = None
    moderation: object = None
    functions: list[object] | None = None
    function_call: object = None
    deferred: bool | None = None


def parse_chat(behaviour: Behaviour, body: bytes) -> Ask:
    """Read a request.

    Raises:
        Refusal: It is not valid, or for a model not on offer.
    """
    chat = _decode(body)
    model = behaviour.model(chat.model)
    if model is None:
        raise Refusal(
            404,
            "unknown_model",
            f"The model `{chat.model}` does not exist or you do not have access to it.",
        )
    if model.dimensions:
        message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
        raise Refusal(404, "invalid", message, param="model")
    for field in model.refuses:
        if getattr(chat, field, None) is not None:
            raise Refusal(
                400,
                "invalid",
                f"Unsupported parameter: '{field}' is not supported with this model.",
                param=field,
                code="unsupported_parameter",
            )
    choice = chat.tool_choice
    tools = () if choice == "none" else tuple(t.function.name for t in chat.tools or ())
    last = chat.messages[-1]
    begun = last.text if last.role == "assistant" else ""
    limits = (chat.max_tokens, chat.max_completion_tokens)
    return Ask(
        model=model,
        prompt=told_prompt([m.text for m in chat.messages], begun, model),
        last_user=next(
            (m.text for m in reversed(chat.messages) if m.role == "user"), ""
        ),
        stream=bool(chat.stream),
        include_usage=bool(chat.stream_options and chat.stream_options.include_usage),
        max_tokens=min((n for n in limits if n is not None), default=None),
        tools=tools,
        forced=choice.function.name if isinstance(choice, ToolBody) else None,
        any_tool=choice == "required",
        answered_tools=last.role == "tool",
        begun=begun,
        schema=_schema(chat.response_format),
    )


def _decode(body: bytes) -> ChatBody:
    try:
        chat = msgspec.json.decode(body, type=ChatBody)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        message = "We could not parse the JSON body of your request."
        raise Refusal(400, "invalid", message) from None
    if chat.stream_options is not None and not chat.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is true"
        raise Refusal(400, "invalid", message, param="stream_options")
    if chat.parallel_tool_calls is not None and not chat.tools:
        message = "'parallel_tool_calls' is only allowed when 'tools' are specified."
        raise Refusal(400, "invalid", message, param="parallel_tool_calls")
    return chat


def _invalid(message: str) -> Refusal:
    """``Expected `int`, got `str` - at `$.max_tokens``` in OpenAI's way."""
    what, _, path = message.partition(" - at `$.")
    param = path.rstrip("`") or None
    if what.startswith(_UNKNOWN):
        param = what.removeprefix(_UNKNOWN).strip(" `")
        what = f"Unknown parameter: '{param}'."
        return Refusal(400, "invalid", what, param=param, code="unknown_parameter")
    if "missing required field `model`" in what:
        return Refusal(400, "invalid", "you must provide a model parameter")
    code = "invalid_type" if "`, got `" in what else "invalid_value"
    if "missing required" in what:
        code = "missing_required_parameter"
    where = f" for '{param}'" if param else ""
    return Refusal(
        400, "invalid", f"Invalid value{where}: {what}", param=param, code=code
    )


def _schema(response_format: dict[str, object] | None) -> dict[str, object] | None:
    match response_format:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return dict(schema)
        case {"type": "json_object" | "json_schema"}:
            return {}
        case _:
            return None
