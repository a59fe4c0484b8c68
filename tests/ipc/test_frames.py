"""Framing: whole messages whatever the chunking, and errors as values."""

import itertools
import math
import time

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from ipc.frames import (
    MAX_MESSAGE_BYTES,
    FrameError,
    Framing,
    JsonLines,
    MessageTooLong,
    MsgpackFrames,
)

Messages = list[bytes | FrameError]


def fed(framing: Framing, *pieces: bytes) -> Messages:
    return [message for piece in pieces for message in framing.feed(piece)]


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def errors(messages: Messages) -> list[FrameError]:
    return [m for m in messages if isinstance(m, FrameError)]


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


# JSON lines


def test_lines_are_messages_and_blank_ones_are_skipped() -> None:
    lines = fed(JsonLines(), b'{"a":1}\n\r\n  \n{"b":2}\r\n{"c"')

    assert lines == [b'{"a":1}', b'{"b":2}\r']


def test_the_last_line_needs_no_newline() -> None:
    framing = JsonLines()

    assert framing.feed(b'{"a":1}') == []
    assert framing.finish() == [b'{"a":1}']
    assert framing.finish() == []


def test_every_split_of_lines_gives_the_same_messages() -> None:
    data = '{"a":"é"}\n{"b":"😀"}\r\n\n{"c":3}\n'.encode()
    whole = fed(JsonLines(), data)

    assert len(whole) == 3
    for i in range(len(data) + 1):
        for j in range(i, len(data) + 1):
            assert fed(JsonLines(), data[:i], data[i:j], data[j:]) == whole


def test_a_line_that_is_too_long_is_skipped_and_told_once() -> None:
    framing = JsonLines(limit=8)

    messages = fed(framing, b"123456789", b"123456789\n", b"ok\n", b"12345678\n")

    assert messages[1:] == [b"ok", b"12345678"]
    [error] = errors(messages)
    assert not error.fatal
    assert "8 bytes" in error.wanted


def test_a_long_line_at_the_end_is_told_once_too() -> None:
    framing = JsonLines(limit=8)

    assert len(framing.feed(b"123456789")) == 1
    assert framing.finish() == []


# msgpack frames


def test_every_split_of_frames_gives_the_same_messages() -> None:
    data = frame(b"one") + frame(b"") + frame(b"three")

    for i in range(len(data) + 1):
        for j in range(i, len(data) + 1):
            framing = MsgpackFrames()
            found = fed(framing, data[:i], data[i:j], data[j:])
            assert found == [b"one", b"", b"three"]
            assert framing.finish() == []


def test_a_length_of_16_mib_or_more_is_fatal() -> None:
    framing = MsgpackFrames()

    messages = fed(framing, frame(b"ok"), b"GET / HTTP/1.1", frame(b"ok"))

    assert messages[0] == b"ok"
    [error] = errors(messages)
    assert error.fatal
    assert error.got == "the bytes 47 45 54 20"
    assert framing.finish() == []


@pytest.mark.parametrize("size", [9, 100])
def test_a_frame_over_the_limit_is_skipped_whatever_the_split(size: int) -> None:
    data = frame(b"first") + frame(b"x" * size) + frame(b"last")

    for i in range(len(data) + 1):
        for j in range(i, len(data) + 1):
            framing = MsgpackFrames(limit=8)
            messages = fed(framing, data[:i], data[i:j], data[j:])
            assert [m for m in messages if isinstance(m, bytes)] == [b"first", b"last"]
            assert [e.fatal for e in errors(messages)] == [False]


@pytest.mark.parametrize("cut", [1, 3, 4, 6])
def test_an_end_inside_a_frame_is_an_error(cut: int) -> None:
    framing = MsgpackFrames()
    framing.feed(frame(b"abc")[:cut])

    [error] = errors(framing.finish())

    assert error.got == f"{cut} bytes of one"
    assert framing.finish() == []


