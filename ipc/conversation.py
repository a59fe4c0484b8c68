"""OpenAI-shaped JSON -> the neutral ``ChatRequest``; the same for every door.

Whatever has the wrong type or value raises ``InvalidRequest`` with the path of the field
(``messages[0].content[1].type``), what came and what was wanted. ``null`` counts as left
out, as it does upstream. Fields of a message that are not known are ignored, so that an
answer can be sent back as it came.
"""

from collections.abc import Collection, Mapping
from typing import Final, Literal, cast, get_args

from actors.messages.chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningEffort,
    ResponseFormat,
    Role,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)
from ipc import fields
from ipc.passed_on import passed_on

CHAT_FIELDS: Final = frozenset(
    (
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "user",
        "n",
        "functions",
        "function_call",
    )
)
"""The top-level fields that ``chat_request`` reads (or refuses) itself."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)
EFFORTS: Final[tuple[ReasoningEffort, ...]] = get_args(ReasoningEffort)

_Choice = Literal["auto", "none", "required"]
_Format = Literal["text", "json_object", "json_schema"]
_CHOICES: Final[tuple[_Choice, ...]] = get_args(_Choice)
_FORMATS: Final[tuple[_Format, ...]] = get_args(_Format)
_CHOICE_WANTED: Final = (
    "auto, none, required, or an object of type function that names one"
)
_PART_WANTED: Final = "one of text, image_url, input_audio, file, refusal"


def chat_request(
    body: Mapping[str, object], *, ignore: Collection[str] = ()
) -> ChatRequest:
    """The request as providers understand it.

    Args:
        body: The OpenAI chat fields by name.
        ignore: Fields that the caller has read already (``model``, ``stream``). Every
            other field that is not in ``CHAT_FIELDS`` goes into ``extra``.

    Raises:
        InvalidRequest: A field does not hold what it must.
    """
    given = {key: value for key, value in body.items() if value is not None}
    _refuse(given)
    tools = _tools(given.get("tools"))
    return ChatRequest(
        messages=_messages(given.get("messages")),
        max_tokens=_max_tokens(given),
        temperature=_number(given, "temperature", 2.0),
        top_p=_number(given, "top_p", 1.0),
        stop=_stop(given.get("stop")),
        seed=fields.integer(given["seed"], "seed") if "seed" in given else None,
        tools=tools,
        tool_choice=_tool_choice(given.get("tool_choice"), tools),
        parallel_tool_calls=_flag(given, "parallel_tool_calls", ""),
        response_format=_response_format(given.get("response_format")),
        reasoning_effort=_effort(given.get("reasoning_effort")),
        user=_text(given, "user", ""),
        extra={
            key: passed_on(value, key)
            for key, value in given.items()
            if key not in CHAT_FIELDS and key not in ignore
        },
    )


def _refuse(given: Mapping[str, object]) -> None:
    if given.get("n", 1) != 1 or given.get("n") is True:
        raise fields.wrong("n", given["n"], "1 (several choices are not supported)")
    for name, instead in (("functions", "tools"), ("function_call", "tool_choice")):
        if name in given:
            raise fields.wrong(name, given[name], f"`{instead}` in its place")


def _max_tokens(given: Mapping[str, object]) -> int | None:
    """The newer name wins where both are given."""
    for name in ("max_completion_tokens", "max_tokens"):
        if name in given:
            return fields.integer(given[name], name, 1)
    return None


def _number(given: Mapping[str, object], name: str, high: float) -> float | None:
    return fields.number(given[name], name, 0.0, high) if name in given else None


def _flag(given: Mapping[str, object], name: str, path: str) -> bool | None:
    value = given.get(name)
    return None if value is None else fields.boolean(value, path + name)


def _text(given: Mapping[str, object], name: str, path: str) -> str | None:
    value = given.get(name)
    return None if value is None else fields.text(value, path + name)


def _stop(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (fields.name(value, "stop"),)
    stops = fields.array(value, "stop", "a string or an array of strings")
    return tuple(fields.name(stop, f"stop[{i}]") for i, stop in enumerate(stops))


def _effort(value: object) -> ReasoningEffort | None:
    if value is None:
        return None
    return cast("ReasoningEffort", fields.choice(value, "reasoning_effort", EFFORTS))


# Messages -----------------------------------------------------------------------------


def _messages(value: object) -> tuple[Message, ...]:
    wanted = "an array of at least one message"
    if value is None:
        raise fields.missing("messages", wanted)
    messages = fields.array(value, "messages", wanted)
    if not messages:
        raise fields.wrong("messages", value, wanted)
    return tuple(_message(item, f"messages[{i}]") for i, item in enumerate(messages))


def _message(value: object, at: str) -> Message:
    message = fields.mapping(value, at, "a message: an object with role and content")
    role = _role(message, at)
    content, refusal = _content(message.get("content"), role, f"{at}.content")
    refusal = _text(message, "refusal", f"{at}.") or refusal
    calls = _tool_calls(message, role, at)
    answers = _text(message, "tool_call_id", f"{at}.")
    if role == "tool" and not answers:
        raise fields.missing(f"{at}.tool_call_id", "the id of the call this answers")
    if content is None and not calls:
        if refusal is None:
            raise fields.missing(f"{at}.content", "a string or an array of parts")
        content = ""
    return Message(
        role=role,
        content=content,
        name=_text(message, "name", f"{at}."),
        tool_calls=calls,
        tool_call_id=answers if role == "tool" else None,
        refusal=refusal,
        reasoning=_reasoning(message, at),
    )


def _role(message: Mapping[str, object], at: str) -> Role:
    role = message.get("role")
    if role is None:
        raise fields.missing(f"{at}.role", "one of " + ", ".join(ROLES))
    return cast("Role", fields.choice(role, f"{at}.role", ROLES))


def _reasoning(message: Mapping[str, object], at: str) -> str | None:
    """Both spellings that compatible servers use."""
    at = f"{at}."
    return _text(message, "reasoning_content", at) or _text(message, "reasoning", at)


def _content(
    value: object, role: Role, at: str
) -> tuple[str | tuple[Part, ...] | None, str | None]:
    """The content and, where it came as a part, the refusal."""
    if value is None or isinstance(value, str):
        return value, None
    items = fields.array(value, at, "a string or an array of parts")
    parts: list[Part] = []
    refusal: str | None = None
    for i, item in enumerate(items):
        part = fields.mapping(item, f"{at}[{i}]", "a part: an object with a type")
        if role == "assistant" and part.get("type") == "refusal":
            refusal = _needed(part, "refusal", f"{at}[{i}]")
        else:
            parts.append(_part(part, role, f"{at}[{i}]"))
    if not items:
        raise fields.wrong(at, value, "a string or an array of at least one part")
    return tuple(parts) or None, refusal


def _part(part: Mapping[str, object], role: Role, at: str) -> Part:
    kind = part.get("type")
    if kind == "text":
        return TextPart(_needed(part, "text", at))
    if role not in {"user", "tool"}:
        raise fields.wrong(f"{at}.type", kind, f"text in a message of role {role}")
    if kind == "image_url":
        return _image(part.get("image_url"), f"{at}.image_url")
    if kind == "input_audio":
        return _audio(part.get("input_audio"), f"{at}.input_audio")
    if kind == "file":
        return _file(part.get("file"), f"{at}.file")
    raise fields.wrong(f"{at}.type", kind, _PART_WANTED)


def _needed(part: Mapping[str, object], name: str, at: str) -> str:
    if part.get(name) is None:
        raise fields.missing(f"{at}.{name}", "a string")
    return fields.text(part[name], f"{at}.{name}")


def _image(value: object, at: str) -> ImagePart:
    if isinstance(value, str):
        return ImagePart(fields.name(value, at))
    image = fields.mapping(value, at, "an object with a url")
    url = fields.name(image.get("url"), f"{at}.url")
    return ImagePart(url, _text(image, "detail", f"{at}."))


def _audio(value: object, at: str) -> AudioPart:
    audio = fields.mapping(value, at, "an object with data and format")
    return AudioPart(_needed(audio, "data", at), _needed(audio, "format", at))


def _file(value: object, at: str) -> FilePart:
    wanted = "an object with file_data or file_id"
    file = fields.mapping(value, at, wanted)
    part = FilePart(
        data=_text(file, "file_data", f"{at}."),
        file_id=_text(file, "file_id", f"{at}."),
        filename=_text(file, "filename", f"{at}."),
    )
    if not part.data and not part.file_id:
        raise fields.wrong(at, value, wanted)
    return part


# Tools --------------------------------------------------------------------------------


def _tool_calls(
    message: Mapping[str, object], role: Role, at: str
) -> tuple[ToolCall, ...]:
    if message.get("function_call") is not None:
        call = message["function_call"]
        raise fields.wrong(f"{at}.function_call", call, "`tool_calls` in its place")
    value = message.get("tool_calls")
    if not value:
        return ()
    if role != "assistant":
        raise fields.wrong(f"{at}.tool_calls", value, "them in assistant messages only")
    calls = fields.array(value, f"{at}.tool_calls", "an array of tool calls")
    return tuple(
        _tool_call(call, f"{at}.tool_calls[{i}]") for i, call in enumerate(calls)
    )


def _tool_call(value: object, at: str) -> ToolCall:
    call = fields.mapping(value, at, "an object with id and function")
    fields.choice(call.get("type", "function"), f"{at}.type", ("function",))
    function = fields.mapping(
        call.get("function"), f"{at}.function", "an object with name and arguments"
    )
    return ToolCall(
        id=fields.name(call.get("id"), f"{at}.id"),
        name=fields.name(function.get("name"), f"{at}.function.name"),
        arguments=_text(function, "arguments", f"{at}.function.") or "{}",
    )


def _tools(value: object) -> tuple[Tool, ...]:
    if value is None:
        return ()
    tools = fields.array(value, "tools", "an array of tools")
    return tuple(_tool(tool, f"tools[{i}]") for i, tool in enumerate(tools))


def _tool(value: object, at: str) -> Tool:
    tool = fields.mapping(value, at, "an object with type and function")
    # Some SDKs leave the type out, and their servers take that.
    unsaid = tool.get("type") is None and tool.get("function") is not None
    if not unsaid and tool.get("type") != "function":
        raise fields.wrong(f"{at}.type", tool.get("type"), "function")
    function = fields.mapping(
        tool.get("function"), f"{at}.function", "an object with a name"
    )
    parameters = function.get("parameters")
    at = f"{at}.function."
    return Tool(
        name=fields.name(function.get("name"), f"{at}name"),
        description=_text(function, "description", at),
        parameters=None
        if parameters is None
        else fields.plain_object(parameters, f"{at}parameters"),
        strict=_flag(function, "strict", at),
    )


def _tool_choice(value: object, tools: tuple[Tool, ...]) -> ToolChoice | None:
    """``none`` and ``auto`` without tools change nothing and are left out."""
    if value is None:
        return None
    choice = _read_choice(value)
    if tools:
        return choice
    if choice.mode in {"none", "auto"}:
        return None
    raise fields.wrong("tool_choice", value, "`tools` beside it")


def _read_choice(value: object) -> ToolChoice:
    if isinstance(value, str):
        if value not in _CHOICES:
            raise fields.wrong("tool_choice", value, _CHOICE_WANTED)
        return ToolChoice(value)
    choice = fields.mapping(value, "tool_choice", _CHOICE_WANTED)
    if choice.get("type") != "function":
        raise fields.wrong("tool_choice.type", choice.get("type"), "function")
    at = "tool_choice.function"
    function = fields.mapping(choice.get("function"), at, "an object with a name")
    return ToolChoice("function", fields.name(function.get("name"), f"{at}.name"))


def _response_format(value: object) -> ResponseFormat | None:
    if value is None:
        return None
    given = fields.mapping(value, "response_format", "an object with a type")
    kind = fields.choice(given.get("type"), "response_format.type", _FORMATS)
    if kind != "json_schema":
        return ResponseFormat(cast("_Format", kind))
    at = "response_format.json_schema"
    shape = fields.mapping(
        given.get("json_schema"), at, "an object with name and schema"
    )
    schema = shape.get("schema")
    return ResponseFormat(
        type="json_schema",
        name=fields.name(shape.get("name"), f"{at}.name"),
        description=_text(shape, "description", f"{at}."),
        schema=None if schema is None else fields.plain_object(schema, f"{at}.schema"),
        strict=_flag(shape, "strict", f"{at}."),
    )
