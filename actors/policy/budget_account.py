"""One limit of the daily budgets, and what is used of it: here and by other daemons.

Between daemons money is whole nano-dollars: what is used is rounded up, a limit down.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from msgspec import Struct

from actors.messages.budgets import Scope

_NOTHING: Final = Decimal(0)
_NANO: Final = -9


class Elsewhere(Struct, frozen=True):
    """What daemons that share the account have used of it, as last heard of."""

    settled: Decimal = _NOTHING
    reserved: Decimal = _NOTHING


class Account:
    """See the module.

    Attributes:
        elsewhere: What others have used; nothing where nothing is shared.
        ceiling: Up to which use may grow while the others cannot be asked, if so.
        refused: Somebody was refused today for what is settled.
    """

    __slots__ = (
        "ceiling",
        "elsewhere",
        "limit",
        "name",
        "refused",
        "reserved",
        "scope",
        "settled",
    )

    def __init__(self, scope: Scope, name: str | None, limit: Decimal) -> None:
        self.scope: Scope = scope
        self.name = name
        self.limit = limit
        self.settled = _NOTHING
        self.reserved = _NOTHING
        self.elsewhere = Elsewhere()
        self.ceiling: Decimal | None = None
        self.refused = False

    @property
    def spent(self) -> Decimal:
        """Settled, wherever."""
        return self.settled + self.elsewhere.settled

    @property
    def under_way(self) -> Decimal:
        """Reserved, wherever."""
        return self.reserved + self.elsewhere.reserved

    @property
    def used(self) -> Decimal:
        return self.spent + self.under_way

    @property
    def room(self) -> Decimal:
        """The most a call may cost that is admitted now; below zero: none is."""
        most = self.limit if self.ceiling is None else min(self.limit, self.ceiling)
        return most - self.used

    def admits(self, amount: Decimal) -> bool:
        return amount <= self.room

    def keep_to_part(self, parts: int) -> None:
        """Use no more than an equal part of what is left, until ``ceiling`` is lifted."""
        left = max(_NOTHING, self.limit - self.used)
        self.ceiling = self.used + left / parts

    def begin_day(self) -> None:
        """Nothing is spent. What began yesterday counts there."""
        self.settled = self.reserved = _NOTHING
        self.elsewhere = Elsewhere()
        self.refused = False

    def adopt(self, before: "Account") -> None:
        """Go on with what was used of the one that this one replaces."""
        self.settled, self.reserved = before.settled, before.reserved
        self.elsewhere, self.ceiling = before.elsewhere, before.ceiling
        self.refused = before.refused


def nanos_used(amount: Decimal) -> int:
    """Nano-dollars, never fewer than it is."""
    return int(amount.scaleb(-_NANO).to_integral_value(ROUND_CEILING))


def nanos_allowed(limit: Decimal) -> int:
    """Nano-dollars, never more than it is."""
    return int(limit.scaleb(-_NANO).to_integral_value(ROUND_FLOOR))


def in_dollars(nanos: int) -> Decimal:
    return Decimal(nanos).scaleb(_NANO)
