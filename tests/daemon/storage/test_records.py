"""Records as bytes: what truncation and corruption can and cannot take away."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.messages.threads import ThreadEntry, ThreadNotes
from daemon.storage.records import (
    MAX_PAYLOAD_BYTES,
    decode_record,
    decode_spooled,
    encode_record,
    frame,
    scan,
)
from tests.support.records import record

HEADER = 8

# As records are: a msgpack map. Zero bytes make the search for the next one work hard.
payloads = st.binary(max_size=60).map(lambda tail: b"\xde" + tail) | st.integers(
    1, 60
).map(lambda size: b"\xde" + b"\0" * size)
segments = st.lists(payloads, min_size=1, max_size=8)


def found(data: bytes) -> list[bytes]:
    return [piece.payload for piece in scan(data).found]


def assert_nothing_is_missed(data: bytes) -> None:
    """Records and damage together are the whole segment, in order."""
    result = scan(data)
    pieces = sorted(
        [(p.start, p.end) for p in result.found]
        + [(d.start, d.end) for d in result.damage]
    )
    assert [start for start, _ in pieces] == [0, *(end for _, end in pieces)][:-1]
    assert result.end == len(data) == (pieces[-1][1] if pieces else 0)


@given(segments)
def test_whole_segments_are_read_in_order(written: list[bytes]) -> None:
    data = b"".join(map(frame, written))

    assert found(data) == written
    assert scan(data).damage == ()


@given(segments, st.data())
@settings(max_examples=200)
def test_a_torn_tail_takes_only_the_record_it_tore(
    written: list[bytes], draw: st.DataObject
) -> None:
    frames = [frame(payload) for payload in written]
    data = b"".join(frames)
    cut = draw.draw(st.integers(0, len(data)))
    whole, end = 0, 0
    while whole < len(frames) and end + len(frames[whole]) <= cut:
        end += len(frames[whole])
        whole += 1
    result = scan(data[:cut])

    assert [piece.payload for piece in result.found] == written[:whole]
    assert [(d.start, d.end, d.torn) for d in result.damage] == (
        [(end, cut, True)] if cut > end else []
    )


@given(segments, st.data())
@settings(max_examples=200)
def test_corruption_takes_only_the_records_it_touched(
    written: list[bytes], draw: st.DataObject
) -> None:
    frames = [frame(payload) for payload in written]
    data = bytearray(b"".join(frames))
    start = draw.draw(st.integers(0, len(data) - 1))
    noise = draw.draw(st.binary(min_size=1, max_size=40))[: len(data) - start]
    data[start : start + len(noise)] = noise
    untouched, offset = [], 0
    for payload, framed in zip(written, frames, strict=True):
        if bytes(data[offset : offset + len(framed)]) == framed:
            untouched.append(payload)
        offset += len(framed)

    assert found(bytes(data)) == untouched
    assert_nothing_is_missed(bytes(data))


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_accounted_for(data: bytes) -> None:
    assert_nothing_is_missed(data)


@given(segments, st.integers(1, 3))
def test_reading_in_steps_finds_the_same(written: list[bytes], step: int) -> None:
    data = b"garbage" + b"".join(map(frame, written)) + b"\0\0"
    position, in_steps = 0, []
    while position < len(data):
        result = scan(data, position, step)
        assert len(result.found) <= step
        in_steps += [piece.payload for piece in result.found]
        position = result.end

    assert in_steps == written


def test_a_last_record_that_is_whole_but_wrong_is_damage_and_not_a_torn_tail() -> None:
    data = bytearray(frame(b"\xde12345"))
    data[-1] ^= 1
    (damage,) = scan(bytes(data)).damage

    assert not damage.torn


def test_a_tail_of_zeros_is_damage() -> None:
    """What a power loss leaves where the file grew but its pages were not written."""
    result = scan(frame(b"\xde1") + b"\0" * 4096)

    assert len(result.found) == 1
    assert [damage.torn for damage in result.damage] == [False]


def test_looking_for_the_next_record_has_a_limit() -> None:
    hostile = (b"\x00\x03\xff\xff" + b"\0" * 4 + b"\xde" + b"\0" * 7) * 40_000
    result = scan(b"\xff" + hostile + frame(b"\xde1"))

    assert_nothing_is_missed(b"\xff" + hostile + frame(b"\xde1"))
    assert len(result.damage) == 1


@pytest.mark.parametrize("size", [0, MAX_PAYLOAD_BYTES + 1])
def test_impossible_sizes_are_not_framed(size: int) -> None:
    with pytest.raises(ValueError, match=str(size)):
        frame(bytes(size))


def payload_of(entry: bytes) -> bytes:
    (piece,) = scan(entry).found
    return piece.payload


def test_a_record_comes_back_equal() -> None:
    original = record(1, metadata={"pull_request": 7, "labels": ["a", "b"]})

    assert decode_record(payload_of(encode_record(original))) == original


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({"n": 10**30}, {"n": 2**63 - 1}),
        ({"n": -(10**30)}, {"n": -(2**63)}),
        ({"s": "a\ud800b"}, {"s": "a?b"}),
        ({"a\ud800": 1}, {"a?": 1}),
        ({"x": object}, {"x": "<class 'object'>"}),
        (
            {"x": 2**70, "y": [1, None, 0.5, True]},
            {"x": 2**63 - 1, "y": [1, None, 0.5, True]},
        ),
        ({"big": "x" * (MAX_PAYLOAD_BYTES + 1)}, {}),
    ],
    ids=["int", "negative", "surrogate", "key", "foreign", "mixed", "large"],
)
def test_metadata_that_cannot_be_written_is_written_approximately(
    metadata: dict[str, object], kept: dict[str, object]
) -> None:
    entry = encode_record(record(1, metadata=metadata))

    assert decode_record(payload_of(entry)) == record(1, metadata=kept)


def test_metadata_without_end_is_cut() -> None:
    endless: dict[str, object] = {}
    endless["again"] = [endless]
    written = decode_record(payload_of(encode_record(record(1, metadata=endless))))

    assert written.request_id == "r1"
    assert written.metadata


def test_text_that_is_no_text_anywhere_does_not_lose_the_record() -> None:
    odd = msgspec.structs.replace(
        record(1), error_message="\ud800", known_cost_usd=Decimal("0.1"), user="\udfff"
    )
    written = decode_record(payload_of(encode_record(odd)))

    assert written == msgspec.structs.replace(odd, error_message="?", user="?")


entries = st.builds(
    ThreadEntry,
    thread_id=st.text(max_size=9),
    kind=st.sampled_from(["question", "ballot"]),
    who=st.text(max_size=9),
    text=st.none() | st.text(max_size=50),
    cost_usd=st.none() | st.decimals(0, 9, places=12),
    data=st.dictionaries(
        st.text(max_size=5),
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=9),
        max_size=3,
    ),
)


@given(st.lists(entries, max_size=20).map(tuple))
def test_notes_of_threads_are_known_from_records(
    noted: tuple[ThreadEntry, ...],
) -> None:
    notes = ThreadNotes(noted)
    (payload,) = found(encode_record(notes))

    assert decode_spooled(payload) == notes
    (other,) = found(encode_record(record(1)))
    assert decode_spooled(other) == record(1)


def test_notes_that_are_no_unicode_are_cleaned() -> None:
    noted = ThreadEntry(thread_id="t", kind="note", who="ada", text="half \ud800 pair")
    (payload,) = found(encode_record(ThreadNotes((noted,))))

    notes = decode_spooled(payload)
    assert isinstance(notes, ThreadNotes)
    assert notes.thread_notes[0].text == "half ? pair"
