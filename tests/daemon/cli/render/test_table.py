"""Columns, colours, and text that must not drive a terminal."""

from daemon.cli.render.table import (
    Cell,
    colours,
    no_colours,
    one_line,
    printable,
    table,
)


def test_columns_are_aligned() -> None:
    shown = table(["name", "n"], [["a", "1"], ["long name", "100"]], no_colours)

    assert shown.splitlines() == ["name       n", "a          1", "long name  100"]


def test_numbers_are_aligned_to_the_right() -> None:
    shown = table(["n", "x"], [["1", "a"], ["100", "b"]], no_colours, right=("n",))

    assert shown.splitlines() == ["  n  x", "  1  a", "100  b"]


def test_colours_do_not_count_for_the_width() -> None:
    shown = table(["a", "b"], [[Cell("x", "good"), "y"]], colours)

    assert shown.splitlines()[1] == "\x1b[32mx\x1b[0m  y"


def test_a_table_without_rows_is_its_head() -> None:
    assert table(["a", "b"], [], no_colours) == "a  b"


def test_plain_text_gets_no_codes() -> None:
    assert colours("x", "plain") == "x"
    assert no_colours("x", "bad") == "x"


def test_cells_cannot_leave_their_line() -> None:
    assert one_line("a\x1b[2Jb\nc") == "a [2Jb c"
    assert "\x1b" not in table(["a"], [["\x1b]0;evil\x07"]], no_colours)


def test_answers_keep_their_line_breaks_only() -> None:
    assert printable("a\n\tb\x1b[2J\r") == "a\n\tb[2J"
    assert printable("plain") == "plain"
