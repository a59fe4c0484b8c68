"""What one request may take out of the daily budgets, call by call."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from actors.errors import BudgetExceeded, DailyBudgetSpent
from actors.messages.budgets import BudgetShare
from actors.messages.provider import ModelSnapshot, Outcome
from actors.messages.routing import RequestRecord, Target
from actors.policy.amounts import fitting
from actors.policy.budgets import DAY_S, SOON_S, Budgets, Short, resets_at

_PER_MILLION = -6

_ROUGH = Decimal("4e-9")
"""What rounding to nano-dollars, where a budget is shared, may come to."""


def count_unreserved(budgets: Budgets, record: RequestRecord, now: float) -> None:
    """Count a request that began before anything was limited, and ends now."""
    today = resets_at(now) - DAY_S
    for attempt in record.attempts:
        if attempt.cost_usd is not None and attempt.started_at >= today:
            budgets.charge(record.user, attempt.cost_usd, now)


class Purse:
    """A ``policy.spending.Purse``, and the reservations of this request's calls.

    Args:
        budgets: Those of the daemon.
        user: Whose request it is.
        known: What was seen of each target when they were ranked.
        most_prompt: The upper bound of the prompt's tokens, by provider.
        most_tokens: The limit of the answer by provider; ``None``: there is none.
        expected: Tokens of the answer where there is no limit of it.
        utc: UTC epoch seconds.
        share: Where the budgets are kept together with other daemons, if they are.
    """

    __slots__ = (
        "_budgets",
        "_claims",
        "_costs",
        "_denied",
        "_expected",
        "_known",
        "_most_prompt",
        "_most_tokens",
        "_open",
        "_share",
        "_user",
        "_utc",
    )

    def __init__(
        self,
        budgets: Budgets,
        user: str | None,
        known: Mapping[Target, ModelSnapshot],
        *,
        most_prompt: Callable[[str], int],
        most_tokens: Callable[[str], int | None],
        expected: int,
        utc: Callable[[], float],
        share: BudgetShare | None = None,
    ) -> None:
        self._budgets = budgets
        self._user = user
        self._known = known
        self._most_prompt = most_prompt
        self._most_tokens = most_tokens
        self._expected = expected
        self._utc = utc
        self._share = share
        self._claims: dict[Target, str] = {}  # granted, and not used yet
        self._denied: set[Target] = set()  # by the others, whatever is known here
        self._costs: dict[Target, Decimal | None] = {}
        self._open: dict[str, str] = {}  # by attempt, what it is reserved under

    def affords(self, target: Target) -> bool:
        """Whether a call there would be admitted now, or has been."""
        if target in self._claims:
            return True
        return target not in self._denied and self._short(target) is None

    def refusal(self, target: Target) -> BudgetExceeded:
        """Why it is not, and when it would be."""
        cost = self._cost(target)
        short = self._budgets.refused(self._user, cost, self._utc())
        if short is None:  # room was made in this moment
            return DailyBudgetSpent("the daily budget was taken", retry_after_s=SOON_S)
        frees_s = short.frees_in_s
        text = short.sentence() + self._way_out(target)
        if frees_s is None:
            return BudgetExceeded(text, provider=target.provider)
        return DailyBudgetSpent(text, retry_after_s=frees_s, provider=target.provider)

    async def claim(self, target: Target) -> None:
        """Ask those who share the budgets, if anybody does, for a call there.

        ``affords`` knows the answer then. ``reserve`` takes what was granted, and
        ``drop`` gives it back where the call is not made.
        """
        if not self._is_shared(target) or not self.affords(target):
            return
        share, cost = self._share, self._cost(target)
        assert share is not None
        assert cost is not None
        key = await share.claim(self._user, cost)
        if key is not None:
            self._claims[target] = key
        elif self._short(target) is None:
            # They count more roughly, in whole nano-dollars: asking again is no use.
            self._denied.add(target)

    def drop(self) -> None:
        """The call that was claimed for is not made."""
        for key in self._claims.values():
            self._budgets.settle(key, None, called=False)
        self._claims.clear()

    def reserve(self, attempt_id: str, target: Target) -> None:
        """Take the most it may cost; it was afforded in the same moment.

        Where the budgets are shared that is what was claimed; a call that nobody claimed
        for, a hedge, is still to be ``admitted``.
        """
        key = self._claims.pop(target, None)
        if key is None and not self._is_shared(target):
            cost = self._cost(target)
            short = self._budgets.reserve(attempt_id, self._user, cost, self._utc())
            key = attempt_id if short is None else None
        if key is not None:
            self._open[attempt_id] = key

    async def admitted(self, attempt_id: str, target: Target) -> bool:
        """Whether the call may be made; one that nobody claimed for claims now."""
        if attempt_id in self._open or not self._is_shared(target):
            return True
        await self.claim(target)
        key = self._claims.pop(target, None)
        if key is not None:
            self._open[attempt_id] = key
        return key is not None

    def settle(self, attempt_id: str, outcome: Outcome) -> Decimal | None:
        """A call has ended: what counts for it where its cost is not known."""
        key = self._open.pop(attempt_id, None)
        if key is None:
            return None
        cost, called = outcome.cost_usd, outcome.called
        counts = self._budgets.settle(key, cost, called=called)
        if self._share is not None:
            self._share.changed()
        return counts if cost is None and called else None

    def close(self) -> None:
        """The request has ended: of calls that said nothing the cost is unknown."""
        for key in self._open.values():
            self._budgets.settle(key, None)
        self._open.clear()
        self.drop()

    def _is_shared(self, target: Target) -> bool:
        if self._share is None or self._cost(target) is None:
            return False
        return bool(self._budgets.accounts(self._user))

    def _short(self, target: Target) -> Short | None:
        return self._budgets.short(self._user, self._cost(target), self._utc())

    def _cost(self, target: Target) -> Decimal | None:
        """The most a call there may cost at list prices; ``None``: unknown."""
        if target not in self._costs:
            self._costs[target] = self._worked_out(target)
        return self._costs[target]

    def _worked_out(self, target: Target) -> Decimal | None:
        prices = self._prices(target)
        if prices is None:
            return None
        prompt, each = prices
        return prompt + self._output(target) * each

    def _prices(self, target: Target) -> tuple[Decimal, Decimal] | None:
        """What the prompt may cost, and each token of the answer."""
        seen = self._known.get(target)
        if seen is None or seen.input_price is None or seen.output_price is None:
            return None
        prompt = Decimal(self._most_prompt(target.provider)) * seen.input_price
        return prompt.scaleb(_PER_MILLION), seen.output_price.scaleb(_PER_MILLION)

    def _output(self, target: Target) -> int:
        most = self._most_tokens(target.provider)
        return self._expected if most is None else most

    def _way_out(self, target: Target) -> str:
        """The longest answer there is room for, where a shorter one would do."""
        prices, room = self._prices(target), self._budgets.room(self._user)
        if prices is None or room is None:
            return ""
        rough = Decimal(0) if self._share is None else _ROUGH
        return fitting(room - rough, *prices, self._output(target))
