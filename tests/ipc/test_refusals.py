"""What is said to whoever is not let in, in each protocol."""

import msgspec
import pytest

from ipc.frames import MsgpackFrames
from ipc.peers import Credentials
from ipc.refusals import NO_ROOM, Spoken, not_spoken, refusal, turned_away

STRANGER = turned_away(Credentials(pid=1, uid=4711, gid=1))


@pytest.mark.parametrize("spoken", ["json", "msgpack"])
def test_natively_it_is_an_error_to_nobody_in_particular(spoken: Spoken) -> None:
    said = refusal(spoken, NO_ROOM, "503 Service Unavailable")
    if spoken == "msgpack":
        framing = MsgpackFrames()
        [raw] = framing.feed(said)
        assert isinstance(raw, bytes)
        reply = framing.decode(raw)
    else:
        assert said.endswith(b"\n")
        reply = msgspec.json.decode(said)

    whole = msgspec.convert(reply, dict[str, object])
    error = msgspec.convert(whole["error"], dict[str, object])
    data = msgspec.convert(error["data"], dict[str, object])
    assert (data["kind"], data["retryable"]) == ("overloaded", True)
    assert data["retry_after_s"] == 1.0


def test_over_http_it_has_its_status_and_when_to_come_again() -> None:
    head, _, body = refusal("http", NO_ROOM, "503 Service Unavailable").partition(
        b"\r\n\r\n"
    )
    lines = head.decode().split("\r\n")
    error = msgspec.json.decode(body, type=dict[str, dict[str, str]])["error"]

    assert lines[0] == "HTTP/1.1 503 Service Unavailable"
    assert "retry-after: 1" in lines
    assert "connection: close" in lines
    assert f"content-length: {len(body)}" in lines
    assert (error["type"], error["code"]) == ("server_error", "overloaded")


def test_a_stranger_need_not_come_again() -> None:
    said = refusal("http", STRANGER, "403 Forbidden").decode()

    assert "retry-after" not in said
    assert "the user with number 4711 may not use this socket" in said
    assert "permission_error" in said


def test_somebody_without_credentials_is_nobody() -> None:
    assert turned_away(None).message == "nobody may not use this socket"


def test_what_is_not_spoken_is_quoted_and_what_is_named() -> None:
    said = not_spoken(b"\x16\x03\x01 a TLS hello", ("http", "json")).decode()

    assert "this protocol is not spoken here" in said
    assert "HTTP or JSON lines, beginning with {" in said
    assert r"begins with \"\\x16\\x03\\x01 a TL\"" in said
    assert "msgpack" not in said


def test_text_that_is_not_spoken_is_shown_as_text() -> None:
    said = msgspec.json.decode(not_spoken(b"hello\nagain", ("json",)))

    assert said["error"]["data"]["got"].endswith(r' begins with "hello\nag"')
