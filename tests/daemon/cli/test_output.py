"""The terminal: colours, documents, notes."""

import fcntl
import os
import struct
import termios
from decimal import Decimal

import pytest

from daemon.cli.output import Output
from daemon.cli.render.table import Paint, colours, no_colours
from tests.support.cli import FakeTerminal, Screen


def test_colours_are_for_terminals_that_want_them() -> None:
    assert Screen(tty=True).output(plain=False).paint == colours
    assert Screen(tty=True).output(plain=True).paint == no_colours
    assert Screen(tty=False).output(plain=False).paint == no_colours
    assert Screen(tty=True).output(plain=False).error_paint == colours


@pytest.mark.parametrize(
    ("columns", "width"), [("40", 40), ("0", None), ("wide", None), ("", None)]
)
def test_the_width_can_be_named(columns: str, width: int | None) -> None:
    screen = FakeTerminal(tty=True)
    out = Output(screen, screen, environ={"COLUMNS": columns})

    assert out.paint == Paint(coloured=True, width=width)


def test_a_pipe_has_no_width() -> None:
    pipe = FakeTerminal()

    assert Output(pipe, pipe, environ={"COLUMNS": "40"}).paint.width is None


def test_a_terminal_tells_its_width() -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb"):
        out = Output(terminal, terminal, environ={"NO_COLOR": "1"})

        assert out.paint == Paint(width=72)
        assert out.error_paint == Paint(width=72)


def test_documents_are_one_line_for_programs_and_indented_for_people() -> None:
    piped, shown = Screen(), Screen(tty=True)
    piped.output().document({"a": Decimal("0.10")})
    shown.output().document({"a": 1})

    assert piped.out == '{"a":0.10}\n'
    assert shown.out == '{\n  "a": 1\n}\n'


def test_results_end_with_one_line_break() -> None:
    screen = Screen()
    screen.output().result("a")
    screen.output().result("b\n")

    assert screen.out == "a\nb\n"


def test_errors_go_beside_and_name_the_program() -> None:
    screen = Screen()
    screen.output().error("broken")

    assert (screen.out, screen.err) == ("", "gitbridge: broken\n")
