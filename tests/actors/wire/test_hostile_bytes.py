"""Whatever bytes a provider sends: our own error and no other, in linear time."""

import tracemalloc
from collections.abc import Callable
from time import perf_counter

import pytest
from hypothesis import given, settings, strategies as st

from actors.errors import ProviderError
from actors.wire.base import StreamDecoder
from actors.wire.catalogue import dialect_for
from tests.support.wire_oracle import (
    KINDS,
    OK,
    SEEDS,
    check_everything,
    check_plain,
    check_stream,
)

MEBIBYTE = 1024 * 1024
PATIENCE = 4.0  # times what exactly linear growth would take


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A valid body, or two, with bytes cut out, put in, repeated or changed."""
    body = draw(st.sampled_from(SEEDS))
    if draw(st.booleans()):
        body += draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 40)))
        new = draw(
            st.binary(max_size=8)
            | st.sampled_from(
                [
                    *(b"", b"null", b"[]", b"{}", b'""', b"-1", b"1e308", b"\\ud83d"),
                    *(
                        b"\n\n",
                        b"\r",
                        b"\xff",
                        b'"error":{"code":1},',
                        b"true",
                        b"9" * 30,
                    ),
                ]
            )
            | st.just(body[start:end] * 2)
        )
        body = body[:start] + new + body[end:]
    return body


@given(spoilt() | st.binary(max_size=200), st.integers(1, 50))
@settings(max_examples=300, deadline=None)
def test_every_dialect_keeps_its_promises(body: bytes, size: int) -> None:
    check_everything(body, (body[i : i + size] for i in range(0, len(body), size)))


@pytest.mark.parametrize("seed", SEEDS)
def test_valid_bodies_keep_them_too(seed: bytes) -> None:
    check_everything(seed, [seed])


def repeated(start: bytes, middle: bytes, end: bytes = b"") -> Callable[[int], bytes]:
    return lambda times: start + middle * times + end


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "brackets": repeated(b"", b"["),
    "objects": repeated(b"", b'{"a":'),
    "tags": repeated(b"", b"<"),
    "open tags": repeated(b"", b"<a "),
    "backslashes": repeated(b'{"error":"', b"\\", b'"}'),
    "half emoji": repeated(b'{"error":"', b"\\ud83d", b'"}'),
    "broken text": repeated(b'{"error":"', b"\xf0\x9f", b'"}'),
    "blank lines": repeated(b"", b"\n"),
    "carriage returns": repeated(b"", b"\r"),
    "comments": repeated(b"", b": x\n"),
    "data lines": repeated(b"", b"data: x\n"),
    "events": repeated(b"", b'data: {"choices":[]}\n\n'),
    "closing braces": repeated(b"{", b"}"),
    "words": repeated(b'{"error":"', b"a ", b'"}'),
    "details": repeated(b'{"error":{"details":[', b"{},", b"1]}}"),
    "calls": repeated(
        b'data: {"id":"' + b"x" * 10_000 + b'","choices":[{"delta":{"tool_calls":[',
        b'{"function":{}},',
        b"{}]}}]}\n\n",
    ),
    "pieces of a call": repeated(
        b"",
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":'
        b'{"arguments":"x"}}]}}]}\n\n',
    ),
    "blocks": repeated(
        b"",
        b'data: {"type":"content_block_start","index":0,"content_block":'
        b'{"type":"tool_use","id":"a","name":"b","input":{}}}\n\n',
    ),
}


def seconds(work: Callable[[], None]) -> float:
    """The least of three, so that what else the machine does counts little."""
    return min(_timed(work) for _ in range(3))


def _timed(work: Callable[[], None]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("name", list(HOSTILE))
def test_time_grows_no_faster_than_the_input(name: str, kind: str) -> None:
    dialect, make = dialect_for(kind), HOSTILE[name]
    unit = len(make(1000)) - len(make(0))

    def work(size: int) -> Callable[[], None]:
        body = make(1 + size * 1000 // unit)
        pieces = [body[i : i + 1000] for i in range(0, len(body), 1000)]

        def run() -> None:
            check_plain(dialect, body)
            check_stream(dialect, pieces)

        return run

    small, large = seconds(work(40_000)), seconds(work(320_000))

    assert large < 8 * PATIENCE * small + 0.01


def feed_endlessly(decoder: StreamDecoder, head: bytes, piece: bytes) -> None:
    decoder.feed(head)
    for _ in range(2000):
        decoder.feed(piece)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b"data: " + b"x" * 65_536),
        (b"", b"data: x\n" * 4096),
        (b"{", b" " * 65_536),
        (b"[", b"{}," * 20_000),
        (b"event: ", b"x" * 65_536),
    ],
)
def test_an_endless_stream_is_given_up_within_a_bound(
    kind: str, head: bytes, piece: bytes
) -> None:
    decoder = dialect_for(kind).stream_decoder(OK)
    tracemalloc.start()
    try:
        with pytest.raises(ProviderError):
            feed_endlessly(decoder, head, piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100 * MEBIBYTE
