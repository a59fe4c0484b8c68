"""Daily budgets as text."""

from decimal import Decimal

from actors.messages.budgets import BudgetRow
from daemon.cli.render.budgets import budgets
from daemon.cli.render.table import no_colours


def row(**given: object) -> BudgetRow:
    fields: dict[str, object] = {
        "scope": "user",
        "name": "ada",
        "limit_usd": Decimal(10),
        "spent_usd": Decimal("2.5"),
        "reserved_usd": Decimal("0.5"),
        "left_usd": Decimal(7),
        "resets_at": 1_800_057_600.0,
    }
    return BudgetRow(**(fields | given))  # type: ignore[arg-type]  # a test's own words


def test_without_limits_there_is_nothing_to_see() -> None:
    assert budgets((), no_colours) == ""


def test_each_is_a_line_with_what_is_left() -> None:
    text = budgets(
        (
            row(scope="daemon", name=None),
            row(),
            row(name=None, left_usd=Decimal(0)),
            row(scope="token", name="ci"),
        ),
        no_colours,
    )

    head, *lines = text.splitlines()
    assert head.split() == [
        "daily",
        "budget",
        "limit",
        "spent",
        "reserved",
        "left",
        "begins",
        "anew",
    ]
    assert [line.split("  ")[0] for line in lines] == [
        "daemon",
        "user ada",
        "user -",
        "token ci",
    ]
    assert "$2.50" in lines[0]
    assert "$7" in lines[0]
