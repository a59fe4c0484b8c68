"""A JSON answer where a stream was asked for, in any chunking."""

import msgspec
import pytest

from actors.errors import ProviderResponseError, ProviderServerError
from actors.messages.chat import Delta, ToolCallDelta
from actors.wire.openai_whole import WholeAnswer

CALLS = [
    {"id": "a", "function": {"name": "add", "arguments": '{"x":1}'}},
    {"id": "b", "function": {"name": "now", "arguments": ""}},
]
MESSAGE = {"content": None, "reasoning": "hm", "refusal": "no", "tool_calls": CALLS}
BODY = msgspec.json.encode(
    {"choices": [{"message": MESSAGE, "finish_reason": "tool_calls"}]}
)
WHOLE = Delta(
    reasoning="hm",
    refusal="no",
    tool_calls=(
        ToolCallDelta(0, "a", "add", '{"x":1}'),
        ToolCallDelta(1, "b", "now", "{}"),
    ),
)


def answer(max_bytes: int = 10_000) -> WholeAnswer:
    return WholeAnswer("openai", max_bytes)


def test_everything_is_one_delta() -> None:
    whole = answer()

    assert whole.feed(BODY) == [WHOLE]
    assert whole.finish() is whole.completion
    assert whole.text_bytes == len("hm" + "no" + '{"x":1}' + "{}")


def test_every_cut_in_two_gives_the_same() -> None:
    expected = answer()
    expected.feed(BODY)

    for cut in range(len(BODY) + 1):
        whole = answer()
        deltas = whole.feed(BODY[:cut]) + whole.feed(BODY[cut:])
        assert deltas == [WHOLE]
        assert whole.finish() == expected.finish()


def test_byte_by_byte_it_is_whole_at_the_end_at_the_latest() -> None:
    whole = answer()
    for byte in BODY:
        whole.feed(bytes([byte]))

    assert [call.name for call in whole.finish().tool_calls] == ["add", "now"]


def test_it_is_read_a_bounded_number_of_times() -> None:
    whole = answer(10_000_000)
    whole.feed(b"[")
    for _ in range(100_000):
        whole.feed(b"{}" * 10)

    with pytest.raises(ProviderResponseError, match="cannot be decoded"):
        whole.finish()


def test_it_may_not_be_longer_than_allowed() -> None:
    whole = answer(10)
    whole.feed(b"{123456789")

    with pytest.raises(ProviderResponseError, match="longer than 10 bytes"):
        whole.feed(b"}")


def test_a_cut_answer_is_none() -> None:
    whole = answer()
    whole.feed(BODY[:-1])

    assert whole.text_bytes == 0
    with pytest.raises(ProviderResponseError, match="cannot be decoded"):
        whole.finish()


def test_an_error_is_raised_as_what_it_means() -> None:
    with pytest.raises(ProviderServerError, match="oops"):
        answer().feed(b'[{"error":{"code":500,"message":"oops"}}]')


def test_deep_nesting_is_undecodable() -> None:
    whole = answer(1_000_000)
    whole.feed(b"[" * 100_000 + b"]")

    with pytest.raises(ProviderResponseError, match="cannot be decoded"):
        whole.finish()
