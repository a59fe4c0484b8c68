"""Daily budgets as text."""

from collections.abc import Sequence

from actors.messages.budgets import BudgetRow
from daemon.cli.render.table import Cell, Paint, Row, table
from daemon.cli.render.units import UNKNOWN, moment, money


def budgets(rows: Sequence[BudgetRow], paint: Paint) -> str:
    """What is limited, and what is left of it; empty without any limit."""
    if not rows:
        return ""
    cells: list[Row] = [
        [
            each.scope if each.scope == "daemon" else f"{each.scope} {_name(each)}",
            money(each.limit_usd),
            money(each.spent_usd),
            money(each.reserved_usd),
            Cell(money(each.left_usd), "plain" if each.left_usd else "bad"),
            moment(each.resets_at),
        ]
        for each in rows
    ]
    numbers = ("limit", "spent", "reserved", "left")
    headers = ["daily budget", *numbers, "begins anew"]
    return table(headers, cells, paint, right=numbers)


def _name(row: BudgetRow) -> str:
    return row.name or UNKNOWN
