"""Lines leave in order; a reader that stalls costs lines, never time."""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

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


def wait_until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10.0
    while not holds():
        assert time.monotonic() < limit
        os.sched_yield()


def test_lines_lost_on_a_full_disk_are_said_when_there_is_room_again(
    pipe: Pipe,
) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    writer = LogWriter(descriptor, gap)
    for _ in range(2):
        before = writer.dropped
        writer.put(b"one\n")
        writer.put(b"two\n")
        wait_until(lambda before=before: writer.dropped == before + 2)  # type: ignore[misc]  # it is bound
    os.dup2(pipe.writing, descriptor)
    pipe.start_reading()
    writer.put(b"three\n")

    assert writer.close(10.0)
    os.close(descriptor)
    assert pipe.all_that_was_read() == b"three\ngap 4\n"
    assert writer.dropped == 4


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        writer = LogWriter(descriptor, gap)
        writer.put(b"whole\n")
        wait_until(lambda: path.stat().st_size == 6)
        writer.put(b"cut off\n")
        wait_until(lambda: writer.dropped == 1)
        assert path.read_bytes() == b"whole\ncut "
        writer.put(b"lost\n")
        wait_until(lambda: writer.dropped == 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    writer.put(b"again\n")
    assert writer.close(10.0)
    os.close(descriptor)

    assert path.read_bytes() == b"whole\ncut \nagain\ngap 2\n"


def test_a_reader_that_is_gone_for_good_costs_no_time(pipe: Pipe) -> None:
    """Each batch is tried once; nothing is tried again until there is another."""
    pipe.close(pipe.reading)
    told: list[int] = []

    def telling(count: int) -> bytes:
        told.append(count)
        return gap(count)

    writer = LogWriter(pipe.writing, telling)
    for number in range(1, 4):
        writer.put(b"x\n")
        wait_until(lambda number=number: writer.dropped == number)  # type: ignore[misc]  # it is bound

    assert writer.close()
    assert told == [1, 2]
