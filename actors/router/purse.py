"""What one request may take out of the daily budgets, call by call."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from actors.errors import BudgetExceeded, DailyBudgetSpent
from actors.messages.provider import ModelSnapshot, Outcome
from actors.messages.routing import Target
from actors.policy.budgets import SOON_S, Budgets, Short
from actors.policy.retry_rules import Size

_PER_MILLION = -6


class Purse:
    """A ``policy.spending.Purse``, and the reservations of this request's calls.

    Args:
        budgets: Those of the daemon.
        user: Whose request it is.
        known: What was seen of each target when they were ranked.
        size: The longest that prompt and answer may be; where no limit of the answer is
            known, the answer that is expected.
        most_tokens: The limit of the answer by provider, where the request says none.
        utc: UTC epoch seconds.
    """

    __slots__ = (
        "_budgets",
        "_costs",
        "_known",
        "_most_tokens",
        "_open",
        "_size",
        "_user",
        "_utc",
    )

    def __init__(
        self,
        budgets: Budgets,
        user: str | None,
        known: Mapping[Target, ModelSnapshot],
        *,
        size: Size,
        most_tokens: Callable[[str], int | None],
        utc: Callable[[], float],
    ) -> None:
        self._budgets = budgets
        self._user = user
        self._known = known
        self._size = size
        self._most_tokens = most_tokens
        self._utc = utc
        self._costs: dict[Target, Decimal | None] = {}
        self._open: set[str] = set()

    def affords(self, target: Target) -> bool:
        """Whether a call there would be admitted now."""
        return self._short(target) is None

    def refusal(self, target: Target) -> BudgetExceeded:
        """Why it is not, and when it would be."""
        short = self._short(target)
        if short is None:  # room was made in this moment
            return DailyBudgetSpent("the daily budget was taken", retry_after_s=SOON_S)
        frees_s = short.frees_in_s
        if frees_s is None:
            return BudgetExceeded(short.sentence(), provider=target.provider)
        return DailyBudgetSpent(
            short.sentence(), retry_after_s=frees_s, provider=target.provider
        )

    def reserve(self, attempt_id: str, target: Target) -> None:
        """Take the most it may cost; it was afforded in the same moment."""
        cost = self._cost(target)
        short = self._budgets.reserve(attempt_id, self._user, cost, self._utc())
        if short is None:
            self._open.add(attempt_id)

    def settle(self, attempt_id: str, outcome: Outcome) -> Decimal | None:
        """A call has ended: what counts for it where its cost is not known."""
        if attempt_id not in self._open:
            return None
        self._open.discard(attempt_id)
        cost, called = outcome.cost_usd, outcome.called
        counts = self._budgets.settle(attempt_id, cost, called=called)
        return counts if cost is None and called else None

    def close(self) -> None:
        """The request has ended: of calls that said nothing the cost is unknown."""
        for attempt_id in self._open:
            self._budgets.settle(attempt_id, None)
        self._open.clear()

    def _short(self, target: Target) -> Short | None:
        return self._budgets.short(self._user, self._cost(target), self._utc())

    def _cost(self, target: Target) -> Decimal | None:
        """The most a call there may cost at list prices; ``None``: unknown."""
        if target not in self._costs:
            self._costs[target] = self._worked_out(target)
        return self._costs[target]

    def _worked_out(self, target: Target) -> Decimal | None:
        seen = self._known.get(target)
        if seen is None or seen.input_price is None or seen.output_price is None:
            return None
        most = self._most_tokens(target.provider)
        output = self._size.output_tokens if most is None else most
        prompt = Decimal(self._size.prompt_tokens) * seen.input_price
        return (prompt + Decimal(output) * seen.output_price).scaleb(_PER_MILLION)
