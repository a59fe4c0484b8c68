"""Tools, which of them to call, and answers of a given shape (provider-apis 5.1).

A shape is asked for in the best way the model has: as its output format, as a tool that
must be called with the answer as input, or in words.
"""

from typing import Literal

from msgspec import Struct
from msgspec.json import encode

from actors.errors import InvalidRequest
from actors.messages.chat import ChatRequest, ResponseFormat, Tool, ToolChoice
from actors.wire.anthropic_models import ClaudeRule
from actors.wire.anthropic_names import ANSWER_TOOL, wire_name
from actors.wire.anthropic_schema import cleaned, expressible

Json = dict[str, object]

_ANY_JSON = (
    "Answer with one JSON object and nothing else: no explanation, no code fence."
)


class Asked(Struct):
    """What tools and shape come to.

    Attributes:
        tools: For the body; empty if it has none.
        choice: ``tool_choice`` for the body, if one is needed.
        output_format: ``output_config.format`` for the body, if one is needed.
        instructions: What has to be said in words, for the end of ``system``.
    """

    tools: list[Json] = []
    choice: Json | None = None
    output_format: Json | None = None
    instructions: list[str] = []

    @property
    def forced(self) -> bool:
        """A tool must be called, which thinking within a budget does not go with."""
        return self.choice is not None and self.choice["type"] in ("any", "tool")


def ask(rule: ClaudeRule, request: ChatRequest, dropped: list[str]) -> Asked:
    """Put tools, choice and shape into Anthropic's form.

    Raises:
        InvalidRequest: A call is demanded but there is no tool, or a name is too long.
    """
    asked = Asked()
    asked.tools.extend(
        _tool(rule, tool, index, dropped) for index, tool in enumerate(request.tools)
    )
    _choose(asked, rule, request, dropped)
    form = request.response_format
    if form is not None and form.type != "text":
        _shape(asked, rule, form, dropped)
    _forbid_parallel(asked, request, dropped)
    return asked


def _tool(rule: ClaudeRule, tool: Tool, index: int, dropped: list[str]) -> Json:
    schema = tool.parameters or {"type": "object", "properties": {}}
    if "type" not in schema:
        schema = {"type": "object", **schema}
    wire: Json = {"name": wire_name(tool.name, f"tools[{index}].function.name")}
    if tool.description:
        wire["description"] = tool.description
    if tool.strict:
        if rule.json_schema and expressible(schema):
            lost: set[str] = set()
            schema = cleaned(schema, lost)
            dropped.extend(f"tools.parameters.{name}" for name in sorted(lost))
            wire["strict"] = True
        else:
            dropped.append("tools.strict")
    wire["input_schema"] = schema
    return wire


def _choose(
    asked: Asked, rule: ClaudeRule, request: ChatRequest, dropped: list[str]
) -> None:
    choice = request.tool_choice
    if choice is None or (not asked.tools and choice.mode in ("auto", "none")):
        return
    if not asked.tools:
        text = "a tool call is demanded, but there are no tools"
        raise InvalidRequest(text, field="tool_choice", wanted="tools, or none of it")
    wire = _wire_choice(choice)
    if choice.mode in ("required", "function") and not rule.forced:
        dropped.append("tool_choice")
        which = f"the tool {wire['name']}" if "name" in wire else "at least one tool"
        asked.instructions.append(f"Answer by calling {which}, not in words.")
        wire = {"type": "auto"}
    asked.choice = wire


def _wire_choice(choice: ToolChoice) -> Json:
    if choice.mode == "function":
        name = wire_name(choice.name or "", "tool_choice.function.name")
        return {"type": "tool", "name": name}
    return {"type": "any" if choice.mode == "required" else choice.mode}


def _shape(
    asked: Asked, rule: ClaudeRule, form: ResponseFormat, dropped: list[str]
) -> None:
    schema = form.schema if form.type == "json_schema" else None
    if asked.forced:
        return  # the answer is a call, which has its own shape
    match _way(rule, schema):
        case "format" if schema is not None:
            lost: set[str] = set()
            clean = cleaned(schema, lost)
            dropped.extend(f"response_format.schema.{name}" for name in sorted(lost))
            asked.output_format = {"type": "json_schema", "schema": clean}
        case "tool":
            _answer_with_tool(asked, form)
        case _:
            asked.instructions.append(_in_words(schema))


def _way(rule: ClaudeRule, schema: Json | None) -> Literal["format", "tool", "words"]:
    if schema is None:
        return "words"
    if rule.json_schema and expressible(schema):
        return "format"
    return "tool" if rule.forced and schema.get("type") == "object" else "words"


def _answer_with_tool(asked: Asked, form: ResponseFormat) -> None:
    """Let the answer be the input of a tool; beside real tools, any of them."""
    wire: Json = {"name": ANSWER_TOOL, "input_schema": form.schema}
    wire["description"] = form.description or "Give the final answer with this."
    may_call = bool(asked.tools) and (asked.choice or {}).get("type") != "none"
    asked.tools.append(wire)
    asked.choice = (
        {"type": "any"} if may_call else {"type": "tool", "name": ANSWER_TOOL}
    )
    asked.choice["disable_parallel_tool_use"] = True


def _in_words(schema: Json | None) -> str:
    if schema is None:
        return _ANY_JSON
    return f"{_ANY_JSON} It must match this JSON Schema: {encode(schema).decode()}"


def _forbid_parallel(asked: Asked, request: ChatRequest, dropped: list[str]) -> None:
    if request.parallel_tool_calls is None:
        return
    if not request.tools:
        dropped.append("parallel_tool_calls")
    elif not request.parallel_tool_calls:
        if asked.choice is None:
            asked.choice = {"type": "auto"}
        if asked.choice["type"] != "none":
            asked.choice["disable_parallel_tool_use"] = True
