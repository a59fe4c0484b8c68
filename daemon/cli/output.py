"""The terminal as the commands see it: results on stdout, everything else on stderr."""

import os
import sys
from collections.abc import Mapping
from typing import IO

import msgspec

from daemon.cli.render.table import Paint, no_colours, printable

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class OutputFailed(Exception):
    """Raised when the answer cannot be written; says why."""


class Output:
    """Where commands write. ``as_json``: one JSON document on stdout, nothing else."""

    def __init__(
        self,
        out: IO[str] | None = None,
        err: IO[str] | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        as_json: bool = False,
    ) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        self._columns = environ.get("COLUMNS", "")
        self.as_json = as_json

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads stdout."""
        return self._out.isatty()

    @property
    def errors_on_terminal(self) -> bool:
        """Whether a person reads stderr: the place for progress and summaries."""
        return self._err.isatty()

    @property
    def paint(self) -> Paint:
        """What stdout shows: if it is a terminal, colours it wants, and its width."""
        return self._paint(self._out)

    @property
    def error_paint(self) -> Paint:
        return self._paint(self._err)

    def _paint(self, stream: IO[str]) -> Paint:
        if not stream.isatty():
            return no_colours
        return Paint(coloured=not self._plain, width=self._width_of(stream))

    def _width_of(self, terminal: IO[str]) -> int | None:
        """``COLUMNS``, or what the terminal says; None if it says nothing."""
        if self._columns.isdecimal() and int(self._columns):
            return int(self._columns)
        try:
            return os.get_terminal_size(terminal.fileno()).columns or None
        except OSError:
            return None

    def result(self, text: str) -> None:
        """A rendered result, with a line break at its end."""
        self._put(text if text.endswith("\n") else f"{text}\n")

    def answer(self, text: str) -> None:
        """Some of a model's answer, at once: nothing in it may drive the terminal."""
        self._put(printable(text) if self.on_terminal else text)

    def control(self, text: str) -> None:
        """As it is, for a terminal that is being painted."""
        self._put(text)

    def document(self, value: object) -> None:
        """One JSON document; indented for people, one line for programs."""
        encoded = _ENCODER.encode(value)
        if self.on_terminal:
            encoded = msgspec.json.format(encoded, indent=2)
        self._put(encoded.decode() + "\n")

    def _put(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except BrokenPipeError:
            raise  # whoever read us has enough
        except OSError as error:
            raise OutputFailed(f"cannot write the answer: {error.strerror}") from error

    def note(self, text: str) -> None:
        """A sentence beside the result."""
        self._err.write(f"{text}\n")
        self._err.flush()

    def error(self, text: str) -> None:
        self.note(f"{self.error_paint('gitbridge:', 'bad')} {text}")
