"""Requests are read by the specification, and refused with the id where it is known."""

import pytest

from actors.messages.routing import ErrorInfo
from ipc.frames import FrameError
from ipc.rpc import (
    FAILED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    RefusedError,
    Request,
    error_code,
    read_request,
    unreadable,
)


def test_a_request_is_read_with_and_without_version() -> None:
    expected = Request(1, True, "status", {"a": 1})

    bare = {"id": 1, "method": "status", "params": {"a": 1}}
    assert read_request(bare) == expected
    assert read_request({"jsonrpc": "2.0", **bare}) == expected


def test_no_id_means_no_reply_but_null_is_an_id() -> None:
    assert not read_request({"method": "status"}).wants_reply
    assert read_request({"method": "status", "id": None}).wants_reply


@pytest.mark.parametrize("call_id", [0, -5, "", "x", "x" * 256, 2**62])
def test_ids_are_integers_or_strings(call_id: int | str) -> None:
    assert read_request({"id": call_id, "method": "m"}).id == call_id


@pytest.mark.parametrize("call_id", [True, 1.5, [], {}, "x" * 257, 2**64])
def test_other_ids_are_refused(call_id: object) -> None:
    with pytest.raises(RefusedError) as caught:
        read_request({"id": call_id, "method": "m"})

    assert caught.value.code == INVALID_REQUEST
    assert caught.value.call_id is None
    assert caught.value.info.field == "id"


@pytest.mark.parametrize(
    ("document", "call_id", "field"),
    [
        ([], None, None),
        (3, None, "request"),
        ({1: 2}, None, "request"),
        ({"id": 4}, 4, "method"),
        ({"id": 4, "method": 3}, 4, "method"),
        ({"id": 4, "method": ""}, 4, "method"),
        ({"id": 4, "method": "m", "jsonrpc": "1.0"}, 4, "jsonrpc"),
    ],
)
def test_what_is_no_request_is_refused_with_its_id(
    document: object, call_id: int | None, field: str | None
) -> None:
    with pytest.raises(RefusedError) as caught:
        read_request(document)

    assert caught.value.code == INVALID_REQUEST
    assert caught.value.call_id == call_id
    assert caught.value.info.field == field
    assert caught.value.info.wanted


def test_batches_are_refused_in_so_many_words() -> None:
    with pytest.raises(RefusedError, match="batches are not supported"):
        read_request([{"id": 1, "method": "status"}])


def info(kind: str, field: str | None) -> ErrorInfo:
    return ErrorInfo(
        kind=kind,  # type: ignore[arg-type]  # one of two literals below
        message="m",
        owner="caller",
        retryable=False,
        field=field,
    )


def test_only_a_named_param_is_an_invalid_param() -> None:
    assert error_code(info("invalid_request", "prompt")) == INVALID_PARAMS
    assert error_code(info("invalid_request", None)) == FAILED
    assert error_code(info("unknown_model", "model")) == FAILED


def test_unreadable_bytes_are_a_parse_error_without_an_id() -> None:
    reply = unreadable(FrameError(message="m", got="g", wanted="w"))

    assert (reply.id, reply.error.code) == (None, PARSE_ERROR)
    assert (reply.error.data.got, reply.error.data.wanted) == ("g", "w")