def test_an_end_inside_a_skipped_frame_is_an_error() -> None:
    framing = MsgpackFrames(limit=2)
    framing.feed(frame(b"abcdef")[:7])

    [error] = errors(framing.finish())

    assert error.got == "3 bytes too few"


# Both


@pytest.mark.slow
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
@settings(max_examples=200)
def test_arbitrary_bytes_never_raise_and_chunking_changes_nothing(
    data: bytes, cuts: list[int]
) -> None:
    for make in (JsonLines, MsgpackFrames):
        whole, parts = make(limit=40), make(limit=40)
        expected = [*whole.feed(data), *whole.finish()]
        found = [*fed(parts, *chunked(data, cuts)), *parts.finish()]
        kinds = [m if isinstance(m, bytes) else m.fatal for m in found]
        assert kinds == [m if isinstance(m, bytes) else m.fatal for m in expected]
        for message in expected:
            if isinstance(message, bytes):
                whole.decode(message)


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_decoding_arbitrary_bytes_gives_data_or_an_error(data: bytes) -> None:
    for framing in (JsonLines(), MsgpackFrames()):
        decoded = framing.decode(data)
        if isinstance(decoded, FrameError):
            assert decoded.message
            assert decoded.got
            assert decoded.wanted


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 5000,
        b'"\\ud800"',
        b"9" * 5000,
        b"\xff",
        b"",
    ],
    ids=lambda data: repr(data[:8]),
)
def test_hostile_json_is_an_error_value(data: bytes) -> None:
    assert isinstance(JsonLines().decode(data), FrameError)


def test_a_number_that_no_float_holds_is_left_to_whoever_reads_its_field() -> None:
    assert JsonLines().decode(b'{"id":1,"a":[1e999,-1e999,0.5]}') == {
        "id": 1,
        "a": [math.inf, -math.inf, 0.5],
    }


@pytest.mark.parametrize(
    "data",
    [b"\x91" * 100_000, b"\xa1\xff", b"\xdd\xff\xff\xff\xff", b"\x81\x80\x02", b"\xc1"],
    ids=lambda data: repr(data[:8]),
)
def test_hostile_msgpack_is_an_error_value(data: bytes) -> None:
    assert isinstance(MsgpackFrames().decode(data), FrameError)


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
@settings(max_examples=100)
def test_what_is_encoded_is_decoded_again(value: object) -> None:
    for framing in (JsonLines(), MsgpackFrames()):
        [message] = framing.feed(framing.encode(value))
        assert isinstance(message, bytes)
        assert framing.decode(message) == value


@pytest.mark.parametrize("make", [JsonLines, MsgpackFrames])
def test_a_message_that_fits_no_frame_is_refused(
    make: type[JsonLines | MsgpackFrames],
) -> None:
    with pytest.raises(MessageTooLong, match=str(MAX_MESSAGE_BYTES)):
        make().encode("x" * MAX_MESSAGE_BYTES)


@pytest.mark.parametrize("make", [JsonLines, MsgpackFrames])
def test_lone_surrogates_are_refused_when_sending(
    make: type[JsonLines | MsgpackFrames],
) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        make().encode("\ud800")


@pytest.mark.slow
@pytest.mark.parametrize("make", [JsonLines, MsgpackFrames])
def test_time_is_linear_in_what_is_fed(
    make: type[JsonLines | MsgpackFrames],
) -> None:
    """Four times the bytes in small pieces take at most about four times as long."""

    def seconds(size: int) -> float:
        data = make().encode(msgspec.json.encode("x" * size).decode())
        pieces = [data[i : i + 64] for i in range(0, len(data), 64)]
        framing = make()
        began = time.process_time()
        assert len(fed(framing, *pieces)) == 1
        return time.process_time() - began

    small = min(seconds(250_000) for _ in range(3))
    large = min(seconds(1_000_000) for _ in range(3))

    assert large < 10 * small
