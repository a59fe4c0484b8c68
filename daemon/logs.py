"""Logs: one JSON object a line on stdout, keys and prompts taken out last.

Fields: ``timestamp`` (UTC, RFC 3339, ``Z``), ``level``, ``event`` (snake_case),
``service``, ``actor``, then what was bound (``request_id``, ``decision_id``) and said.
On a journal stream each line carries its ``<N>`` priority. Get loggers with
``structlog.get_logger(actor="router")``; bind ids with ``.bind(request_id=...)``.
"""

import atexit
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime

import structlog
from typing_extensions import override

from daemon.config import LogConfig, LogLevel
from daemon.log_lines import SERVICE, ConsoleRenderer, JsonRenderer
from daemon.log_writer import LogWriter
from daemon.redaction import Redactor

_NAMES = {"warn": "warning", "exception": "error", "fatal": "critical"}
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_FRAMES = 12
_METHODS = (
    *("debug", "info", "warning", "warn", "error", "critical", "fatal", "log", "msg"),
    *("is_enabled_for", "get_effective_level"),
)


class LineLogger:
    """What structlog calls with a finished line; every level goes the same way."""

    __slots__ = ("critical", "debug", "error", "exception", "fatal", "info", "warning")

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self.debug = self.info = self.warning = self.error = put
        self.critical = self.exception = self.fatal = put


class Stamp:
    """The first processor: timestamp, level, event, service, actor, in this order."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._second = -1
        self._shown = ""

    def timestamp(self) -> str:
        """``timestamp`` of now; of the date and time only milliseconds are made anew."""
        second, ns = divmod(self._clock_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._shown = timestamp(second * 1_000_000_000)[:-4]
        return f"{self._shown}{ns // 1_000_000:03d}Z"

    def __call__(
        self, _logger: object, method: str, event: MutableMapping[str, object]
    ) -> MutableMapping[str, object]:
        stamped: dict[str, object] = {
            "timestamp": self.timestamp(),
            "level": _NAMES.get(method, method),
            "event": event.pop("event", ""),
            "service": SERVICE,
            "actor": event.pop("actor", "daemon"),
        }
        exc_info = event.pop("exc_info", None)
        stamped.update(event)
        if exc_info:
            stamped.update(exception_fields(exc_info))
        return stamped


class DirectLog:
    """Takes lines of JSON that their sender has encoded, and held against ``redactor``.

    For what is logged by the thousand, always in one shape: the processors make several
    tables of each line.
    """

    __slots__ = ("_put", "_threshold", "redactor", "timestamp")

    def __init__(
        self,
        put: Callable[[str, bytes], None],
        timestamp: Callable[[], str],
        redactor: Redactor,
    ) -> None:
        self._put = put
        self._threshold = 0
        self.timestamp = timestamp
        self.redactor = redactor

    def set_level(self, level: LogLevel) -> None:
        """See ``LogPipeline``."""
        self._threshold = _LEVELS[level]

    def writes(self, level: str) -> bool:
        """Whether lines of this level are written at all."""
        return _LEVELS[level] >= self._threshold

    def put(self, level: str, line: bytes) -> None:
        """Write a line of at most ``MAX_LINE_BYTES``, without its newline."""
        self._put(level, line)


class LogPipeline:
    """The running pipeline. ``redactor`` learns further keys; ``close`` flushes.

    ``direct`` is there where lines are JSON.
    """

    def __init__(
        self, writer: LogWriter, redactor: Redactor, direct: DirectLog | None
    ) -> None:
        self._writer = writer
        self.redactor = redactor
        self.direct = direct

    def set_level(self, level: LogLevel) -> None:
        """Leave out what is less severe from now on."""
        _set_level(_LEVELS[level])
        if self.direct is not None:
            self.direct.set_level(level)

    @property
    def dropped(self) -> int:
        """Lines that were not written since the start."""
        return self._writer.dropped

    def close(self, timeout_s: float = 2.0) -> bool:
        """Flush, for at most so many seconds; whether everything was written."""
        atexit.unregister(self._writer.close)
        for handler in list(logging.root.handlers):
            if isinstance(handler, _Bridge):
                logging.root.removeHandler(handler)
        return self._writer.close(timeout_s)


def configure_logging(
    config: LogConfig,
    *,
    secrets: Iterable[str] = (),
    descriptor: int = 1,
    environ: Mapping[str, str] = os.environ,
    clock_ns: Callable[[], int] = time.time_ns,
) -> LogPipeline:
    """Send structlog and the standard library's logging to one descriptor.

    Call it before the first line is logged: loggers are cached on first use.
    """
    redactor = Redactor(secrets, prompts=config.prompts)
    render: JsonRenderer | ConsoleRenderer
    journal = is_journal(descriptor, environ)
    if config.format == "console":
        colours = os.isatty(descriptor)
        render = ConsoleRenderer(redactor, colours=colours, journal=journal)
    else:
        render = JsonRenderer(redactor, journal=journal)
    stamp = Stamp(clock_ns)

    stamp_of_writer = Stamp(clock_ns)  # its thread must not be in the way of ours

    def dropped_line(count: int) -> bytes:
        event: dict[str, object] = {"event": "log_lines_dropped", "count": count}
        return render(None, "warning", stamp_of_writer(None, "warning", event))

    writer = LogWriter(descriptor, dropped_line)
    atexit.register(writer.close)
    structlog.configure(
        processors=[stamp, render],
        wrapper_class=_Levelled,
        logger_factory=lambda *_: LineLogger(writer.put),
        cache_logger_on_first_use=True,
    )
    _take_over_standard_logging()
    pipeline = LogPipeline(writer, redactor, _direct(render, writer, stamp))
    pipeline.set_level(config.level)
    return pipeline


def _direct(
    render: JsonRenderer | ConsoleRenderer, writer: LogWriter, stamp: Stamp
) -> DirectLog | None:
    if isinstance(render, ConsoleRenderer):
        return None
    framed = render.framed

    def put(level: str, line: bytes) -> None:
        writer.put(framed(level, line))

    return DirectLog(put, stamp.timestamp, render.redactor)


class _Levelled(structlog.make_filtering_bound_logger(0)):  # type: ignore[misc]  # a class made at run time
    """The class of all loggers, cached ones too: what it leaves out can change."""


def _set_level(level: int) -> None:
    """Take the methods of structlog's class for that level, where leaving out is free."""
    made = structlog.make_filtering_bound_logger(level)
    for name in _METHODS:
        setattr(_Levelled, name, getattr(made, name))
    logging.root.setLevel(max(level, logging.WARNING))


