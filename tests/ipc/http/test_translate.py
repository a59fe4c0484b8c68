"""What a chat request means, and how an answer looks."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import InvalidRequest
from actors.messages.chat import ToolCall, Usage
from actors.messages.consensus import ConsensusAsk, ConsensusInfo
from actors.messages.routing import RouteRequest
from ipc.http import translate
from tests.support.fake_service import route_result

MESSAGES = [{"role": "user", "content": "hello"}]


def asked(body: dict[str, Any], *headers: tuple[str, str]) -> translate.Asked:
    data = msgspec.json.encode({"messages": MESSAGES, **body})
    return translate.chat_asked(data, headers, request_id="r1", user="ann")


def request(body: dict[str, Any], *headers: tuple[str, str]) -> RouteRequest:
    return asked(body, *headers).request


def refused(body: bytes, *headers: tuple[str, str]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        translate.chat_asked(body, headers, request_id="r1", user=None)
    return caught.value


# In


def test_a_bare_request_asks_for_nothing_in_particular() -> None:
    plain = request({})

    assert plain.request_id == "r1"
    assert plain.chat.messages[0].content == "hello"
    assert plain.model is None
    assert plain.provider is None
    assert plain.strategy is None
    assert plain.task_type is None
    assert not plain.stream
    assert plain.stream_mode is None
    assert plain.deadline_s is None
    assert plain.budget_usd is None
    assert plain.metadata == {}
    assert plain.user == "ann"
    assert plain.door == "http"
    assert plain.chat.extra == {}


def test_nulls_count_as_left_out() -> None:
    fields = ("model", "stream", "stream_options", "metadata", "n", "temperature")

    assert request(dict.fromkeys(fields)) == request({})


def test_model_and_stream_are_not_sent_upstream() -> None:
    streamed = asked(
        {
            "model": "auto:cost",
            "stream": True,
            "stream_options": {"include_usage": True, "include_obfuscation": False},
        }
    )

    assert streamed.request.model == "auto:cost"
    assert streamed.request.stream
    assert streamed.include_usage
    assert streamed.request.chat.extra == {}


@pytest.mark.parametrize("options", [{}, {"include_usage": None}])
def test_stream_options_without_usage_ask_for_none(options: dict[str, Any]) -> None:
    assert not asked({"stream": True, "stream_options": options}).include_usage


def test_fields_that_are_not_known_go_through() -> None:
    sent = {"logit_bias": {"50256": -100}, "verbosity": "low", "user": "u7"}
    plain = request(sent)

    assert plain.chat.extra == {"logit_bias": {"50256": -100}, "verbosity": "low"}
    assert plain.chat.user == "u7"


def test_metadata_is_kept_and_goes_through() -> None:
    plain = request({"metadata": {"job": "7"}, "store": True})

    assert plain.metadata == {"job": "7"}
    assert plain.chat.extra == {"metadata": {"job": "7"}, "store": True}


def test_headers_say_how_to_route() -> None:
    routed = request(
        {},
        ("X-GitBridge-Task-Type", "code_review"),
        ("x-gitbridge-strategy", " cost_optimized "),
        ("x-gitbridge-provider", "claude"),
        ("x-gitbridge-deadline-s", "2.5"),
        ("x-gitbridge-budget-usd", "0.00000001"),
        ("x-gitbridge-stream-mode", "buffered"),
        ("x-gitbridge-priority", "high"),
        ("x-stainless-lang", "python"),
    )

    assert routed.task_type == "code_review"
    assert routed.strategy == "cost"
    assert routed.provider == "claude"
    assert routed.deadline_s == 2.5
    assert routed.budget_usd == Decimal("0.00000001")
    assert routed.priority == "high"
    assert routed.stream_mode == "buffered"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": 1}, "stream_options"),
        (
            {"stream": True, "stream_options": {"include_usage": 1}},
            "stream_options.include_usage",
        ),
        ({"metadata": "x"}, "metadata"),
        ({"n": 2}, "n"),
        ({"temperature": "hot"}, "temperature"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    ],
)
def test_a_wrong_type_names_the_field(body: dict[str, Any], field: str) -> None:
    error = refused(msgspec.json.encode({"messages": MESSAGES, **body}))

    assert error.field == field
    assert error.wanted


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ({"model": "consensus", "stream": True}, "chunks"),
        ({"model": "consensus:quorum", "stream": True}, "chunks"),
        ({"model": "consensus"}, None),
        ({"model": "auto", "stream": True}, None),
        ({"stream": True}, None),
    ],
)
def test_only_a_round_that_is_streamed_is_told_of(
    body: dict[str, Any], shape: str | None
) -> None:
    document = msgspec.json.encode({"messages": MESSAGES, **body})
    asked = translate.chat_asked(
        document, [("x-gitbridge-progress", "Chunks")], request_id="r1", user=None
    )

    assert asked.progress == shape


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("deadline-s", "soon"),
        ("deadline-s", "0"),
        ("deadline-s", "nan"),
        ("deadline-s", "inf"),
        ("budget-usd", "-1"),
        ("budget-usd", "much"),
        ("strategy", "luck"),
        ("stream-mode", "slow"),
        ("stream-mode", "fast"),
        ("priority", "urgent"),
        ("progress", "events"),
        ("provider", ""),
        ("task-type", "\udcff"),
        ("idempotency-key", ""),
        ("cache", "maybe"),
        ("stratgy", "cost"),
    ],
)
def test_a_wrong_header_is_named(header: str, value: str) -> None:
    name = f"x-gitbridge-{header}"
    error = refused(msgspec.json.encode({"messages": MESSAGES}), (name, value))

    assert error.field == name
    assert error.message.encode()


def test_a_header_given_twice_is_refused() -> None:
    twice = ("x-gitbridge-provider", "a"), ("X-Gitbridge-Provider", "b")

    assert (
        refused(msgspec.json.encode({"messages": MESSAGES}), *twice).field
        == "x-gitbridge-provider"
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"messages": [', "truncated"),
        (b"\xff\xfe", "not JSON"),
        (b'{"a":"\xff"}', "not JSON"),
        (b'{"a":"\\ud800"}', "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "an array of 1"),
        (b'"text"', "wanted one JSON object"),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, words: str) -> None:
    assert words in refused(body).message


@settings(max_examples=60)
@given(st.binary(max_size=60), st.text(max_size=30))
def test_no_body_and_no_header_does_anything_but_read_or_refuse(
    body: bytes, value: str
) -> None:
    headers = (("x-gitbridge-budget-usd", value), ("x-gitbridge-deadline-s", value))

    refused(body, *headers)


# Out


def completion(**changes: Any) -> Any:
    result = msgspec.structs.replace(route_result("hello"), **changes)
    return msgspec.json.decode(translate.completion(result, 1_800_000_000))


def test_an_answer_has_the_shape_of_openai() -> None:
    assert completion() == {
        "id": "chatcmpl-r1",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": "gpt-4o",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 5,
            "total_tokens": 8,
            "prompt_tokens_details": {"cached_tokens": None},
            "completion_tokens_details": {"reasoning_tokens": None},
        },
    }


def test_tool_calls_reasoning_and_refusal_are_told() -> None:
    message = completion(
        content=None,
        refusal="no",
        reasoning="hm",
        finish_reason="tool_calls",
        tool_calls=(ToolCall("c1", "look", '{"a":1}'), ToolCall("c2", "leave")),
    )["choices"][0]["message"]

    assert message == {
        "role": "assistant",
        "content": None,
        "refusal": "no",
        "reasoning_content": "hm",
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "look", "arguments": '{"a":1}'},
            },
            {
                "id": "c2",
                "type": "function",
                "function": {"name": "leave", "arguments": "{}"},
            },
        ],
    }


def test_usage_that_nobody_told_is_null_and_not_nought() -> None:
    assert completion(usage=Usage())["usage"] is None


def test_a_total_that_was_not_told_is_the_sum() -> None:
    usage = completion(usage=Usage(prompt_tokens=3, completion_tokens=4))["usage"]

    assert usage["total_tokens"] == 7


def test_half_known_usage_has_no_total() -> None:
    usage = completion(usage=Usage(completion_tokens=4, cache_write_tokens=2))["usage"]

    assert usage["prompt_tokens"] is None
    assert usage["total_tokens"] is None
    assert usage["prompt_tokens_details"] == {
        "cached_tokens": None,
        "cache_write_tokens": 2,
    }


def test_headers_tell_who_answered_and_what_it_cost() -> None:
    assert translate.result_headers(route_result()) == {
        "x-request-id": "r1",
        "x-gitbridge-provider": "openai",
        "x-gitbridge-model": "gpt-4o",
        "x-gitbridge-decision": "d1",
        "x-gitbridge-attempts": "1",
        "x-gitbridge-cache": "miss",
        "x-gitbridge-simulated": "false",
        "x-gitbridge-overhead-ms": "1.000",
        "x-gitbridge-cost-usd": "0.000125",
    }


def test_an_unknown_cost_is_left_out() -> None:
    result = msgspec.structs.replace(
        route_result(), cost_usd=None, cached=True, simulated=True
    )
    headers = translate.result_headers(result)

    assert "x-gitbridge-cost-usd" not in headers
    assert headers["x-gitbridge-cache"] == "hit"
    assert headers["x-gitbridge-simulated"] == "true"


def test_a_tiny_cost_has_no_exponent() -> None:
    result = msgspec.structs.replace(route_result(), cost_usd=Decimal("1E-9"))

    assert translate.result_headers(result)["x-gitbridge-cost-usd"] == "0.000000001"


def test_a_model_name_cannot_break_out_of_its_header() -> None:
    result = msgspec.structs.replace(route_result(), model="a\r\nset-cookie: x=ü")
    header = translate.result_headers(result)["x-gitbridge-model"]

    assert header == "a??set-cookie: x=?"


# Consensus


@pytest.mark.parametrize(
    ("model", "ask"),
    [
        ("consensus", ConsensusAsk()),
        ("consensus:cascade", ConsensusAsk(method="cascade")),
        ("auto", None),
    ],
)
def test_a_consensus_is_asked_for_as_a_model(
    model: str, ask: ConsensusAsk | None
) -> None:
    assert request({"model": model}).consensus == ask
    assert request({"model": model}, ("x-gitbridge-task-type", "t")).consensus == ask


def test_a_consensus_by_a_method_that_does_not_exist_names_the_model() -> None:
    body = msgspec.json.encode({"model": "consensus:dice", "messages": MESSAGES})

    assert refused(body).field == "model"


def test_how_a_round_was_decided_stands_beside_the_answer() -> None:
    info = ConsensusInfo(
        method="auto",
        kind="number",
        rule="3 of 3",
        agreement=1.0,
        confidence=None,
        winner=0,
        groups=(("a/x",),),
        ballots=(),
    )
    decided = msgspec.structs.replace(route_result(), consensus=info)
    body = msgspec.json.decode(translate.completion(decided, 1))
    plain = msgspec.json.decode(translate.completion(route_result(), 1))

    assert body["x_gitbridge"]["consensus"]["rule"] == "3 of 3"
    assert "x_gitbridge" not in plain
