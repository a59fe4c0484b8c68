"""What is told about daily budgets."""

from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

Scope = Literal["daemon", "user", "token"]


class BudgetRow(Struct, frozen=True, kw_only=True):
    """One budget as callers see it.

    Attributes:
        scope: Whose it is: the ``daemon``'s, a ``user``'s or a ``token``'s.
        name: The user or token; ``None`` for the daemon, and for callers that nobody
            named, who are one user together.
        limit_usd: A day's.
        spent_usd: Settled today.
        reserved_usd: What calls under way may still cost.
        left_usd: What may still be spent.
        resets_at: When the next day begins, UTC epoch seconds.
    """

    scope: Scope
    name: str | None
    limit_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal
    left_usd: Decimal
    resets_at: float


class BudgetShare(Protocol):
    """Budgets that several daemons keep together: the seam at which a call claims."""

    async def claim(self, user: str | None, amount: Decimal) -> str | None:
        """Reserve with the others before a call is made. Bounded; never raises.

        Returns:
            The key under which it is reserved here; ``None``: it is not, and what is
            known of the budgets now says why.
        """

    def changed(self) -> None:
        """Something was settled: tell the others soon."""
