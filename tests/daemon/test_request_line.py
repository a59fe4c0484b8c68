"""The line about a request: the short way writes what the long way would."""

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import structlog
from msgspec.structs import replace

from actors.messages.routing import RequestRecord
from daemon.config import LogConfig
from daemon.log_lines import MAX_LINE_BYTES
from daemon.logs import LogPipeline, configure_logging
from daemon.request_line import RequestLog
from tests.support.records import record

NOON = 1_764_072_000_123_456_789


class Written:
    """Both ways into one file."""

    def __init__(self, file: Path, level: str = "info") -> None:
        self.file = file
        self.writing = os.open(file, os.O_WRONLY | os.O_CREAT)
        config = msgspec.convert({"level": level}, LogConfig)
        self.pipeline: LogPipeline = configure_logging(
            config,
            secrets=["my-own-key"],
            descriptor=self.writing,
            environ={},
            clock_ns=lambda: NOON,
        )
        assert self.pipeline.direct is not None
        self.short = RequestLog(self.pipeline.direct)
        self.long = RequestLog()

    def lines(self) -> list[bytes]:
        self.pipeline.close()
        os.close(self.writing)
        return self.file.read_bytes().splitlines()


@pytest.fixture(autouse=True)
def defaults_afterwards() -> Iterator[None]:
    yield
    structlog.reset_defaults()


RECORDS = [
    record(1),
    replace(record(2), cost_usd=Decimal("0.00001965")),
    record(3, attempts=(), outcome="no_provider"),
    replace(
        record(4, outcome="provider_error"),
        error_message="the key sk-abcdefghijkl is bad",
    ),
    record(5, task_type="my-own-key"),
    record(6, task_type='a "quoted" text\nof two lines, ünïcode'),
    record(7, task_type="half \ud800 of a pair"),
    record(8, task_type="long" * MAX_LINE_BYTES),
]


@pytest.mark.parametrize("finished", RECORDS, ids=lambda each: each.request_id)
def test_both_ways_write_the_same(finished: RequestRecord, tmp_path: Path) -> None:
    written = Written(tmp_path / "log")
    written.short(finished)
    written.short(finished)  # whose words are known now
    written.long(finished)

    one, again, other = written.lines()
    assert one == again == other
    assert len(one) <= MAX_LINE_BYTES


def test_a_key_that_becomes_known_later_is_masked_from_then_on(tmp_path: Path) -> None:
    written = Written(tmp_path / "log")
    written.short(record(1, task_type="a-new-secret"))
    written.pipeline.redactor.add("a-new-secret")
    written.short(record(2, task_type="a-new-secret"))

    before, after = written.lines()
    assert b"a-new-secret" in before
    assert b"a-new-secret" not in after


def test_a_level_that_is_off_is_not_written(tmp_path: Path) -> None:
    written = Written(tmp_path / "log", "warning")
    written.short(record(1))
    written.short(record(2, outcome="provider_error"))

    (line,) = written.lines()
    assert msgspec.json.decode(line)["request_id"] == "r2"


def test_what_is_remembered_of_words_is_bounded(tmp_path: Path) -> None:
    written = Written(tmp_path / "log")
    for number in range(1100):
        written.short(record(number, user=f"user {number}"))

    assert len(written.lines()) == 1100