def timestamp(ns: int) -> str:
    """UTC epoch nanoseconds as RFC 3339 with milliseconds and ``Z``."""
    moment = datetime.fromtimestamp(ns // 1_000_000 / 1000, UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def is_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether the descriptor is the journal stream systemd opened (``device:inode``)."""
    named = environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return named == f"{status.st_dev}:{status.st_ino}"


def exception_fields(exc_info: object) -> dict[str, object]:
    """``error`` and the innermost frames as ``traceback``, without values."""
    if isinstance(exc_info, tuple):
        error = exc_info[1]
    else:
        error = exc_info if isinstance(exc_info, BaseException) else sys.exception()
    if not isinstance(error, BaseException):
        return {}
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return {
        "error": f"{type(error).__name__}: {error}",
        "traceback": [f"{f.filename}:{f.lineno} {f.name}" for f in frames],
    }


class _Bridge(logging.Handler):
    """Lines of libraries that use the standard library's logging."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        name = logging.getLevelName(record.levelno).lower()
        logger = structlog.get_logger(actor=record.name)
        log = getattr(logger, name if name in _LEVELS else "info")
        text = record.getMessage()
        log("library_message", message=text, exc_info=record.exc_info)


def _take_over_standard_logging() -> None:
    root = logging.root
    for handler in list(root.handlers):
        if type(handler) in {_Bridge, logging.StreamHandler}:
            root.removeHandler(handler)
    root.addHandler(_Bridge())
