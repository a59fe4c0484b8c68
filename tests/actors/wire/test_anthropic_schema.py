"""Schemas lose what structured output refuses, and say so."""

from typing import Any

import pytest

from actors.wire.anthropic_schema import cleaned, expressible


def clean(schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    lost: set[str] = set()
    return cleaned(schema, lost), lost


def test_refused_keywords_go_and_the_rest_stays() -> None:
    schema, lost = clean(
        {
            "type": "object",
            "title": "T",
            "properties": {
                "age": {"type": "integer", "minimum": 0, "description": "years"},
                "tags": {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 5,
                    "items": {"type": "string", "maxLength": 3, "enum": ["a"]},
                },
            },
            "required": ["age"],
            "additionalProperties": False,
        }
    )

    assert schema == {
        "type": "object",
        "title": "T",
        "properties": {
            "age": {"type": "integer", "description": "years"},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["a"]}},
        },
        "required": ["age"],
        "additionalProperties": False,
    }
    assert lost == {"minimum", "minItems", "maxItems", "maxLength"}


def test_one_item_at_least_may_be_asked_for() -> None:
    schema = {"type": "array", "minItems": 1, "items": {"type": "string"}}

    assert clean(schema) == (schema, set())


def test_properties_may_have_the_names_of_keywords() -> None:
    schema, lost = clean({"properties": {"minimum": {"type": "integer"}, "not": True}})

    assert schema["properties"] == {"minimum": {"type": "integer"}, "not": True}
    assert lost == set()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": ["object", "null"]},
        {"properties": {}},
        {"type": "object", "additionalProperties": True},
    ],
)
def test_objects_are_closed(schema: dict[str, Any]) -> None:
    closed, lost = clean(schema)

    assert closed["additionalProperties"] is False
    assert lost == ({"additionalProperties"} if len(schema) > 1 else set())


def test_one_of_becomes_any_of() -> None:
    number: dict[str, Any] = {"type": "number", "multipleOf": 2}
    schema, lost = clean({"anyOf": [{"type": "null"}], "oneOf": [number]})

    assert schema == {"anyOf": [{"type": "null"}, {"type": "number"}]}
    assert lost == {"oneOf", "multipleOf"}


def test_definitions_are_cleaned_too() -> None:
    schema, lost = clean({"$ref": "#/$defs/A", "$defs": {"A": {"minLength": 1}}})

    assert schema == {"$ref": "#/$defs/A", "$defs": {"A": {}}}
    assert lost == {"minLength"}


A_TWICE = {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "#"}, False),
        ({"properties": {"next": {"$ref": "#"}}}, False),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"items": {"$ref": "#/$defs/A"}}}}, False),
        (
            {
                "$ref": "#/definitions/A",
                "definitions": {
                    "A": {"$ref": "#/definitions/B"},
                    "B": [{"$ref": "#/definitions/A"}],
                },
            },
            False,
        ),
        (A_TWICE | {"$defs": {"A": {"type": "string"}}}, True),
        (A_TWICE | {"$defs": {"A": {"$ref": "http://elsewhere"}}}, True),
        ({"properties": {"$ref": {"type": "string"}}}, True),
        ({"type": "object", "additionalProperties": {"type": "string"}}, False),
        ({"type": "object", "additionalProperties": True}, False),
        ({"properties": {"a": {}}, "additionalProperties": True}, True),
        ({"type": "object", "patternProperties": {"^a": {}}}, False),
        ({"type": "object", "additionalProperties": False}, True),
    ],
)  # fmt: skip
def test_recursion_and_unknown_names_cannot_be_said(
    schema: dict[str, Any],
    says: bool,
) -> None:
    assert expressible(schema) is says
