"""The terminal: colours, documents, notes."""

from decimal import Decimal

from daemon.cli.render.table import colours, no_colours
from tests.support.cli import Screen


def test_colours_are_for_terminals_that_want_them() -> None:
    assert Screen(tty=True).output(plain=False).paint is colours
    assert Screen(tty=True).output(plain=True).paint is no_colours
    assert Screen(tty=False).output(plain=False).paint is no_colours
    assert Screen(tty=True).output(plain=False).error_paint is colours


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
