"""What one request has spent, or may have, against its own ``budget_usd``.

And what the daily budgets, a ``Purse``, still have for it.

The rule: money spent, and that which calls of unknown cost may have cost, and what the
next call is expected to cost, stay within the budget together. Expected is the likely
prompt at list prices with the expected answer, as the ranking takes it: a single call
whose answer is longer than expected may still go over. Nothing is reserved beforehand.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from actors.errors import BudgetExceeded
from actors.messages.provider import Outcome
from actors.messages.routing import Target
from actors.policy.amounts import dollars

ExpectedCost = Callable[[Target], Decimal | None]
"""US dollars one call is expected to cost; ``None`` where the price is unknown."""


class Purse(Protocol):
    """The daily budgets, as far as one request is concerned."""

    def affords(self, target: Target) -> bool:
        """Whether a call there would be admitted now."""

    def refusal(self, target: Target) -> BudgetExceeded:
        """Why it would not be, and when it will."""


class Spending:
    """The money of one request. Without a budget everything is allowed.

    Attributes:
        spent: Against the request's own budget.
        purse: The daily budgets; ``None``: there are none.
    """

    __slots__ = ("_budget", "_expected", "purse", "spent")

    def __init__(self, budget_usd: Decimal | None, expected: ExpectedCost) -> None:
        self._budget = budget_usd
        self.purse: Purse | None = None
        self._expected = expected
        self.spent = Decimal(0)

    def settle(self, outcome: Outcome, target: Target) -> None:
        """Count an ended call. One of unknown cost may have cost what was expected."""
        if self._budget is None or not outcome.called:
            return
        cost = outcome.cost_usd
        self.spent += (self._expected(target) or Decimal(0)) if cost is None else cost

    def allows(self, target: Target, *, beside: Target | None = None) -> bool:
        """Whether a call there is expected to stay within the budget.

        ``beside`` is a call under way, which will cost what was expected of it.
        """
        if self.purse is not None and not self.purse.affords(target):
            return False
        return self._within(target, beside)

    def _within(self, target: Target, beside: Target | None) -> bool:
        """Within the request's own budget."""
        if self._budget is None:
            return True
        cost = self._expected(target)
        if cost is None:
            return False
        under_way = (self._expected(beside) or Decimal(0)) if beside else Decimal(0)
        return self.spent + under_way + cost <= self._budget

    def refusal(self, target: Target, why: str = "") -> BudgetExceeded:
        """A call there is not allowed; ``why`` it was not answered elsewhere."""
        if self._within(target, None) and self.purse is not None:
            error = self.purse.refusal(target)
            error.message += why
            return error
        return BudgetExceeded(self._said(target) + why, provider=target.provider)

    def _said(self, target: Target) -> str:
        cost = self._expected(target)
        next_one = "an unknown sum" if cost is None else dollars(cost)
        return (
            f"the budget is {dollars(self._budget or Decimal(0))},"
            f" {dollars(self.spent)} may be spent, and asking {target.provider}"
            f" is expected to cost {next_one}"
        )
