"""What is read in one go is the same request as when it is read field by field."""

import math
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.errors import InvalidRequest
from actors.messages.chat import ChatRequest, Message
from actors.messages.routing import Door, RouteRequest
from ipc.conversation import chat_request
from ipc.frames import Framing, JsonLines, MsgpackFrames
from ipc.params import read_params
from ipc.plain import plain_body, plain_call, plain_chat, plain_route
from ipc.route import RouteParams, route_request
from ipc.rpc import RefusedError, read_request

HI = {"role": "user", "content": "hi"}
ENCODE: dict[Door, Callable[[object], bytes]] = {
    "json": msgspec.json.encode,
    "msgpack": msgspec.msgpack.encode,
}
FRAMING: dict[Door, Framing] = {"json": JsonLines(), "msgpack": MsgpackFrames()}


def quickly(message: bytes, door: Door) -> tuple[object, RouteRequest] | None:
    call = plain_call(message, door)
    if call is None:
        return None
    request = plain_route(call.params, request_id="r1", user="ann", door=door)
    return None if request is None else (call.id, request)


def carefully(message: bytes, door: Door) -> tuple[object, RouteRequest] | None:
    try:
        request = read_request(FRAMING[door].decode(message))
        params = read_params(RouteParams, request.params)
        return request.id, route_request(params, request_id="r1", user="ann", door=door)
    except (InvalidRequest, RefusedError):
        return None


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from((0, 1, 2, 1.0, 0.5, 2.5, math.inf, math.nan, "", "hi", [], {})),
    st.sampled_from(("hybrid", "cost_optimized", "resume", "buffered")),
)
message = st.one_of(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(("system", "developer", "user", "assistant")),
            "content": st.text(max_size=4),
        }
    ),
    st.fixed_dictionaries(
        {"role": st.sampled_from(("user", "tool", "x", None))},
        optional={"content": odd, "name": odd, "tool_call_id": odd, "more": odd},
    ),
    odd,
)
usual = {
    "model": st.text(max_size=2),
    "max_tokens": st.integers(-1, 2**64 - 1),
    "temperature": st.one_of(st.floats(), st.integers(-1, 3)),
    "top_p": st.one_of(st.floats(), st.integers(-1, 2)),
    "seed": st.integers(-(2**63), 2**64 - 1),
    "stream": st.booleans(),
}
params = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.one_of(value, odd) for name, value in usual.items()},
        "messages": st.lists(message, max_size=3),
        "prompt": st.one_of(st.text(max_size=3), odd),
        "provider": odd,
        "strategy": odd,
        "task_type": odd,
        "deadline_s": st.one_of(st.floats(), odd),
        "stop": odd,
        "metadata": odd,
        "unknown": odd,
    },
)
body = st.fixed_dictionaries(
    {"messages": st.lists(message, min_size=1, max_size=3)},
    optional={
        **{name: st.one_of(value, odd) for name, value in usual.items()},
        "max_completion_tokens": st.one_of(st.integers(-1, 9), odd),
        "user": odd,
        "n": odd,
        "store": odd,
    },
)


@pytest.mark.parametrize("door", ["json", "msgpack"])
@given(
    given_params=params,
    call_id=st.one_of(st.integers(-(2**63), 2**64 - 1), st.text(max_size=3), odd),
    version=st.sampled_from(("2.0", "1.0", None)),
)
def test_a_call_is_the_same_request_either_way(
    door: Door, given_params: dict[str, object], call_id: object, version: object
) -> None:
    document = {"id": call_id, "method": "route", "params": given_params}
    if version is not None:
        document["jsonrpc"] = version
    encoded = ENCODE[door](document)
    found = quickly(encoded, door)

    assert found is None or found == carefully(encoded, door)


@given(given_body=body)
def test_a_body_is_the_same_request_either_way(given_body: dict[str, object]) -> None:
    found = plain_body(msgspec.json.encode(given_body))
    if found is None:
        return

    decoded = msgspec.json.decode(msgspec.json.encode(given_body))
    expected = chat_request(decoded, ignore=("model", "stream", "stream_options"))
    assert plain_chat(found) == expected
    assert (found.model, found.stream) == (decoded.get("model"), decoded.get("stream"))


@pytest.mark.parametrize("door", ["json", "msgpack"])
@pytest.mark.parametrize(
    "usual_params",
    [
        {"prompt": "hi"},
        {"messages": [HI], "model": "auto", "stream": True},
        {
            "messages": [{"role": "system", "content": ""}, HI],
            "max_tokens": 5,
            "temperature": 0,
            "top_p": 1,
            "seed": -3,
            "provider": "claude",
            "strategy": "cost",
            "task_type": "review",
            "deadline_s": 2,
        },
    ],
)
def test_usual_calls_are_read_in_one_go(
    door: Door, usual_params: dict[str, object]
) -> None:
    encoded = ENCODE[door]({"id": 1, "method": "route", "params": usual_params})
    found = quickly(encoded, door)

    assert found is not None
    assert found == carefully(encoded, door)


@pytest.mark.parametrize(
    "document",
    [
        {"id": 1, "method": "status", "params": {}},
        {"method": "route", "params": {"prompt": "nobody waits"}},
        {"id": 1, "method": "route", "params": {}},
        {"id": 1, "method": "route", "params": {"prompt": "a", "messages": [HI]}},
        {"id": 1, "method": "route", "params": {"messages": []}},
        {"id": 1, "method": "route", "params": {"prompt": "a", "tools": []}},
        {"id": 1, "method": "route", "params": {"prompt": "a", "max_tokens": 1.0}},
        {"id": 1, "method": "route", "params": {"prompt": "a"}, "extra": 1},
        [],
        {"id": 1, "method": "route", "params": {"prompt": "x", "task_type": "t" * 201}},
        {"id": 1, "method": "route", "params": {"prompt": "x", "model": "m" * 201}},
    ],
)
def test_everything_else_is_left_to_the_careful_reader(document: object) -> None:
    for door, encode in ENCODE.items():
        assert quickly(encode(document), door) is None


@pytest.mark.parametrize("data", [b"", b"{", b'{"id": 1', b"\xff\xff", b"[" * 10_000])
def test_what_is_no_message_is_left_to_the_careful_reader(data: bytes) -> None:
    assert plain_call(data, "json") is None
    assert plain_call(data, "msgpack") is None
    assert plain_body(data) is None


def test_a_body_as_the_sdk_sends_it() -> None:
    found = plain_body(
        b'{"messages":[{"role":"user","content":"hi"}],"model":"auto","stream":true,'
        b'"stream_options":{"include_usage":true},"max_tokens":3,"user":"u"}'
    )

    assert found is not None
    assert found.stream_options is not None
    assert found.stream_options.include_usage is True
    expected = ChatRequest(messages=(Message("user", "hi"),), max_tokens=3, user="u")
    assert plain_chat(found) == expected


def test_options_without_a_stream_are_left_to_the_careful_reader() -> None:
    encoded = msgspec.json.encode({"messages": [HI], "stream_options": {}})

    assert plain_body(encoded) is None


def test_the_newer_name_of_the_limit_wins() -> None:
    found = plain_body(
        msgspec.json.encode(
            {"messages": [HI], "max_tokens": 3, "max_completion_tokens": 4}
        )
    )

    assert found is not None
    assert plain_chat(found).max_tokens == 4
