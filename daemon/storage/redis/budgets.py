"""Daily budgets that all daemons on one Redis keep together.

Each daemon says in absolute numbers what it has settled and reserved of an account today.
So what is said twice counts once, and after any time away the next word puts everything
right. What all of them have used is the sum.

A call claims its reservation before it is made. One exchange is under way at a time, and
the next takes all that wait along: a claim is decided in Redis, against the sum, in one
round trip. While Redis is away each daemon keeps to an equal part of what was left when
it last heard of the others (``Budgets.alone``).

A daemon that died has its reservations for ``HOLD_S``; what it settled stays settled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Final

import anyio

from actors.errors import GitBridgeError
from actors.policy.budget_account import (
    Account,
    Elsewhere,
    in_dollars,
    nanos_allowed,
    nanos_used,
)
from actors.policy.budgets import Budgets
from daemon.storage.redis.link import RedisLink
from daemon.storage.redis.scripts import Script, packaged

ASK_S: Final = 0.25
TICK_S: Final = 1.0
HOLD_S: Final = 600.0
KEEP_S: Final = 3 * 86_400.0
MAX_ACCOUNTS: Final = 100
"""Of one exchange, beside those that are claimed in."""

_SCRIPT: Final[Script] = packaged("budgets")


@dataclass(slots=True, eq=False)
class _Claim:
    """One call's reservation, asked for; ``granted`` once that is known."""

    key: str
    user: str | None
    amount: Decimal
    over: anyio.Event = field(default_factory=anyio.Event)
    granted: bool = False
    wanted: bool = True


class SharedBudgets:
    """A ``BudgetShare``.

    Args:
        link: The way to Redis.
        budgets: This daemon's.
        me: What others know it by.
        daemons: How many there are, this one included, as last known.
        utc: UTC epoch seconds.
    """

    def __init__(
        self,
        link: RedisLink,
        budgets: Budgets,
        me: str,
        *,
        daemons: Callable[[], int],
        utc: Callable[[], float],
    ) -> None:
        self._link = link
        self._budgets = budgets
        self._me = me
        self._daemons = daemons
        self._utc = utc
        self._claims: list[_Claim] = []
        self._news = anyio.Event()
        self._names = count()
        self._turn = 0
        self._word = 0

    async def claim(self, user: str | None, amount: Decimal) -> str | None:
        """See ``BudgetShare``."""
        claim = _Claim(f"shared:{next(self._names)}", user, amount)
        if self._link.away:
            self._budgets.alone(self._daemons())
            return claim.key if self._reserve(claim) else None
        self._claims.append(claim)
        self._news.set()
        try:
            await claim.over.wait()
        except BaseException:
            claim.wanted = False
            if claim.granted:
                self._budgets.settle(claim.key, None, called=False)
            raise
        return claim.key if claim.granted else None

    def changed(self) -> None:
        """See ``BudgetShare``."""
        self._news.set()

    async def run(self) -> None:
        """Exchange when there is news, and every ``TICK_S``; never ends."""
        while True:
            with anyio.move_on_after(TICK_S):
                await self._news.wait()
            self._news = anyio.Event()
            if self._budgets.active or self._claims:
                await self.exchange()

    async def exchange(self) -> None:
        """One round: everything that waits is decided when it is over."""
        claims, self._claims = self._claims, []
        budgets = self._budgets
        budgets.turn_over(self._utc())
        day, accounts = budgets.day, self._accounts(claims)
        keys = [self._key(day, account) for account in accounts]
        try:
            answer = await self._link.run(
                *(_SCRIPT, keys, self._arguments(accounts, claims)), timeout_s=ASK_S
            )
            verdicts, told, newest = _read(answer, len(claims), len(accounts))
        except (GitBridgeError, ValueError, TypeError):  # it was told, or is no answer
            budgets.alone(self._daemons())
            self._decide(claims, [True] * len(claims))
            return
        # Our clock may have been put back since the last start: go on from our newest.
        self._word = max(self._word, newest)
        budgets.together()
        budgets.turn_over(self._utc())
        if budgets.day != day:  # what was granted was of yesterday's: ask again
            self._claims = claims + self._claims
            self._news.set()
            return
        for account, (settled, reserved, mine) in zip(accounts, told, strict=True):
            forgotten = max(0, mine - nanos_used(account.settled))
            account.elsewhere = Elsewhere(
                in_dollars(settled + forgotten), in_dollars(reserved)
            )
        self._decide(claims, verdicts)

    def _decide(self, claims: Sequence[_Claim], verdicts: Sequence[bool]) -> None:
        for claim, verdict in zip(claims, verdicts, strict=True):
            claim.granted = verdict and claim.wanted and self._reserve(claim)
            if verdict and not claim.granted:
                self._news.set()  # tell that it is not reserved after all
            claim.over.set()

    def _reserve(self, claim: _Claim) -> bool:
        now = self._utc()
        short = self._budgets.reserve(claim.key, claim.user, claim.amount, now)
        return short is None

    def _accounts(self, claims: Sequence[_Claim]) -> list[Account]:
        """Those of the claims, and some of the others in turn."""
        found = {
            id(account): account
            for claim in claims
            for account in self._budgets.accounts(claim.user)
        }
        every = self._budgets.all_accounts()
        busy = [each for each in every if each.reserved or each.scope == "daemon"]
        start = self._turn % len(every) if every else 0
        self._turn = start + MAX_ACCOUNTS
        for account in (*busy, *every[start:], *every[:start])[:MAX_ACCOUNTS]:
            found.setdefault(id(account), account)
        return list(found.values())

    def _arguments(
        self, accounts: Sequence[Account], claims: Sequence[_Claim]
    ) -> list[str | int]:
        # Later words have larger numbers, after a restart too.
        self._word = max(self._word + 1, int(self._utc() * 1e6))
        told: list[str | int] = [self._me, self._word]
        told += [int(HOLD_S * 1000), int(KEEP_S * 1000)]
        for account in accounts:
            told += [nanos_used(account.settled), nanos_used(account.reserved)]
            told.append(nanos_allowed(account.limit))
        told.append(len(claims))
        numbers = {id(account): n for n, account in enumerate(accounts, start=1)}
        for claim in claims:
            mine = [numbers[id(a)] for a in self._budgets.accounts(claim.user)]
            told += [nanos_used(claim.amount), len(mine), *mine]
        return told

    def _key(self, day: int, account: Account) -> str:
        """A token and a user of one name are one caller."""
        kind = "daemon" if account.scope == "daemon" else "user"
        name = "" if account.name is None else f"={account.name}"
        return self._link.key("budget", str(day), kind + name, tag="budgets")


def _read(
    answer: object, claims: int, accounts: int
) -> tuple[list[bool], list[tuple[int, int, int]], int]:
    """Raises ``ValueError`` or ``TypeError`` for what is no answer of ours."""
    match answer:
        case [list() as verdicts, list() as told, (str() | bytes()) as newest]:
            pass
        case _:
            raise ValueError("no answer")
    if len(verdicts) != claims or len(told) != accounts:
        raise ValueError("an answer to another question")
    rows: list[tuple[int, int, int]] = []
    for row in told:
        settled, reserved, mine = (int(each) for each in row)
        rows.append((settled, reserved, mine))
    return [verdict == 1 for verdict in verdicts], rows, int(newest)
