"""Which columns of a table have room on a line, and how much each gets."""

from collections.abc import Mapping, Sequence

GAP = 2
LEAST = 20
"""A shortened column keeps so many characters: less tells nobody anything."""
LEAST_NAME = 30
"""A name keeps so many as long as there are other columns to leave out."""


def fit(
    columns: Mapping[str, int],
    room: int | None,
    *,
    long: Sequence[str] = (),
    names: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> dict[str, int]:
    """The columns that stay, in their order, and the width of each in characters.

    Those in ``long`` give what is missing first, down to ``LEAST`` or their header,
    then those in ``names`` down to ``LEAST_NAME``; if that is not enough, those in
    ``spare`` are left out, one after another, and at last names get ``LEAST``. What
    must stay may be wider than the room.

    Args:
        columns: The width each column would have.
        room: Characters on a line; None if nothing limits them.
        long: Columns of free text that may be shortened, the first ones first.
        names: Columns of names that may be shortened, the first ones first.
        spare: Columns that may be left out, the first ones first.
    """
    widths = dict(columns)
    if room is None:
        return widths
    wanted = {name: _least(name, columns, LEAST) for name in long if name in columns}
    wanted |= {n: _least(n, columns, LEAST_NAME) for n in names if n in columns}
    for name in spare:
        if _total(widths | wanted) <= room:
            break
        widths.pop(name, None)
        wanted.pop(name, None)
    for name in wanted:
        missing = max(0, _total(widths) - room)
        floor = _least(name, columns, LEAST)
        widths[name] = max(floor, widths[name] - missing)
    return widths


def _least(name: str, columns: Mapping[str, int], characters: int) -> int:
    return min(columns[name], max(len(name), characters))


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def shorten(text: str, width: int) -> str:
    """The text, or as much of its beginning as there is room for and an ellipsis."""
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def shorten_name(text: str, width: int) -> str:
    """As ``shorten``, but the middle goes: names that begin alike end differently."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return text[: width - 1 - end] + "…" + text[len(text) - end :]
