"""The calling end without I/O: errors become the classes that were raised."""

from typing import get_args

import pytest
from hypothesis import given, settings, strategies as st

from actors import errors
from actors.errors import ErrorKind, GitBridgeError, InvalidRequest
from actors.messages.chat import Delta
from actors.messages.routing import ErrorInfo
from ipc.calls import (
    Answered,
    Caller,
    CallFailed,
    DaemonUnreachable,
    details,
    error_of,
    result_of,
    strategy_set,
    typed,
    with_prompt,
)
from ipc.frames import MAX_MESSAGE_BYTES, MsgpackFrames
from ipc.results import RouteReply, delta_params, route_reply
from ipc.rpc import DeltaNotification, ErrorBody, ResultReply, error_reply
from tests.support.fake_service import route_result

SERVER = MsgpackFrames()


def info(kind: ErrorKind, **known: object) -> ErrorInfo:
    return ErrorInfo(
        kind=kind,
        message="it failed",
        owner="us",
        retryable=False,
        retry_after_s=2.0,
        provider="p",
        field="f" if known else None,
        got="1" if known else None,
        wanted="2" if known else None,
    )


def body(kind: ErrorKind, **known: object) -> ErrorBody:
    return error_reply(1, -32000, info(kind, **known)).error


def test_calls_have_ids_of_their_own() -> None:
    caller = Caller()
    sent = [caller.call("status"), caller.call("usage", {"by": "model"})]

    assert [call_id for call_id, _ in sent] == [1, 2]
    [message] = SERVER.feed(sent[1][1])
    assert isinstance(message, bytes)
    assert SERVER.decode(message) == {
        "id": 2,
        "method": "usage",
        "params": {"by": "model"},
    }


def test_cancelling_asks_for_no_answer() -> None:
    [message] = SERVER.feed(Caller().cancel(5))

    assert isinstance(message, bytes)
    assert SERVER.decode(message) == {"method": "cancel", "params": {"id": 5}}


@pytest.mark.parametrize("params", [object(), "\ud800"], ids=type)
def test_what_is_no_data_is_not_sent(params: object) -> None:
    with pytest.raises(InvalidRequest, match="cannot be sent"):
        Caller().call("status", params)


def test_an_integer_that_msgpack_cannot_hold_is_not_sent() -> None:
    with pytest.raises(InvalidRequest, match="does not fit 64 bits"):
        Caller().call("route", {"prompt": "x", "seed": 1 << 64})


def test_what_is_too_long_is_not_sent() -> None:
    with pytest.raises(InvalidRequest, match="does not fit"):
        Caller().call("route", {"prompt": "x" * MAX_MESSAGE_BYTES})


def test_answers_and_pieces_come_in_order() -> None:
    piece = delta_params(1, Delta(content="a"))
    data = (
        SERVER.encode(DeltaNotification("delta", piece))
        + SERVER.encode(ResultReply(1, {"x": 1}))
        + SERVER.encode(error_reply(2, -32000, info("no_provider")))
    )

    first, second, third = Caller().receive(data)

    assert first == piece
    assert second == Answered(1, {"x": 1})
    assert isinstance(third, Answered)
    assert isinstance(third.error, errors.NoProvider)


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad", SERVER.encode([1]), b"\x00\x00\x00\x01\xc1"]
)
def test_another_program_on_the_socket_is_no_daemon_of_ours(data: bytes) -> None:
    with pytest.raises(DaemonUnreachable, match="no daemon of ours"):
        Caller().receive(data)


@given(st.binary(max_size=80))
@settings(max_examples=100)
def test_arbitrary_bytes_are_answers_or_no_daemon_of_ours(data: bytes) -> None:
    try:
        Caller().receive(data + SERVER.encode(data))
    except DaemonUnreachable:
        return


@pytest.mark.parametrize("kind", get_args(ErrorKind))
def test_every_kind_is_raised_as_a_class_of_that_kind(kind: ErrorKind) -> None:
    error = error_of(body(kind))

    assert isinstance(error, GitBridgeError)
    assert error.kind == kind
    assert error.message == "it failed"
    assert isinstance(error.__cause__, CallFailed)
    assert error.__cause__.code == -32000
    assert error.__cause__.data.provider == "p"


def test_waiting_times_and_providers_are_kept() -> None:
    error = error_of(body("rate_limited"))

    assert (error.retry_after_s, error.provider) == (2.0, "p")


def test_a_wrong_field_is_kept() -> None:
    error = error_of(body("invalid_request", field=True))

    assert isinstance(error, InvalidRequest)
    assert (error.field, error.got, error.wanted) == ("f", "1", "2")
    bare = error_of(body("invalid_request"))
    assert isinstance(bare, InvalidRequest)
    assert bare.field is None


def test_results_are_typed_by_the_table() -> None:
    reply = route_reply(route_result())
    [message] = SERVER.feed(SERVER.encode(reply))
    assert isinstance(message, bytes)

    assert result_of("route", SERVER.decode(message)) == reply
    assert result_of("not in the table", {"a": 1}) == {"a": 1}


def test_a_result_of_another_shape_is_told() -> None:
    with pytest.raises(DaemonUnreachable, match="not understood"):
        typed({"content": 3}, RouteReply)


def test_what_was_said_beside_the_message_can_be_had() -> None:
    found = details(error_of(body("no_provider")))

    assert found is not None
    assert (found.kind, found.provider) == ("no_provider", "p")
    assert details(DaemonUnreachable("nobody")) is None


def test_params_are_what_was_said_and_no_more() -> None:
    assert with_prompt(None, {"messages": []}) == {"messages": []}
    assert with_prompt("hi", {"model": "m"}) == {"prompt": "hi", "model": "m"}
    assert strategy_set("cost") == {"strategy": "cost"}
    assert strategy_set(None) == {"reset": True}
