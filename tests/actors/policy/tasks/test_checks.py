"""Whether an answer is what was asked for."""

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
        (Check(pattern="^[0-9]+$"), "12", None),
        (Check(pattern="^[0-9]+$"), "twelve", "does not match"),
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


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, ""), ("[1]", "[1]"), ("```json\n[1]\n```\n", "[1]")],
)
def test_the_json_of_an_answer(content: str | None, text: str) -> None:
    assert json_text(replace(route_result(), content=content)) == text
