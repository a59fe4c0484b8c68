"""The other daemons on the same Redis as text."""

from collections.abc import Sequence

from actors.messages.peers import PeerRow
from daemon.cli.render.table import Cell, Paint, Row, one_line, table
from daemon.cli.render.units import count, seconds


def peers(rows: Sequence[PeerRow], paint: Paint) -> str:
    """Who else is there, and when it was last heard of."""
    cells: list[Row] = [
        [
            one_line(each.name),
            one_line(each.version),
            seconds(each.uptime_s),
            count(each.in_flight),
            count(each.tasks),
            Cell(f"{seconds(each.last_seen_s)} ago", "plain" if each.alive else "bad"),
        ]
        for each in rows
    ]
    numbers = ("up", "in flight", "tasks", "last seen")
    return table(["other daemon", "version", *numbers], cells, paint, right=numbers)
