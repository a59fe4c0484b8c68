"""Aligned columns and colours."""

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

Tone = Literal["plain", "good", "warn", "bad", "dim", "bold"]
Paint = Callable[[str, Tone], str]

_CODES: dict[Tone, str] = {
    "good": "32",
    "warn": "33",
    "bad": "31",
    "dim": "2",
    "bold": "1",
}


def no_colours(text: str, _tone: Tone) -> str:
    """The ``Paint`` of anything that is not a terminal."""
    return text


def colours(text: str, tone: Tone) -> str:
    """The ``Paint`` of a terminal."""
    return text if tone == "plain" else f"\x1b[{_CODES[tone]}m{text}\x1b[0m"


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
) -> str:
    """Columns two spaces apart; those named in ``right`` are aligned there.

    Cells may not break out of their line: control characters become spaces.
    """
    cells = [[_cell(each) for each in row] for row in rows]
    widths = [
        max([len(header), *(len(row[index].text) for row in cells)])
        for index, header in enumerate(headers)
    ]
    flushed = [header in right for header in headers]
    heads = [Cell(header, "dim") for header in headers]
    return "\n".join(_line(row, widths, flushed, paint) for row in [heads, *cells])


def _cell(value: Cell | str) -> Cell:
    cell = value if isinstance(value, Cell) else Cell(value)
    return Cell(one_line(cell.text), cell.tone)


def _line(
    row: Sequence[Cell], widths: Sequence[int], right: Sequence[bool], paint: Paint
) -> str:
    parts = []
    for cell, width, flush in zip(row, widths, right, strict=True):
        space = " " * (width - len(cell.text))
        text = paint(cell.text, cell.tone)
        parts.append(space + text if flush else text + space)
    return "  ".join(parts).rstrip()


def one_line(text: str) -> str:
    """Without control characters: what others wrote must not drive the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def printable(text: str) -> str:
    """As ``one_line``, but line breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "" for c in text)
