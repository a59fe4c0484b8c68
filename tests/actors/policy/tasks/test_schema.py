"""Shapes of JSON values."""

import pytest

from actors.policy.tasks.schema import mismatch, unusable

PERSON: dict[str, object] = {
    "type": "object",
    "title": "A person",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "age": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b", 1]}, "maxItems": 2},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Ann"},
        {"name": "A", "age": 3.0, "tags": ["a", 1]},
        {"name": "A", "age": None},
    ],
)
def test_what_fits(value: object) -> None:
    assert mismatch(value, PERSON) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "$ is no object"),
        ({}, "$.name is missing"),
        ({"name": ""}, "$.name breaks minLength 1"),
        ({"name": "Methuselah"}, "$.name breaks maxLength 5"),
        ({"name": "A", "age": 1.5}, "$.age is no integer or null"),
        ({"name": "A", "age": True}, "$.age is no integer or null"),
        ({"name": "A", "age": -1}, "$.age breaks minimum 0"),
        ({"name": "A", "age": 150}, "$.age breaks exclusiveMaximum 150"),
        ({"name": "A", "tags": ["c"]}, "$.tags[0] is none of the 3 values it may be"),
        ({"name": "A", "tags": [True]}, "$.tags[0] is none of the 3 values it may be"),
        ({"name": "A", "tags": ["a"] * 3}, "$.tags breaks maxItems 2"),
        ({"name": "A", "more": 1}, "$.more must not be there"),
    ],
)
def test_what_does_not_fit(value: object, said: str) -> None:
    assert mismatch(value, PERSON) == said


@pytest.mark.parametrize(
    ("schema", "good", "bad", "said"),
    [
        ({"const": 1}, 1, True, "not the one value"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None, 1, "none of the 2"),
        ({"oneOf": [{"minimum": 1}, {"minimum": 5}]}, 2, 6, "fits 2 of"),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 2, 3, "breaks maximum 2"),
        ({"items": False}, [], [1], "must not be there"),
        (
            {"additionalProperties": {"type": "number"}},
            {"a": 1},
            {"a": ""},
            "no number",
        ),
    ],
)
def test_combinations(schema: object, good: object, bad: object, said: str) -> None:
    assert unusable(schema) is None
    assert mismatch(good, schema) is None
    found = mismatch(bad, schema)
    assert found is not None
    assert said in found


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (PERSON, None),
        (True, None),
        ("x", "schema is no object"),
        ({"pattern": "(a+)+$"}, "schema.pattern is not supported"),
        ({"$ref": "#/x"}, "schema.$ref is not supported"),
        ({"type": "text"}, "schema.type must be one or more of"),
        ({"type": []}, "schema.type must be one or more of"),
        ({"minimum": True}, "schema.minimum must be a number"),
        ({"required": [1]}, "schema.required must be an array of names"),
        ({"properties": {"a": {"items": 1}}}, "schema.properties.a.items must be"),
        ({"anyOf": [{"x": 1}]}, "schema.anyOf[0].x is not supported"),
    ],
)
def test_what_is_not_understood_is_said(schema: object, said: str | None) -> None:
    found = unusable(schema)
    assert (found is None) if said is None else (found is not None and said in found)


def test_a_schema_without_end_is_no_schema() -> None:
    schema: dict[str, object] = {}
    for _ in range(200):
        schema = {"items": schema}
    assert unusable(schema) is not None
