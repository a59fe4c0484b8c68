"""Lines leave in order; a reader that stalls costs lines, never time."""

import os
import threading
from collections.abc import Iterator

import pytest

from daemon.log_writer import LogWriter


def gap(count: int) -> bytes:
    return f"gap {count}\n".encode()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def read_all(descriptor: int) -> bytes:
    data = bytearray()
    while piece := os.read(descriptor, 65536):
        data += piece
    return bytes(data)


def test_lines_are_written_in_order_and_flushed_at_close(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, gap)
    lines = [f"line {n}\n".encode() for n in range(500)]
    for line in lines:
        writer.put(line)

    assert writer.close()
    os.close(writing)
    assert read_all(reading) == b"".join(lines)
    assert writer.dropped == 0


def test_a_stalled_reader_loses_lines_that_are_counted_and_said(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, gap, max_bytes=64 * 1024)
    line = b"x" * 1023 + b"\n"
    for _ in range(1000):  # far more than pipe and queue hold together
        writer.put(line)
    dropped = writer.dropped
    collected: list[bytes] = []
    reader = threading.Thread(target=lambda: collected.append(read_all(reading)))
    reader.start()
    closed = writer.close(10.0)
    os.close(writing)
    reader.join(10.0)
    lines = collected[0].splitlines()

    assert closed
    assert dropped > 0
    assert lines[-1] == f"gap {dropped}".encode()
    assert len(lines) - 1 + dropped == 1000


def test_close_does_not_wait_for_ever(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, gap)
    writer.put(b"x" * (1024 * 1024))

    assert writer.close(0.05) is False
    threading.Thread(target=read_all, args=(reading,)).start()
    assert writer.close(10.0) is True
    os.close(writing)


def test_a_reader_that_is_gone_is_survived(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.close(reading)
    writer = LogWriter(writing, gap)
    writer.put(b"one\ntwo\n")

    assert writer.close()
    assert writer.dropped == 2


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    writer = LogWriter(writing, gap)
    data = b"x" * (512 * 1024) + b"\n"
    writer.put(data)
    collected: list[bytes] = []
    reader = threading.Thread(target=lambda: collected.append(read_all(reading)))
    reader.start()
    assert writer.close(10.0)
    os.close(writing)
    reader.join(10.0)

    assert collected == [data]
