"""JSON AnswerChecks of callers: the real library, in the real process of its own."""

import time

import anyio
import msgspec
import pytest
from anyio import to_process

from daemon.answer_checks import (
    MAX_BYTES,
    MAX_DEPTH,
    AnswerChecks,
    _bounded,
    _search,
)

TREE: dict[str, object] = {
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {"child": {"oneOf": [{"$ref": "#/$defs/tree"}] * 2}},
        }
    },
    "$ref": "#/$defs/tree",
}
"""Takes twice as long for every level of what it is applied to."""


@pytest.mark.parametrize(
    ("schema", "good", "bad", "where"),
    [
        ({"type": "integer"}, 3.0, "3", "at $:"),
        ({"pattern": "^[a-c]+$"}, "abc", "abd", "at $:"),
        ({"pattern": "^(a+)+$"}, "a" * 9999, "a" * 9999 + "!", "at $:"),
        ({"items": {"minimum": 3}}, [3], [4, 1], "at $[1]:"),
        ({"properties": {"a": {"items": {"const": 1}}}}, {}, {"a": [2]}, "at $.a[0]:"),
        ({"patternProperties": {"^n": {"type": "null"}}}, {"n": None}, {"n": 1}, ".n"),
        ({"dependentRequired": {"a": ["b"]}}, {"b": 1}, {"a": 1}, "b"),
        ({"prefixItems": [True], "unevaluatedItems": False}, [1], [1, 2], "at $"),
        ({"uniqueItems": True}, [1, 2], [1, 1], "at $:"),
        ({"if": {"minimum": 5}, "then": {"multipleOf": 2}}, 6, 7, "at $:"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"const": 1}}}}, 2, 1, "at $:"),
    ],
)
async def test_what_fits_and_what_does_not(
    schema: object, good: object, bad: object, where: str
) -> None:
    schemas = AnswerChecks()
    assert await schemas.unusable(schema) is None
    assert await schemas.mismatch(schema, msgspec.json.encode(good).decode()) is None
    found = await schemas.mismatch(schema, msgspec.json.encode(bad).decode())
    assert found is not None
    assert where in found
    assert len(found) <= 400


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "text"}, "at $.type:"),
        ({"properties": {"a": {"pattern": "("}}}, "at $.properties.a.pattern:"),
        ({"pattern": "(?=a)a"}, "at $.pattern:"),
        ({"pattern": r"(a)\1"}, "at $.pattern:"),
        ({"pattern": "((a{1,999}){1,999}){1,999}"}, "at $.pattern:"),
        ({"$ref": "http://127.0.0.1:9/x"}, "Retrieval is disabled"),
        ({"$ref": "file:///etc/passwd"}, "Retrieval is disabled"),
        ({"$ref": "#/$defs/none"}, "does not exist"),
        ({"$schema": "http://127.0.0.1:9/meta"}, "meta-schema"),
        ({"enum": ["x" * MAX_BYTES]}, "bytes"),
        ("text", "at $"),
    ],
)
async def test_what_cannot_be_used_is_said(schema: object, said: str) -> None:
    found = await AnswerChecks().unusable(schema)
    assert found is not None
    assert said in found


async def test_how_deep_and_how_often_a_schema_is_looked_at() -> None:
    schemas = AnswerChecks()
    schema: dict[str, object] = {}
    for _ in range(MAX_DEPTH - 1):
        schema = {"items": schema}
    assert await schemas.unusable(schema) is None
    assert await schemas.unusable(schema) is None  # known by then
    assert "deep" in (await schemas.unusable({"items": schema}) or "")


async def test_one_that_takes_too_long_is_cut_short_and_the_next_is_served() -> None:
    schemas = AnswerChecks(limit_s=0.3)
    answer: object = 1
    for _ in range(40):
        answer = {"child": answer}
    began = time.monotonic()
    found = await schemas.mismatch(TREE, msgspec.json.encode(answer).decode())
    assert (found or "").endswith("it cannot be checked: it takes over 0.3 s")
    assert time.monotonic() - began < 30.0
    assert await schemas.mismatch({"type": "null"}, "null") is None


async def test_patterns_of_the_configuration_are_pythons() -> None:
    checks = AnswerChecks()
    assert await checks.lacks("(?<=a)b", "xab") is None
    assert await checks.lacks("^b", "ab") == "the answer does not match ^b"


async def test_a_pattern_that_takes_too_long_is_cut_short_too() -> None:
    checks = AnswerChecks(limit_s=0.3)
    found = await checks.lacks("^(a+)+$", "a" * 60 + "!")
    assert found == "it cannot be checked: it takes over 0.3 s"
    assert await checks.lacks("a", "a") is None


async def test_the_process_ends_by_itself_where_nobody_is_left_to_end_it() -> None:
    """As after ``kill -9`` of the daemon."""
    hostile = ("^(a+)+$", "a" * 60 + "!")
    with anyio.fail_after(30), pytest.raises(anyio.BrokenWorkerProcess):
        await to_process.run_sync(_bounded, _search, *hostile, 0.2)
