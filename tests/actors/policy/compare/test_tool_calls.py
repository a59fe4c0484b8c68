from actors.messages.chat import ToolCall
from actors.policy.compare.tool_calls import canonical_calls


def test_order_ids_and_the_dress_of_arguments_do_not_count() -> None:
    one = [ToolCall("1", "f", '{"a": 1, "b": 2}'), ToolCall("2", "g")]
    other = [ToolCall("x", "g", ""), ToolCall("y", "f", '{"b":2.0,"a":1}')]

    assert canonical_calls(one) == canonical_calls(other)


def test_names_arguments_and_how_often_do_count() -> None:
    call = ToolCall("1", "f", '{"a": 1}')
    texts = {
        canonical_calls([call]),
        canonical_calls([call, call]),
        canonical_calls([ToolCall("1", "g", '{"a": 1}')]),
        canonical_calls([ToolCall("1", "f", '{"a": 2}')]),
    }

    assert len(texts) == 4


def test_arguments_that_are_no_json_are_compared_as_they_are() -> None:
    broken = canonical_calls([ToolCall("1", "f", ' {"a": ')])

    assert broken == 'f({"a":)'
    assert canonical_calls([ToolCall("1", "f", "[" * 100_000)]) != broken


def test_arguments_nested_too_deeply_are_compared_as_they_are() -> None:
    deep = '{"a":' * 300 + "1" + "}" * 300

    assert canonical_calls([ToolCall("1", "f", deep)]) == f"f({deep})"
