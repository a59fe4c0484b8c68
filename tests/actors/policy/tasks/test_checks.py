"""Whether an answer is what was asked for."""

import time

import pytest
from msgspec.structs import replace

from actors.messages.chat import ToolCall
from actors.messages.work import Check
from actors.policy.tasks.checks import fault, json_text
from tests.support.fake_service import route_result


@pytest.mark.parametrize(
    ("check", "content", "said"),
    [
        (Check(), "hello", None),
        (Check(), " \n", "empty"),
        (Check(required=("a",)), '{"a": 1}', None),
        (Check(required=("a",)), '```json\n{"a": 1}\n```', None),
        (Check(required=("a", "b")), '{"a": 1}', "lacks b"),
        (Check(required=("a",)), "[1]", "no JSON object"),
        (Check(required=("a",)), "sorry", "not JSON"),
        (Check(schema={"type": "array"}), "[]", None),
        (Check(schema={"type": "array"}), "[", "not JSON"),
    ],
)
def test_contents(check: Check, content: str, said: str | None) -> None:
    found = fault(check, route_result(content))
    assert (found is None) if said is None else (found is not None and said in found)


def test_cut_answers() -> None:
    cut = replace(route_result(), finish_reason="length")
    assert "greatest length" in (fault(Check(), cut) or "")
    assert fault(Check(finish="any"), cut) is None
    filtered = replace(route_result(), finish_reason="content_filter")
    assert "content filter" in (fault(Check(finish="any"), filtered) or "")


def test_a_tool_call_is_an_answer() -> None:
    called = replace(route_result(""), tool_calls=(ToolCall("1", "look"),))
    assert fault(Check(), called) is None


def test_a_hostile_answer_is_taken_apart_in_linear_time() -> None:
    lines = "```" + "\n" * 1_000_000 + "x"
    began = time.process_time()
    assert json_text(replace(route_result(), content=lines)) == lines
    assert time.process_time() - began < 1.0, "it took hours"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("[1]", "[1]"),
        ("```json\n[1]\n```\n", "[1]"),
        (" \n```\n[1,\n2]\n```", "[1,\n2]"),
        ("``` json \n[1]\n```", "[1]"),
        ("```json\n[1]", "```json\n[1]"),
        ("```python\n[1]\n```", "```python\n[1]\n```"),
        ("json\n[1]\n```", "json\n[1]\n```"),
        ("```", "```"),
        ("```\n```", "```\n```"),
    ],
)
def test_the_json_of_an_answer(content: str | None, text: str) -> None:
    assert json_text(replace(route_result(), content=content)) == text
