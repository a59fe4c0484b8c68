"""What callers get has the contract's names and OpenAI's shape of tool calls."""

import msgspec

from actors.messages.chat import Delta, ToolCall, ToolCallDelta
from actors.messages.routing import AttemptSummary, ErrorInfo
from ipc.results import delta_params, error_data, route_reply
from tests.support.fake_service import route_result


def as_json(value: object) -> object:
    encoder = msgspec.json.Encoder(decimal_format="number")
    return msgspec.json.decode(encoder.encode(value))


def test_an_answer_has_the_fields_of_the_contract() -> None:
    shown = as_json(route_reply(route_result()))

    assert isinstance(shown, dict)
    assert set(shown) >= {
        "content",
        "tool_calls",
        "finish_reason",
        "provider",
        "model",
        "usage",
        "cost_usd",
        "cost_source",
        "latency_s",
        "time_to_first_token_s",
        "overhead_s",
        "decision_id",
        "confidence",
        "attempts",
        "cached",
        "simulated",
    }
    assert shown["cost_usd"] == 0.000125
    assert shown["tool_calls"] == []


def test_tool_calls_can_be_sent_back_as_they_came() -> None:
    result = msgspec.structs.replace(
        route_result(), tool_calls=(ToolCall("c1", "look", '{"a":1}'),)
    )

    assert as_json(route_reply(result).tool_calls) == [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "look", "arguments": '{"a":1}'},
        }
    ]


def test_a_piece_of_text() -> None:
    assert as_json(delta_params(7, Delta(content="x"))) == {
        "id": 7,
        "index": 0,
        "content": "x",
        "reasoning": None,
        "tool_calls": [],
    }


def test_a_piece_of_a_refusal() -> None:
    shown = as_json(delta_params("a", Delta(reasoning="hm", refusal="no")))

    assert shown == {
        "id": "a",
        "index": 0,
        "content": None,
        "reasoning": "hm",
        "tool_calls": [],
        "refusal": "no",
    }


def test_pieces_of_a_tool_call_say_its_name_once() -> None:
    first = ToolCallDelta(index=1, id="c1", name="look")
    later = ToolCallDelta(index=1, arguments='{"a"')

    params = delta_params(None, Delta(tool_calls=(first, later)))

    assert as_json(params.tool_calls) == [
        {"index": 1, "id": "c1", "type": "function", "function": {"name": "look"}},
        {"index": 1, "function": {"arguments": '{"a"'}},
    ]


def test_an_error_says_all_that_is_known() -> None:
    attempt = AttemptSummary(
        provider="p", model="m", outcome="timeout", latency_s=1.0, cost_usd=None
    )
    info = ErrorInfo(
        kind="provider_error",
        message="it failed",
        owner="provider",
        retryable=True,
        retry_after_s=2.0,
        provider="p",
        decision_id="d1",
        attempts=(attempt,),
    )

    assert as_json(error_data(info)) == {
        "kind": "provider_error",
        "retryable": True,
        "retry_after_s": 2.0,
        "provider": "p",
        "decision_id": "d1",
        "attempts": [
            {
                "provider": "p",
                "model": "m",
                "outcome": "timeout",
                "latency_s": 1.0,
                "cost_usd": None,
                "kind": "first",
            }
        ],
    }


def test_a_wrong_field_is_part_of_the_error() -> None:
    info = ErrorInfo(
        kind="invalid_request",
        message="x",
        owner="caller",
        retryable=False,
        field="f",
        got="1",
        wanted="a string",
    )

    data = error_data(info)

    assert (data.field, data.got, data.wanted) == ("f", "1", "a string")
