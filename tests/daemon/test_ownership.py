"""Whose records somebody may see."""

from decimal import Decimal

import pytest

from actors.messages.budgets import BudgetRow, Scope
from actors.messages.ledger import Own
from daemon.ownership import budgets_for, may_see, own_of
from ipc.methods import Peer

ADA = Peer(door="json", user="ada")
NOBODY = Peer(door="internal")
ROOT = Peer(door="json", user="root", tier="admin")


@pytest.mark.parametrize(
    ("peer", "own", "seen"),
    [
        (ROOT, None, ["ada", "bob", None]),
        (ADA, Own("ada"), ["ada"]),
        (NOBODY, Own(None), [None]),
    ],
)
def test_who_sees_whose(peer: Peer, own: Own | None, seen: list[str | None]) -> None:
    assert own_of(peer) == own
    assert [user for user in ("ada", "bob", None) if may_see(peer, user)] == seen


def row(scope: Scope, name: str | None) -> BudgetRow:
    none = Decimal(0)
    return BudgetRow(
        scope=scope,
        name=name,
        limit_usd=Decimal(1),
        spent_usd=none,
        reserved_usd=none,
        left_usd=Decimal(1),
        resets_at=0.0,
    )


def test_budgets_are_the_daemons_and_ones_own() -> None:
    rows = [row("daemon", None), row("user", "ada"), row("user", "bob")]
    rows += [row("token", "ci"), row("user", None)]

    assert budgets_for(ROOT, rows) == tuple(rows)
    assert [each.name for each in budgets_for(ADA, rows)] == [None, "ada"]
    assert [each.scope for each in budgets_for(NOBODY, rows)] == ["daemon", "user"]
