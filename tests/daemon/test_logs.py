"""Log lines as they arrive on the descriptor."""

import logging
import os
from collections.abc import Iterator

import msgspec
import pytest
import structlog

from daemon.config import LogConfig, LogLevel
from daemon.log_lines import MAX_LINE_BYTES
from daemon.logs import LogPipeline, configure_logging, timestamp

NOON = 1_764_072_000_123_456_789  # 2025-11-25 12:00:00.123 UTC


class Tap:
    """A pipeline into a pipe."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.pipeline: LogPipeline | None = None

    def start(
        self,
        config: LogConfig | None = None,
        *,
        secrets: tuple[str, ...] = (),
        environ: dict[str, str] | None = None,
    ) -> None:
        self.pipeline = configure_logging(
            config or LogConfig(),
            secrets=secrets,
            descriptor=self.writing,
            environ=environ or {},
            clock_ns=lambda: NOON,
        )

    def raw(self) -> list[bytes]:
        """Close and read every line."""
        assert self.pipeline is not None
        self.pipeline.close()
        os.close(self.writing)
        self.writing = -1
        data = bytearray()
        while piece := os.read(self.reading, 65536):
            data += piece
        return bytes(data).splitlines()

    def lines(self) -> list[dict[str, object]]:
        return [msgspec.json.decode(line, type=dict) for line in self.raw()]

    def close(self) -> None:
        if self.pipeline is not None:
            self.pipeline.close()
        for descriptor in (self.reading, self.writing):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def tap() -> Iterator[Tap]:
    level = logging.root.level
    made = Tap()
    yield made
    made.close()
    structlog.reset_defaults()
    logging.root.setLevel(level)


def test_a_line_has_the_contracts_fields_first(tap: Tap) -> None:
    tap.start()
    log = structlog.get_logger(actor="router")
    log.bind(request_id="r1", decision_id="d1").info("request_finished", attempts=2)

    expected = (
        b'{"timestamp":"2025-11-25T12:00:00.123Z","level":"info",'
        b'"event":"request_finished","service":"gitbridge","actor":"router",'
        b'"request_id":"r1","decision_id":"d1","attempts":2}'
    )

    assert tap.raw() == [expected]


def test_timestamps_are_utc_rfc_3339() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(NOON) == "2025-11-25T12:00:00.123Z"


def test_without_an_actor_it_is_the_daemon(tap: Tap) -> None:
    tap.start()
    structlog.get_logger().warning("x")

    assert tap.lines()[0]["actor"] == "daemon"


def test_keys_and_prompts_never_arrive(tap: Tap) -> None:
    tap.start(secrets=("my-secret-key",))
    structlog.get_logger().info(
        "sent",
        url="https://h/?k=my-secret-key",
        prompt="hello",
        nested={"a": "sk-12345678"},
    )
    line = b"".join(tap.raw())

    assert b"my-secret" not in line
    assert b"hello" not in line
    assert b"12345678" not in line


def test_keys_found_later_are_redacted_too(tap: Tap) -> None:
    tap.start()
    assert tap.pipeline is not None
    tap.pipeline.redactor.add("late-secret")
    structlog.get_logger().info("sent", x="late-secret")

    assert tap.lines()[0]["x"] == "***"


@pytest.mark.parametrize(
    ("level", "events"),
    [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)],
)
def test_levels_below_the_configured_one_are_left_out(
    tap: Tap, level: LogLevel, events: int
) -> None:
    tap.start(LogConfig(level=level))
    log = structlog.get_logger()
    log.debug("a")
    log.info("b")
    log.warning("c")

    assert len(tap.raw()) == events


def test_long_lines_are_cut_below_16_kib_and_say_so(tap: Tap) -> None:
    tap.start()
    log = structlog.get_logger()
    log.info("long", text="x" * 100_000, kept="y")
    log.info("wide", **{f"k{n}": "x" * 300 for n in range(200)})
    log.info("list", items=["x" * 100] * 1000)
    raw = tap.raw()
    lines = [msgspec.json.decode(line, type=dict) for line in raw]

    assert all(len(line) <= MAX_LINE_BYTES for line in raw)
    assert all(line["truncated"] is True for line in lines)
    assert lines[0]["kept"] == "y"
    assert lines[1]["event"] == "wide"


def test_what_json_cannot_say_is_still_a_line(tap: Tap) -> None:
    tap.start()
    structlog.get_logger().info("odd", lone="\ud800", big=2**80, value=object)
    line = tap.lines()[0]

    assert line["lone"] == "\\ud800"
    assert line["big"] == str(2**80)


def fail() -> None:
    raise ValueError("broken")


def test_an_exception_is_its_sentence_and_its_frames(tap: Tap) -> None:
    tap.start()
    try:
        fail()
    except ValueError as error:
        structlog.get_logger().exception("failed")
        structlog.get_logger().error("failed", exc_info=error)
    structlog.get_logger().error("failed", exc_info=True)
    first, second, third = tap.lines()

    assert first["level"] == "error"
    assert first["error"] == second["error"] == "ValueError: broken"
    assert str(first["traceback"]).count("test_logs.py") == 2
    assert "error" not in third


def test_on_a_journal_stream_lines_carry_their_priority(tap: Tap) -> None:
    status = os.fstat(tap.writing)
    tap.start(environ={"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
    log = structlog.get_logger()
    log.info("a")
    log.warning("b")
    log.error("c")
    log.critical("d")

    assert [line[:4] for line in tap.raw()] == [b"<6>{", b"<4>{", b"<3>{", b"<2>{"]


@pytest.mark.parametrize("stream", ["", "1:2", "nonsense"])
def test_elsewhere_they_do_not(tap: Tap, stream: str) -> None:
    tap.start(environ={"JOURNAL_STREAM": stream})
    structlog.get_logger().info("a")

    assert tap.raw()[0].startswith(b"{")


def test_libraries_that_use_the_standard_logging_are_heard(tap: Tap) -> None:
    tap.start()
    logging.getLogger("asyncio").warning("slow %s", "callback")  # noqa: TID251 - as they do
    logging.getLogger("asyncio").info("chatter")  # noqa: TID251 - as they do
    (line,) = tap.lines()

    assert line["event"] == "library_message"
    assert (line["level"], line["actor"]) == ("warning", "asyncio")
    assert line["message"] == "slow callback"


def test_the_console_is_for_people(tap: Tap) -> None:
    tap.start(LogConfig(format="console"))
    structlog.get_logger(actor="router").warning("breaker_opened", n=3, text="a\nb")

    assert tap.raw() == [b"12:00:00.123 warning  router: breaker_opened n=3 text=a\\nb"]


def test_the_console_on_a_journal_stream_carries_priorities_too(tap: Tap) -> None:
    status = os.fstat(tap.writing)
    stream = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    tap.start(LogConfig(format="console"), environ=stream)
    structlog.get_logger().error("broken")

    assert tap.raw() == [b"<3>12:00:00.123 error    daemon: broken"]


def test_no_line_for_people_is_too_long_or_drives_the_terminal(tap: Tap) -> None:
    tap.start(LogConfig(format="console"))
    structlog.get_logger().info("long", text="é" * 20_000)
    structlog.get_logger().info("odd", text="a\x1b[2J\r\u2028b")
    long, odd = tap.raw()

    assert len(long) <= MAX_LINE_BYTES
    assert long.endswith(b"\xc3\xa9...")
    assert odd.endswith(b"text=a\\x1b[2J\\r\\u2028b")


def test_dropped_lines_are_counted(tap: Tap) -> None:
    tap.start()
    assert tap.pipeline is not None

    assert tap.pipeline.dropped == 0
