"""Daily budgets in US dollars: of the daemon, of each user, of each token.

A call is admitted when, in every account that it falls into, what is settled today, what
calls under way have reserved, and the most that this call may cost, stay within the
limit together. Its reservation goes when it has ended, and its true cost is settled in
its place. The rules:

- The day is the UTC day, and a call counts on the day on which it began.
- What a call of unknown cost has reserved is settled: null is not 0. A call that never
  reached anybody settles nothing.
- A call whose price is unknown is not admitted where an account limits it.
- So admission never brings settled and reserved together over a limit. Settled alone
  comes over it only by what a call costs beyond the most that it was said to cost.

Times are UTC epoch seconds.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import Struct

from actors.messages.budgets import BudgetRow, Scope
from actors.messages.lifecycle import Finding
from actors.policy.amounts import dollars
from actors.policy.budget_account import Account

DAY_S = 86_400
NEARLY = Decimal("0.8")
"""From this share of a limit on, an operator is told."""

SOON_S = 1.0
"""When to come again where only calls under way are in the way."""

_NOTHING = Decimal(0)


class BudgetLimits(Struct, frozen=True, kw_only=True):
    """US dollars a UTC day. ``None``: no limit.

    ``tokens`` are those of tokens by name, each in place of ``per_user`` for its caller.
    """

    daemon: Decimal | None = None
    per_user: Decimal | None = None
    tokens: dict[str, Decimal] = {}

    @property
    def any(self) -> bool:
        """Something is limited."""
        return self.daemon is not None or self.per_user is not None or bool(self.tokens)


class Short(Struct, frozen=True, kw_only=True):
    """Why a call is not admitted. ``needed`` is ``None`` where its price is unknown."""

    scope: Scope
    name: str | None
    limit: Decimal
    spent: Decimal
    reserved: Decimal
    needed: Decimal | None
    frees_in_s: float | None
    ceiling: Decimal | None = None

    def sentence(self) -> str:
        """Whose budget it is, and what is in the way."""
        whose = "the daemon" if self.scope == "daemon" else f"{self.scope} {self.name}"
        if self.name is None and self.scope == "user":
            whose = "callers without a name"
        text = f"the daily budget of {whose} is {dollars(self.limit)}"
        if self.needed is None:
            return f"{text}, and the price of this call is unknown"
        text += f": {self._use()}"
        if self.ceiling is not None:
            text += (
                f" (this daemon goes no further than {dollars(self.ceiling)} while it"
                " cannot ask the others)"
            )
        return f"{text}; this call may cost {dollars(self.needed)}"

    def _use(self) -> str:
        told = []
        if self.spent:
            told.append(f"{dollars(self.spent)} spent")
        if self.reserved:
            told.append(f"{dollars(self.reserved)} reserved by calls under way")
        left = max(_NOTHING, self.limit - self.spent - self.reserved)
        told.append(f"{dollars(left)} left" if told else "nothing of it is used")
        return ", ".join(told)


class _Held(Struct, frozen=True):
    """A call under way; ``priced``: its amount is known, else it is nothing."""

    amount: Decimal
    priced: bool
    day: int
    user: str | None


class Budgets:
    """Every account, and the reservations of the calls under way.

    Attributes:
        limits: As configured.
        day: Today, in days since 1970.
    """

    def __init__(self, limits: BudgetLimits | None = None) -> None:
        self.limits = limits or BudgetLimits()
        self.day = 0
        self._spent: dict[str | None, Decimal] = {}  # today, by user, limited or not
        self._house: Account | None = None
        self._users: dict[str | None, Account] = {}
        self._held: dict[str, _Held] = {}
        self._active = False
        self._parts: int | None = None
        self.configure(self.limits)

    @property
    def active(self) -> bool:
        """Something is limited, or was: from then on all that is spent is counted."""
        return self._active

    def configure(self, limits: BudgetLimits) -> None:
        """Limit by these from now on; what is spent stays spent."""
        self.limits = limits
        self._active |= limits.any
        house, users = self._house, self._users
        self._house, self._users = None, {}
        if limits.daemon is not None:
            self._house = house or Account("daemon", None, limits.daemon)
            self._house.limit = limits.daemon
            if house is None:
                self._house.settled = sum(self._spent.values(), _NOTHING)
                held = (h.amount for h in self._held.values() if h.day == self.day)
                self._house.reserved = sum(held, _NOTHING)
                self._limit_part(self._house)
        under_way = (held.user for held in self._held.values())
        for user in dict.fromkeys((*users, *self._spent, *under_way)):
            self._adopt(user, users.get(user))

    def _adopt(self, user: str | None, before: Account | None) -> None:
        account = self._account(user)
        if account is not None and before is not None:
            account.adopt(before)

    def accounts(self, user: str | None) -> tuple[Account, ...]:
        """Those into which a call of this user falls."""
        own = self._users.get(user) or self._account(user)
        house = self._house
        if own is None:
            return () if house is None else (house,)
        return (own,) if house is None else (house, own)

    def all_accounts(self) -> tuple[Account, ...]:
        """The daemon's first, then those of the users that have come."""
        house = () if self._house is None else (self._house,)
        return (*house, *self._users.values())

    def _account(self, user: str | None) -> Account | None:
        """A user's own, made when it first comes."""
        if user in self._users:
            return self._users[user]
        of_token = self.limits.tokens.get(user) if user is not None else None
        limit = self.limits.per_user if of_token is None else of_token
        if limit is None:
            return None
        account = Account("user" if of_token is None else "token", user, limit)
        account.settled = self._spent.get(user, _NOTHING)
        held = self._held.values()
        mine = (h.amount for h in held if h.user == user and h.day == self.day)
        account.reserved = sum(mine, _NOTHING)
        self._limit_part(account)
        self._users[user] = account
        return account

    # ---- before and after a call

    def short(
        self, user: str | None, amount: Decimal | None, now: float
    ) -> Short | None:
        """Why a call that may cost this would not be admitted; ``None``: it would."""
        self.turn_over(now)
        for account in self.accounts(user):
            if amount is None or not account.admits(amount):
                return self._short(account, amount, now)
        return None

    def room(self, user: str | None) -> Decimal | None:
        """The most a call of this user may cost now; ``None``: nothing limits it."""
        rooms = [account.room for account in self.accounts(user)]
        return min(rooms, default=None)

    def refused(
        self, user: str | None, amount: Decimal | None, now: float
    ) -> Short | None:
        """As ``short``, for a request that ends with it: an operator is told."""
        short = self.short(user, amount, now)
        if short is None or amount is None:
            return short
        for account in self.accounts(user):
            if account.scope == short.scope and amount <= account.limit:
                account.refused |= account.spent + amount > account.limit
        return short

    def _short(self, account: Account, amount: Decimal | None, now: float) -> Short:
        frees: float | None = None
        if amount is not None and amount <= account.limit:
            later = account.spent + amount > account.limit
            frees = resets_at(now) - now if later else SOON_S
        return Short(
            scope=account.scope,
            name=account.name,
            limit=account.limit,
            spent=account.spent,
            reserved=account.under_way,
            needed=amount,
            frees_in_s=frees,
            ceiling=account.ceiling,
        )

    def reserve(
        self, key: str, user: str | None, amount: Decimal | None, now: float
    ) -> Short | None:
        """Admit a call: reserve the most it may cost under a key of its own.

        Returns:
            Why it is not admitted, and nothing is reserved; ``None``: it is.
        """
        short = self.short(user, amount, now)
        if short is not None:
            return short
        held = _Held(amount or _NOTHING, amount is not None, self.day, user)
        for account in self.accounts(user):
            account.reserved += held.amount
        self._held[key] = held
        return None

    def settle(
        self, key: str, cost: Decimal | None, *, called: bool = True
    ) -> Decimal | None:
        """A call has ended: what counts for it, the most it may have cost if unknown.

        ``None``: neither is known, which only a call that nothing limits may have.
        """
        held = self._held.pop(key, None)
        if held is None:
            return None
        counts = (held.amount if cost is None else cost) if called else _NOTHING
        known = held.priced or cost is not None or not called
        if held.day != self.day:
            return counts if known else None
        for account in self.accounts(held.user):
            account.reserved -= held.amount
            account.settled += counts
        self._spent[held.user] = self._spent.get(held.user, _NOTHING) + counts
        return counts if known else None

    def charge(self, user: str | None, cost: Decimal, now: float) -> None:
        """Count what was spent without having been asked for: a health probe's."""
        self.turn_over(now)
        for account in self.accounts(user):
            account.settled += cost
        self._spent[user] = self._spent.get(user, _NOTHING) + cost

    def recall(self, spent: Mapping[str | None, Decimal], now: float) -> None:
        """Add what the ledger says was spent today before this daemon began."""
        for user, cost in spent.items():
            self.charge(user, cost, now)

    def turn_over(self, now: float) -> None:
        """Begin the day that it is. A clock that is put back a little changes nothing."""
        day = int(now // DAY_S)
        if self.day - 1 <= day <= self.day:
            return
        self.day = day
        self._spent.clear()
        if self._house is not None:
            self._house.begin_day()
            self._limit_part(self._house)
        self._users.clear()

    # ---- with other daemons

    def alone(self, parts: int) -> None:
        """The others cannot be asked: keep to an equal part of what is left of each."""
        if self._parts is None:
            self._parts = max(1, parts)
            for account in self.all_accounts():
                self._limit_part(account)

    def together(self) -> None:
        """They can be asked again."""
        if self._parts is not None:
            self._parts = None
            for account in self.all_accounts():
                account.ceiling = None

    def _limit_part(self, account: Account) -> None:
        if self._parts is not None:
            account.keep_to_part(self._parts)

    # ---- telling

    def rows(self, now: float) -> tuple[BudgetRow, ...]:
        """Every budget as it is now."""
        self.turn_over(now)
        return tuple(_row(each, resets_at(now)) for each in self.all_accounts())

    def findings(self, now: float) -> Iterable[Finding]:
        """Budgets that are nearly spent, or spent."""
        self.turn_over(now)
        for account in self.all_accounts():
            spent = account.spent
            over = account.refused or spent >= account.limit
            if over or spent >= account.limit * NEARLY:
                yield _finding(account, over=over)


def resets_at(now: float) -> float:
    """When the next UTC day begins."""
    return float((int(now // DAY_S) + 1) * DAY_S)


def _row(account: Account, reset: float) -> BudgetRow:
    return BudgetRow(
        scope=account.scope,
        name=account.name,
        limit_usd=account.limit,
        spent_usd=account.spent,
        reserved_usd=account.under_way,
        left_usd=max(_NOTHING, account.limit - account.used),
        resets_at=reset,
    )


def _finding(account: Account, *, over: bool) -> Finding:
    name = account.name or ("" if account.scope == "daemon" else "(unnamed)")
    return Finding(
        code="budget_spent" if over else "budget_nearly_spent",
        values={
            "whose": f"{account.scope} {name}".strip(),
            "spent": dollars(account.spent),
            "limit": dollars(account.limit),
        },
        subject=f"{account.scope}:{name}",
    )
