"""One connection without an event loop, against a door in another thread."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.errors import DeadlineExceeded, InvalidRequest, NoProvider, NotPermitted
from ipc.calls import DaemonUnreachable
from ipc.connection import Connection, connect, open_socket
from ipc.results import DeltaParams, RouteReply
from ipc.subscribing import NoticeParams
from tests.support.door import short_folder
from tests.support.threaded_door import ThreadedDoor


@pytest.fixture
def there() -> Iterator[ThreadedDoor]:
    threaded = ThreadedDoor()
    yield threaded
    threaded.stop()


@pytest.fixture
def daemon(there: ThreadedDoor) -> Iterator[Connection]:
    with connect([there.door.path]) as connection:
        yield connection


def test_calls_are_answered_with_typed_results(daemon: Connection) -> None:
    reply = daemon.call("route", {"prompt": "hello"}, timeout_s=5)

    assert isinstance(reply, RouteReply)
    assert reply.content == "hello"


def test_answers_are_streamed(daemon: Connection) -> None:
    answer = daemon.stream("route", {"prompt": "one two", "stream": True})
    with pytest.raises(RuntimeError, match="still coming"):
        _ = answer.result

    assert [piece.content for piece in answer] == ["one ", "two "]
    assert isinstance(answer.result, RouteReply)
    whole = daemon.call("route", {"prompt": "one two", "stream": True})
    assert isinstance(whole, RouteReply)


def test_a_piece_is_waited_for_no_longer_than_is_said(
    there: ThreadedDoor, daemon: Connection
) -> None:
    told = daemon.stream("subscribe", {"topics": ["breakers"]})
    begun, silence = told.wait_for(5.0), told.wait_for(0.01)
    told.close()

    assert isinstance(begun, NoticeParams)
    assert begun.name == "subscribed"
    assert silence is None
    answer = daemon.stream("route", {"prompt": "one", "stream": True})
    piece, end = answer.wait_for(5.0), answer.wait_for(5.0)
    assert isinstance(piece, DeltaParams)
    assert (piece.content, end) == ("one ", None)
    there.door.service.refusal = DeadlineExceeded("it was late")
    with pytest.raises(DeadlineExceeded, match="it was late"):
        daemon.stream("route", {"prompt": "x", "stream": True}).wait_for(5.0)


def test_errors_are_raised_as_what_they_are(
    there: ThreadedDoor, daemon: Connection
) -> None:
    there.door.service.refusal = NoProvider("nobody")

    with pytest.raises(NoProvider, match="nobody"):
        daemon.call("route", {"prompt": "x"})
    with pytest.raises(InvalidRequest, match="did you mean status"):
        daemon.call("statsu")


def test_a_silent_daemon_is_given_up_and_its_late_answer_ignored(
    there: ThreadedDoor, daemon: Connection
) -> None:
    service = there.door.service
    service.hold = True
    with pytest.raises(DeadlineExceeded, match="said nothing for"):
        daemon.call("route", {"prompt": "x", "stream": True}, timeout_s=0.05)
    service.hold = False
    there.do(lambda _: service.answer(service.handles[0]))

    reply = daemon.call("route", {"prompt": "again"}, timeout_s=5)

    assert isinstance(reply, RouteReply)
    assert reply.content == "again"


def test_a_call_that_is_given_up_is_cancelled(
    there: ThreadedDoor, daemon: Connection
) -> None:
    service = there.door.service
    service.hold = True
    with pytest.raises(DeadlineExceeded):
        daemon.call("route", {"prompt": "x"}, timeout_s=0.2)

    there.wait(service.handles[0].stopped())


def test_a_stream_that_is_left_is_cancelled(
    there: ThreadedDoor, daemon: Connection
) -> None:
    service = there.door.service
    service.hold = True
    with daemon.stream("route", {"prompt": "x", "stream": True}) as answer:
        there.wait(service.arrived(1))
        there.do(lambda _: service.handles[0].send("some"))
        assert next(iter(answer)).content == "some"
    there.wait(service.handles[0].stopped())

    assert list(answer) == []
    with pytest.raises(RuntimeError, match="not come to its end"):
        _ = answer.result


def test_what_is_lost_is_seen(there: ThreadedDoor, daemon: Connection) -> None:
    daemon.call("route", {"prompt": "x"})
    ours, theirs = pair()
    seen = [daemon.lost, ours.lost]
    theirs.close()
    seen.append(ours.lost)
    ours.close()
    seen.append(ours.lost)

    assert seen == [False, False, True, True]
    ours.cancel(1)  # which changes nothing any more


def pair() -> tuple[Connection, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    return Connection(ours), theirs


def test_a_daemon_that_went_away_is_told() -> None:
    connection, theirs = pair()
    call = threading.Timer(0.02, theirs.close)
    call.start()
    with pytest.raises(DaemonUnreachable, match="went away"):
        connection.call("status", timeout_s=5)
    with pytest.raises(DaemonUnreachable, match="went away"):
        connection.call("status", timeout_s=5)
    connection.close()
    call.join()


def test_a_closed_connection_is_told() -> None:
    connection, theirs = pair()
    connection.close()

    with pytest.raises(DaemonUnreachable, match="went away"):
        connection.send("status", None, 5)
    theirs.close()


def test_a_reset_connection_is_told() -> None:
    connection, theirs = pair()
    connection.send("status", None, 5)
    theirs.close()  # with unread data: the other side sees a reset

    with pytest.raises(DaemonUnreachable, match="went away"):
        connection.next_message(5)
    connection.close()


def test_a_daemon_that_does_not_read_is_given_up() -> None:
    connection, theirs = pair()

    with pytest.raises(DeadlineExceeded, match="did not read"):
        connection.call("route", {"prompt": "x" * 4_000_000}, timeout_s=0.02)
    connection.close()
    theirs.close()


def test_the_first_socket_that_answers_is_taken(there: ThreadedDoor) -> None:
    folder = short_folder()

    opened = open_socket([folder / "none", there.door.path])

    assert opened.getpeername() == str(there.door.path)
    opened.close()
    folder.rmdir()


def test_no_permission_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    with pytest.raises(NotPermitted, match="no permission to use the socket /x"):
        connect(["/x"])


def test_no_daemon_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITBRIDGE_SOCKET", "/nonexistent/s")

    with pytest.raises(DaemonUnreachable, match="no daemon answers on /nonexistent/s"):
        connect()


@pytest.mark.slow
def test_importing_it_brings_no_event_loop_along() -> None:
    script = "import sys, ipc.blocking; print('asyncio' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=os.fspath(Path(__file__).parents[2]),
    )

    assert done.stdout == "False\n"
