"""Aligned columns and colours."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from daemon.cli.render.fitting import fit, shorten, shorten_name

Tone = Literal["plain", "good", "warn", "bad", "dim", "bold"]

_CODES: dict[Tone, str] = {
    "good": "32",
    "warn": "33",
    "bad": "31",
    "dim": "2",
    "bold": "1",
}


class Paint(Struct, frozen=True):
    """What the place that text is written to can show; called, it paints.

    Attributes:
        coloured: Whether it shows colours.
        width: Characters a line has room for; None where nothing limits it, as in
            a file or a pipe.
    """

    coloured: bool = False
    width: int | None = None

    def __call__(self, text: str, tone: Tone) -> str:
        if tone == "plain" or not self.coloured:
            return text
        return f"\x1b[{_CODES[tone]}m{text}\x1b[0m"


no_colours = Paint()
colours = Paint(coloured=True)


class Cell(Struct, frozen=True):
    """One cell; the tone does not count for its width."""

    text: str
    tone: Tone = "plain"


Row = list[Cell | str]


def table(
    headers: Sequence[str],
    rows: Sequence[Row],
    paint: Paint,
    *,
    right: Sequence[str] = (),
    long: Sequence[str] = (),
    names: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> str:
    """Columns two spaces apart; those named in ``right`` are aligned there.

    Where the lines have less room, the columns of free text named in ``long`` are
    shortened, then those of ``names``, then those in ``spare`` are left out, each in
    the order named, and the end says which.
    Cells may not break out of their line: control characters become spaces.
    """
    cells = [[_cell(each) for each in row] for row in rows]
    columns = {
        header: max([len(header), *(len(row[index].text) for row in cells)])
        for index, header in enumerate(headers)
    }
    widths = fit(columns, paint.width, long=long, names=names, spare=spare)
    heads = [Cell(header, "dim") for header in headers]
    lines = [
        _line(_narrow(row, headers, widths, names), right, widths, paint)
        for row in [heads, *cells]
    ]
    gone = [header for header in headers if header not in widths]
    return "\n".join([*lines, *_left_out(gone, paint)])


def _left_out(gone: Sequence[str], paint: Paint) -> list[str]:
    if paint.width is None or not gone:
        return []
    one = len(gone) == 1
    columns, which = ("1 column", "it") if one else (f"{len(gone)} columns", "them")
    said = f"{columns} left out: {', '.join(gone)}; "
    said += f"wider terminal or --json shows {which}"
    lines = textwrap.wrap(said, paint.width, break_on_hyphens=False)
    return [paint(line, "dim") for line in lines]


def _cell(value: Cell | str) -> Cell:
    cell = value if isinstance(value, Cell) else Cell(value)
    return Cell(one_line(cell.text), cell.tone)


def _narrow(
    row: Sequence[Cell],
    headers: Sequence[str],
    widths: Mapping[str, int],
    names: Sequence[str],
) -> dict[str, Cell]:
    """The cells of the columns that stay, as short as these are."""
    narrow = {}
    for cell, header in zip(row, headers, strict=True):
        if header in widths:
            cut = shorten_name if header in names else shorten
            narrow[header] = Cell(cut(cell.text, widths[header]), cell.tone)
    return narrow


def _line(
    row: Mapping[str, Cell],
    right: Sequence[str],
    widths: Mapping[str, int],
    paint: Paint,
) -> str:
    parts = []
    for header, cell in row.items():
        space = " " * (widths[header] - len(cell.text))
        text = paint(cell.text, cell.tone)
        parts.append(space + text if header in right else text + space)
    return "  ".join(parts).rstrip()


def one_line(text: str) -> str:
    """Without control characters: what others wrote must not drive the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def printable(text: str) -> str:
    """As ``one_line``, but line breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "" for c in text)
