"""Tools, choices and shapes of the answer in Anthropic's form."""

from typing import Any

import pytest

from actors.errors import InvalidRequest
from actors.messages.chat import ChatRequest, Message, ResponseFormat, Tool, ToolChoice
from actors.wire.anthropic_models import rule_for
from actors.wire.anthropic_names import ANSWER_TOOL
from actors.wire.anthropic_tools import Asked, ask

OLD, PLAIN, STRICT = "claude-sonnet-4-20250514", "claude-sonnet-4-5", "claude-opus-5-5"
OBJECT: dict[str, object] = {"type": "object", "properties": {}}
ADD = Tool("add", "Adds", {"type": "object", "properties": {"a": {"minimum": 0}}})
CITY: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}},
}
SHAPE = ResponseFormat("json_schema", "city", "A city", CITY, strict=True)


def asked(model: str = PLAIN, **fields: Any) -> tuple[Asked, list[str]]:
    dropped: list[str] = []
    request = ChatRequest(messages=(Message("user", "hi"),), **fields)
    return ask(rule_for(model), request, dropped), dropped


def test_tools_keep_their_schema() -> None:
    found, dropped = asked(tools=(ADD, Tool("web.x"), Tool("c", parameters={"a": 1})))

    assert found.tools == [
        {"name": "add", "description": "Adds", "input_schema": ADD.parameters},
        {"name": "gbx_web_2ex", "input_schema": OBJECT},
        {"name": "c", "input_schema": {"type": "object", "a": 1}},
    ]
    assert dropped == []


def test_strict_tools_are_cleaned_where_they_exist() -> None:
    parameters: dict[str, object] = {
        "type": "object",
        "properties": {"a": {"minimum": 0}},
    }
    found, dropped = asked(tools=(Tool("a", None, parameters, strict=True),))

    assert found.tools[0]["strict"] is True
    assert found.tools[0]["input_schema"] == {
        "type": "object",
        "properties": {"a": {}},
        "additionalProperties": False,
    }
    assert dropped == ["tools.parameters.minimum"]


@pytest.mark.parametrize(
    ("model", "parameters"),
    [(OLD, OBJECT), (PLAIN, {"type": "object", "additionalProperties": True})],
)
def test_strictness_is_dropped_where_it_is_not_possible(
    model: str, parameters: dict[str, object]
) -> None:
    found, dropped = asked(model, tools=(Tool("a", None, parameters, strict=True),))

    assert "strict" not in found.tools[0]
    assert found.tools[0]["input_schema"] == parameters
    assert dropped == ["tools.strict"]


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (None, None),
        (ToolChoice("auto"), {"type": "auto"}),
        (ToolChoice("none"), {"type": "none"}),
        (ToolChoice("required"), {"type": "any"}),
        (ToolChoice("function", "add"), {"type": "tool", "name": "add"}),
        (ToolChoice("function", "a.b"), {"type": "tool", "name": "gbx_a_2eb"}),
    ],
)
def test_choices_have_their_words(
    choice: ToolChoice | None, wire: dict[str, str] | None
) -> None:
    found, dropped = asked(tools=(ADD,), tool_choice=choice)

    assert found.choice == wire
    assert found.forced is bool(wire and wire["type"] in ("any", "tool"))
    assert (dropped, found.instructions) == ([], [])


@pytest.mark.parametrize(
    "model", [STRICT, "claude-sonnet-5-5", "claude-fable-5-1", "claude-fable-5-2"]
)
@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (ToolChoice("required"), "at least one tool"),
        (ToolChoice("function", "add"), "the tool add"),
    ],
)
def test_trap_13_forced_choice_is_said_in_words_where_it_is_refused(
    model: str, choice: ToolChoice, says: str
) -> None:
    found, dropped = asked(model, tools=(ADD,), tool_choice=choice)

    assert found.choice == {"type": "auto"}
    assert says in found.instructions[0]
    assert dropped == ["tool_choice"]


@pytest.mark.parametrize("mode", ["auto", "none"])
def test_without_tools_there_is_no_choice(mode: Any) -> None:
    assert asked(tool_choice=ToolChoice(mode))[0].choice is None


def test_a_call_demanded_without_tools_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(tool_choice=ToolChoice("required"))

    assert caught.value.field == "tool_choice"


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("required"), {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), {"type": "none"}),
    ],
)
def test_one_call_at_a_time_is_part_of_the_choice(
    choice: ToolChoice | None, wire: dict[str, object]
) -> None:
    found, dropped = asked(tools=(ADD,), tool_choice=choice, parallel_tool_calls=False)

    assert found.choice == wire
    assert dropped == []


def test_parallel_calls_are_the_default() -> None:
    assert asked(tools=(ADD,), parallel_tool_calls=True)[0].choice is None
    assert asked(parallel_tool_calls=False)[1] == ["parallel_tool_calls"]


def test_a_shape_is_the_output_format_where_there_is_one() -> None:
    found, dropped = asked(response_format=SHAPE)

    assert found.output_format == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "additionalProperties": False,
        },
    }
    assert dropped == ["response_format.schema.minLength"]
    assert (found.tools, found.choice) == ([], None)


def test_older_models_answer_with_a_tool() -> None:
    found, dropped = asked(OLD, response_format=SHAPE)

    assert found.tools == [
        {"name": ANSWER_TOOL, "input_schema": CITY, "description": "A city"}
    ]
    assert found.choice == {
        "type": "tool",
        "name": ANSWER_TOOL,
        "disable_parallel_tool_use": True,
    }
    assert dropped == []
    assert found.forced


@pytest.mark.parametrize(
    ("choice", "kind"), [(None, "any"), ("auto", "any"), ("none", "tool")]
)
def test_beside_tools_the_answer_is_one_of_them(choice: Any, kind: str) -> None:
    chosen = ToolChoice(choice) if choice else None
    found, _ = asked(OLD, tools=(ADD,), tool_choice=chosen, response_format=SHAPE)

    assert [tool["name"] for tool in found.tools] == ["add", ANSWER_TOOL]
    assert found.choice is not None
    assert found.choice["type"] == kind


def test_a_forced_call_has_its_own_shape() -> None:
    chosen = ToolChoice("required")
    found, _ = asked(tools=(ADD,), tool_choice=chosen, response_format=SHAPE)

    assert (found.output_format, found.instructions) == (None, [])


def test_a_schema_the_format_cannot_say_goes_into_a_tool() -> None:
    schema: dict[str, object] = {
        "type": "object",
        "additionalProperties": {"type": "string"},
    }
    found, _ = asked(response_format=ResponseFormat("json_schema", schema=schema))

    assert found.tools[0]["input_schema"] == schema


@pytest.mark.parametrize(
    ("model", "schema"),
    [
        (OLD, {"type": "array"}),
        (STRICT, {"type": "object", "properties": {"next": {"$ref": "#"}}}),
    ],
)
def test_where_nothing_else_is_possible_the_schema_is_said(
    model: str, schema: dict[str, object]
) -> None:
    form = ResponseFormat("json_schema", "x", schema=schema)
    found, _ = asked(model, response_format=form)

    assert '"type":"' in found.instructions[0]
    assert (found.tools, found.output_format) == ([], None)


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_any_json_is_asked_for_in_words(kind: Any) -> None:
    found, dropped = asked(response_format=ResponseFormat(kind))

    assert "JSON object" in found.instructions[0]
    assert dropped == []


def test_plain_text_is_no_shape() -> None:
    assert asked(response_format=ResponseFormat("text"))[0] == Asked()
