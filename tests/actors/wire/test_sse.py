"""The event-stream parser: grammar, any chunking, bounds."""

import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import ProviderResponseError
from actors.wire.sse import SseEvent, SseParser


def events_of(*chunks: bytes, limit: int = 1000) -> list[SseEvent]:
    parser = SseParser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_any_line_ending_ends_lines_and_events(newline: bytes) -> None:
    lines = [b"event: error", b"data: one", b"data:two ", b"", b"data: three", b"", b""]

    assert events_of(newline.join(lines)) == [
        SseEvent("error", b"one\ntwo "),
        SseEvent("", b"three"),
    ]


def test_comments_and_unknown_fields_yield_nothing() -> None:
    stream = b": OPENROUTER PROCESSING\n\n: keep-alive\nid: 7\nretry: 10\nfield\n\n"

    assert events_of(stream) == []


def test_a_comment_inside_an_event_does_not_end_it() -> None:
    assert events_of(b"data: a\n: ping\ndata: b\n\n") == [SseEvent("", b"a\nb")]


def test_only_one_space_behind_the_colon_is_stripped() -> None:
    assert events_of(b"data:  x\n\ndata:\ty\n\n") == [
        SseEvent("", b" x"),
        SseEvent("", b"\ty"),
    ]


def test_an_event_name_without_data_is_forgotten() -> None:
    assert events_of(b"event: a\n\ndata: b\n\n") == [SseEvent("", b"b")]


def test_data_without_a_value_is_an_empty_event() -> None:
    assert events_of(b"data\n\n") == [SseEvent("", b"")]


def test_a_byte_order_mark_is_skipped_even_when_cut() -> None:
    assert events_of(b"\xef", b"\xbb", b"\xbfdata: a\n\n") == [SseEvent("", b"a")]


def test_a_byte_order_mark_is_skipped_only_at_the_start() -> None:
    assert events_of(b"data: a\n\n\xef\xbb\xbfdata: b\n\n") == [SseEvent("", b"a")]


def test_crlf_cut_between_chunks_ends_one_line_not_two() -> None:
    assert events_of(b"data: a\r", b"", b"\ndata: b\r", b"\n\r", b"\n") == [
        SseEvent("", b"a\nb")
    ]


def test_cr_at_the_end_of_a_chunk_ends_the_event_at_once() -> None:
    assert events_of(b"data: a\r\r") == [SseEvent("", b"a")]


@pytest.mark.parametrize("rest", [b"data: b", b"data: b\n", b"data: b\r"])
def test_finish_returns_the_event_without_its_blank_line(rest: bytes) -> None:
    parser = SseParser()
    parser.feed(b"data: a\n\n" + rest)

    assert parser.finish() == [SseEvent("", b"b")]
    assert parser.finish() == []


def test_finish_returns_nothing_after_a_whole_stream() -> None:
    parser = SseParser()
    parser.feed(b"data: a\n\n: bye")

    assert parser.finish() == []


def test_an_endless_line_is_refused() -> None:
    parser = SseParser(100)
    parser.feed(b"data: " + b"x" * 90)

    with pytest.raises(ProviderResponseError, match="more than 100 bytes"):
        parser.feed(b"x" * 10)


def test_a_long_line_in_one_chunk_is_refused() -> None:
    with pytest.raises(ProviderResponseError):
        events_of(b"data: " + b"x" * 200 + b"\n", limit=100)


def test_a_line_that_ends_too_late_is_refused() -> None:
    with pytest.raises(ProviderResponseError):
        events_of(b"x" * 90, b"x" * 90 + b"\n", limit=100)


def test_an_endless_event_of_empty_lines_is_refused() -> None:
    with pytest.raises(ProviderResponseError):
        events_of(b"data:\n" * 100, limit=1000)


def test_the_bound_is_per_event_not_per_stream() -> None:
    assert len(events_of(*[b"data: " + b"x" * 500 + b"\n\n"] * 20)) == 20


_PIECES = st.sampled_from(
    [
        *(b"data", b"event", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n"),
        *(b"x", "é😀".encode(), b"{}", b"\xef\xbb\xbf", b"\xff"),
    ]
)


@given(st.lists(_PIECES, max_size=40).map(b"".join), st.data())
@settings(max_examples=100)
def test_any_chunking_gives_what_the_whole_gives(
    stream: bytes, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10).map(sorted))
    chunks = [
        stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]
    whole, cut = SseParser(), SseParser()

    expected = whole.feed(stream) + whole.finish()
    got = [event for chunk in chunks for event in cut.feed(chunk)] + cut.finish()

    assert got == expected
