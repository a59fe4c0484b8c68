"""Whose records somebody may see: administrators everybody's, others their own."""

from collections.abc import Iterable

from actors.messages.budgets import BudgetRow
from actors.messages.ledger import Own
from ipc.methods import Peer


def own_of(peer: Peer) -> Own | None:
    """What narrows a peer's view; ``None``: nothing does."""
    return None if peer.tier == "admin" else Own(peer.user)


def may_see(peer: Peer, user: str | None) -> bool:
    """Whether what this user asked is a peer's to see, or to judge."""
    return peer.tier == "admin" or peer.user == user


def budgets_for(peer: Peer, rows: Iterable[BudgetRow]) -> tuple[BudgetRow, ...]:
    """The daemon's, which everybody meets, and those of users that a peer may see."""
    return tuple(
        row for row in rows if row.scope == "daemon" or may_see(peer, row.name)
    )
