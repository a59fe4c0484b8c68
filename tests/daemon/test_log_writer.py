"""Lines leave in order; a reader that stalls costs lines, never time."""

import os
import threading
from collections.abc import Iterator

import pytest

from daemon.log_writer import LogWriter


def gap(count: int) -> bytes:
    return f"gap {count}\n".encode()


class Pipe:
    """Both ends of a pipe; each is closed once."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._open = {self.reading, self.writing}
        self._read = bytearray()
        self._reader = threading.Thread(target=self._read_all)

    def close(self, *ends: int) -> None:
        for end in ends or tuple(self._open):
            self._open.discard(end)
            os.close(end)

    def start_reading(self) -> None:
        self._reader.start()

    def _read_all(self) -> None:
        while piece := os.read(self.reading, 65536):
            self._read += piece

    def all_that_was_read(self) -> bytes:
        """Close the writing end and read to the end."""
        self.close(self.writing)
        self._reader.join(10.0)
        return bytes(self._read)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_lines_are_written_in_order_and_flushed_at_close(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, gap)
    lines = [f"line {n}\n".encode() for n in range(500)]
    for line in lines:
        writer.put(line)
    pipe.start_reading()

    assert writer.close()
    assert pipe.all_that_was_read() == b"".join(lines)
    assert writer.dropped == 0


def test_a_stalled_reader_loses_lines_that_are_counted_and_said(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, gap, max_bytes=64 * 1024)
    line = b"x" * 1023 + b"\n"
    for _ in range(1000):  # far more than pipe and queue hold together
        writer.put(line)
    dropped = writer.dropped
    pipe.start_reading()

    assert writer.close(10.0)
    lines = pipe.all_that_was_read().splitlines()
    assert dropped > 0
    assert lines[-1] == f"gap {dropped}".encode()
    assert len(lines) - 1 + dropped == 1000


def test_close_does_not_wait_for_ever(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing, gap)
    writer.put(b"x" * (1024 * 1024))

    assert writer.close(0.05) is False
    pipe.start_reading()
    assert writer.close(10.0) is True
    assert len(pipe.all_that_was_read()) == 1024 * 1024


def test_a_reader_that_is_gone_is_survived(pipe: Pipe) -> None:
    pipe.close(pipe.reading)
    writer = LogWriter(pipe.writing, gap)
    writer.put(b"one\ntwo\n")

    assert writer.close()
    assert writer.dropped == 2


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    writer = LogWriter(pipe.writing, gap)
    data = b"x" * (512 * 1024) + b"\n"
    writer.put(data)
    pipe.start_reading()

    assert writer.close(10.0)
    assert pipe.all_that_was_read() == data
