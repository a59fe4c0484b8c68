"""The session as transcripts: bytes in, events out, answers when they are ready."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import Cancelled, NoProvider
from actors.messages.chat import Delta
from actors.messages.routing import ErrorInfo, error_info
from ipc.frames import MAX_MESSAGE_BYTES, Framing, JsonLines, MsgpackFrames
from ipc.methods import METHODS, NoParams, Peer
from ipc.session import CancelCall, Event, Session, StartCall, StartRoute
from tests.support.fake_service import route_result


class Talk:
    """A session, and the peer that reads what it says."""

    def __init__(self, framing: Framing | None = None, *, tier: str = "admin") -> None:
        self.framing = framing or JsonLines()
        self.reader: Framing = type(self.framing)()
        self._ids = iter(f"r{i}" for i in range(1, 1000))
        peer = msgspec.convert({"door": "json", "tier": tier, "user": "ann"}, Peer)
        self.session = Session(
            self.framing, peer, version="1.2.3", new_id=lambda: next(self._ids)
        )

    def say(self, *messages: object) -> list[Event]:
        data = b"".join(self.reader.encode(message) for message in messages)
        return self.session.receive(data)

    def heard(self) -> list[dict[str, object]]:
        found = []
        for message in self.reader.feed(self.session.data_to_send()):
            assert isinstance(message, bytes)
            document = self.reader.decode(message)
            assert isinstance(document, dict)
            assert document.pop("jsonrpc") == "2.0"
            found.append(document)
        return found

    def route(self, call_id: object = 1, **params: object) -> StartRoute:
        [event] = self.say(
            {"id": call_id, "method": "route", "params": {"prompt": "hi", **params}}
        )
        assert isinstance(event, StartRoute)
        return event

    def error(self) -> dict[str, object]:
        [reply] = self.heard()
        error = reply["error"]
        assert isinstance(error, dict)
        return {"id": reply["id"], **error}


def part(document: Mapping[str, object], *path: str) -> object:
    found: object = document
    for name in path:
        assert isinstance(found, Mapping)
        found = found[name]
    return found


@pytest.fixture(params=[JsonLines, MsgpackFrames])
def talk(request: pytest.FixtureRequest) -> Talk:
    return Talk(request.param())


def test_hello_tells_who_answers(talk: Talk) -> None:
    assert talk.say({"id": "h", "method": "hello", "params": {"client": "x"}}) == []

    assert talk.heard() == [
        {
            "id": "h",
            "result": {
                "server": "gitbridge",
                "version": "1.2.3",
                "protocol": 1,
                "methods": list(METHODS),
                "user": "ann",
                "tier": "admin",
            },
        }
    ]


def test_hello_lists_only_what_the_caller_may_do() -> None:
    talk = Talk(tier="user")
    talk.say({"id": 1, "method": "hello"})

    [reply] = talk.heard()

    methods = part(reply, "result", "methods")
    assert isinstance(methods, list)
    changing = {"strategy.set", "weights.set", "reload", "drain"}
    assert set(METHODS) - set(methods) == changing


def test_hello_is_optional_and_a_request_is_answered_when_it_ends(talk: Talk) -> None:
    event = talk.route(7)
    assert event.request.request_id == "r1"
    assert event.request.user == "ann"
    assert event.request.door == talk.framing.door
    assert talk.heard() == []

    talk.session.finish(event.call, route_result("hello"))

    [reply] = talk.heard()
    assert reply["id"] == 7
    assert part(reply, "result", "content") == "hello"
    assert part(reply, "result", "cost_usd") == 0.000125
    assert talk.session.busy == 0


def test_answers_come_as_they_are_ready(talk: Talk) -> None:
    first, second = talk.route(1), talk.route("1")
    assert talk.session.in_flight == (first.call, second.call)

    talk.session.finish(second.call, route_result("b"))
    talk.session.finish(first.call, route_result("a"))

    assert [reply["id"] for reply in talk.heard()] == ["1", 1]


def test_nobody_is_answered_twice(talk: Talk) -> None:
    event = talk.route()

    talk.session.finish(event.call, route_result())
    talk.session.finish(event.call, route_result())
    talk.session.delta(event.call, Delta(content="late"))

    assert len(talk.heard()) == 1


def test_an_id_may_be_used_again_once_answered(talk: Talk) -> None:
    talk.session.finish(talk.route(1).call, route_result())

    talk.session.finish(talk.route(1).call, route_result())

    assert [reply["id"] for reply in talk.heard()] == [1, 1]


def test_null_is_an_id_like_any_other(talk: Talk) -> None:
    talk.session.finish(talk.route(None).call, route_result())

    [reply] = talk.heard()
    assert reply["id"] is None
    assert "result" in reply


def test_other_methods_are_handed_on_with_typed_params(talk: Talk) -> None:
    [event] = talk.say({"id": 1, "method": "status"})
    assert isinstance(event, StartCall)
    assert (event.method, event.params) == ("status", NoParams())

    talk.session.finish(event.call, {"cost": Decimal("1.5")})

    assert talk.heard() == [{"id": 1, "result": {"cost": 1.5}}]


def test_deltas_come_before_the_result(talk: Talk) -> None:
    event = talk.route(3, stream=True)
    assert event.request.stream

    talk.session.delta(event.call, Delta(content="a"))
    talk.session.delta(event.call, Delta(reasoning="hm"))
    talk.session.finish(event.call, route_result("a"))

    heard = talk.heard()
    assert [m.get("method", "result") for m in heard] == ["delta", "delta", "result"]
    assert heard[0]["params"] == {
        "id": 3,
        "index": 0,
        "content": "a",
        "reasoning": None,
        "tool_calls": [],
    }


def test_a_request_without_an_id_is_never_answered(talk: Talk) -> None:
    [event] = talk.say({"method": "route", "params": {"prompt": "x", "stream": True}})
    assert isinstance(event, StartRoute)
    talk.session.delta(event.call, Delta(content="a"))
    talk.session.finish(event.call, route_result())

    refused = talk.say(
        {"method": "nope"},
        {"method": "route", "params": {"prompt": 3}},
        {"method": "hello"},
        {"method": "cancel", "params": {"id": 9}},
    )

    assert refused == []
    assert talk.heard() == []


# Errors


def test_a_failed_request_tells_everything_that_is_known(talk: Talk) -> None:
    failure = NoProvider("nobody is there", retry_after_s=2.0)

    talk.session.finish(talk.route(5).call, error_info(failure))

    assert talk.error() == {
        "id": 5,
        "code": -32000,
        "message": "nobody is there",
        "data": {
            "kind": "no_provider",
            "retryable": True,
            "retry_after_s": 2.0,
            "provider": None,
            "attempts": [],
            "decision_id": None,
        },
    }


def test_a_param_found_wrong_later_is_an_invalid_param(talk: Talk) -> None:
    [event] = talk.say({"id": 1, "method": "history"})
    assert isinstance(event, StartCall)
    info = ErrorInfo(
        kind="invalid_request",
        message="no such cursor",
        owner="caller",
        retryable=False,
        field="cursor",
    )

    talk.session.finish(event.call, info)

    assert talk.error()["code"] == -32602


def test_unreadable_lines_are_answered_without_an_id_and_disturb_nobody() -> None:
    talk = Talk()

    events = talk.session.receive(b'{"id":\n{"id":1,"method":"status"}\n')

    assert len(events) == 1
    error = talk.error()
    assert (error["id"], error["code"]) == (None, -32700)
    assert part(error, "data", "kind") == "invalid_request"
    assert part(error, "data", "wanted") == "one JSON object"
    assert not talk.session.broken


def test_a_broken_frame_ends_the_reading() -> None:
    talk = Talk(MsgpackFrames())

    assert talk.session.receive(b"\xff\xff\xff\xff") == []

    assert talk.error()["code"] == -32700
    assert talk.session.broken


def test_an_end_inside_a_frame_is_told() -> None:
    talk = Talk(MsgpackFrames())
    talk.session.receive(b"\x00\x00")

    assert talk.session.receive_eof() == []

    assert talk.error()["code"] == -32700


def test_a_last_line_without_newline_is_a_request() -> None:
    talk = Talk()
    assert talk.session.receive(b'{"id":1,"method":"status"}') == []

    [event] = talk.session.receive_eof()

    assert isinstance(event, StartCall)


def test_batches_are_refused(talk: Talk) -> None:
    assert talk.say([{"id": 1, "method": "status"}]) == []

    error = talk.error()
    assert (error["id"], error["code"]) == (None, -32600)


def test_an_unknown_method_is_told_with_the_nearest(talk: Talk) -> None:
    assert talk.say({"id": 1, "method": "rout"}) == []

    error = talk.error()
    assert error["code"] == -32601
    assert "did you mean route?" in str(error["message"])


def test_a_wrong_param_is_named(talk: Talk) -> None:
    assert talk.say({"id": 1, "method": "route", "params": {"promt": "x"}}) == []
    assert talk.error()["code"] == -32602

    talk.say({"id": 1, "method": "route", "params": {"messages": [{"role": "bot"}]}})

    error = talk.error()
    assert error["code"] == -32602
    assert part(error, "data", "field") == "messages[0].role"
    assert part(error, "data", "got") == '"bot"'
    assert "user" in str(part(error, "data", "wanted"))


def test_an_id_in_flight_is_refused_and_the_first_goes_on(talk: Talk) -> None:
    first = talk.route(1)

    assert talk.say({"id": 1, "method": "status"}) == []

    error = talk.error()
    assert (error["id"], error["code"]) == (1, -32600)
    talk.session.finish(first.call, route_result("still here"))
    assert part(talk.heard()[0], "result", "content") == "still here"


def test_users_may_not_change_the_strategy() -> None:
    talk = Talk(tier="user")
    params = {"strategy": "cost"}

    assert talk.say({"id": 1, "method": "strategy.set", "params": params}) == []

    error = talk.error()
    assert error["code"] == -32000
    assert part(error, "data", "kind") == "not_permitted"
    assert "ann" in str(error["message"])


def test_a_nameless_user_is_told_so_too() -> None:
    session = Session(JsonLines(), Peer(door="json"), version="1", new_id=lambda: "r")

    session.receive(b'{"id":1,"method":"strategy.set","params":{"reset":true}}\n')

    assert b"this user" in session.data_to_send()


# Cancelling


def test_cancelling_is_answered_and_so_is_the_cancelled(talk: Talk) -> None:
    event = talk.route(1, stream=True)

    events = talk.say({"id": 2, "method": "cancel", "params": {"id": 1}})

    assert events == [CancelCall(event.call)]
    assert talk.heard() == [{"id": 2, "result": {"id": 1, "cancelled": True}}]
    talk.session.delta(event.call, Delta(content="late"))
    talk.session.finish(event.call, error_info(Cancelled("stopped")))
    error = talk.error()
    assert error["id"] == 1
    assert error["message"] == "stopped"
    assert part(error, "data", "kind") == "cancelled"


@pytest.mark.parametrize("outcome", [route_result(), {"some": "result"}], ids=type)
def test_an_answer_that_comes_too_late_is_not_delivered(
    talk: Talk, outcome: object
) -> None:
    event = talk.route(1)
    talk.say({"method": "cancel", "params": {"id": 1}})

    talk.session.finish(event.call, outcome)

    error = talk.error()
    assert part(error, "data", "kind") == "cancelled"
    decision = "d1" if not isinstance(outcome, dict) else None
    assert part(error, "data", "decision_id") == decision


def test_another_failure_of_a_cancelled_request_is_a_cancellation(talk: Talk) -> None:
    event = talk.route(1)
    talk.say({"method": "cancel", "params": {"id": 1}})

    talk.session.finish(event.call, error_info(NoProvider("x")))

    assert part(talk.error(), "data", "kind") == "cancelled"


def test_cancelling_nothing_says_so(talk: Talk) -> None:
    event = talk.route(1)
    cancel = {"id": 2, "method": "cancel", "params": {"id": 1}}

    assert talk.say({"id": 2, "method": "cancel", "params": {"id": "1"}}) == []
    assert talk.say(cancel) == [CancelCall(event.call)]
    assert talk.say(cancel) == []

    found = [part(reply, "result", "cancelled") for reply in talk.heard()]
    assert found == [False, True, False]


# What cannot be sent


@pytest.mark.parametrize("result", [{"x": "\ud800"}, {"x": object()}], ids=repr)
def test_an_answer_that_cannot_be_written_is_our_error(
    talk: Talk, result: object
) -> None:
    [event] = talk.say({"id": 1, "method": "status"})

    talk.session.finish(event.call, result)

    error = talk.error()
    assert (error["id"], error["code"]) == (1, -32000)
    assert part(error, "data", "kind") == "internal"


def test_an_answer_that_is_too_long_is_our_error(talk: Talk) -> None:
    [event] = talk.say({"id": 1, "method": "status"})

    talk.session.finish(event.call, "x" * MAX_MESSAGE_BYTES)

    assert "does not fit" in str(talk.error()["message"])


def test_an_answer_that_is_too_long_to_be_had_says_what_was_paid_for(
    talk: Talk,
) -> None:
    event = talk.route(1)

    talk.session.finish(event.call, route_result("x" * MAX_MESSAGE_BYTES))

    error = talk.error()
    assert part(error, "data", "decision_id") == "d1"
    assert part(error, "data", "provider") == "openai"
    assert part(error, "data", "attempts")


def test_an_error_that_cannot_be_written_is_still_an_error(talk: Talk) -> None:
    [event] = talk.say({"id": 1, "method": "status"})

    talk.session.finish(event.call, error_info(NoProvider("\ud800")))

    assert part(talk.error(), "data", "kind") == "internal"


def test_a_piece_that_cannot_be_written_is_left_to_the_result(talk: Talk) -> None:
    event = talk.route(1, stream=True)

    talk.session.delta(event.call, Delta(content="\ud800"))
    talk.session.finish(event.call, route_result())

    assert len(talk.heard()) == 1


# Anything at all

PIECES = st.sampled_from(
    [
        b'{"id":1,"method":"status"}\n',
        b'{"id":1,"method":"route","params":{"prompt":"x"}}\n',
        b'{"method":"cancel","params":{"id":1}}\n',
        b'{"id":2,"method":"cancel","params":{"id":1}}\n',
        b'{"id":2,"method":"hello"}\n',
        b'{"id":null,"method":3}\n',
        b"[1]\n",
        b"\x00\x00\x00\x01\x80",
        b"\x00\x00\x00\x1a\x82\xa2id\x01\xa6method\xa6status",
        b"\n",
    ]
) | st.binary(max_size=20)


@given(st.lists(PIECES, max_size=12), st.integers(1, 40))
@settings(max_examples=200)
def test_any_input_is_answered_at_most_once_a_request(
    pieces: list[bytes], step: int
) -> None:
    data = b"".join(pieces)
    for framing in (JsonLines(limit=64), MsgpackFrames(limit=64)):
        talk = Talk(framing)
        started = 0
        for start in range(0, len(data), step):
            for event in talk.session.receive(data[start : start + step]):
                if isinstance(event, CancelCall):
                    assert event.call in talk.session.in_flight
                else:
                    started += 1
        for event in talk.session.receive_eof():
            started += not isinstance(event, CancelCall)
        talk.heard()
        wanting = sum(call.wants_reply for call in talk.session.in_flight)
        for call in talk.session.in_flight:
            talk.session.finish(call, route_result())

        assert len(talk.heard()) == wanting <= started
        assert talk.session.busy == 0
