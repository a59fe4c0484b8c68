"""Daily budgets: their limits from the configuration, what was spent before from the ledger.

Over a restart, ``kill -9`` included, nothing is forgotten that was written down: the
ledger is summed up once, for the calls of today whose requests ended before this process
counted.
Until that has worked (a database that is locked), only what is spent since counts, and a
condition says so.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

import anyio
import structlog

from actors.errors import LedgerUnavailable
from actors.messages.budgets import BudgetRow
from actors.messages.ledger import LedgerRef
from actors.messages.lifecycle import Finding
from actors.messages.provider import BreakerTransition, ProbeResult
from actors.policy.budgets import DAY_S, BudgetLimits, Budgets
from daemon.config import Config
from daemon.ids import utc
from daemon.ownership import budgets_for
from daemon.storage.store import Store
from daemon.telemetry import Gauge
from ipc.methods import Peer

RETRY_S = 5.0

log = structlog.get_logger()


def budget_limits(config: Config) -> BudgetLimits:
    """What the configuration limits."""
    told = config.budgets
    return BudgetLimits(
        daemon=told.usd_per_day,
        per_user=told.per_user_usd_per_day,
        tokens={
            token.name: token.budget_usd_per_day
            for token in config.access.tokens
            if token.budget_usd_per_day is not None
        },
    )


class Budgeting:
    """Keeps the budgets of a house.

    Args:
        ledger: Asked to fold what is spooled.
        store: Where what was spent is summed up.
        utc: UTC epoch seconds.

    Attributes:
        budgets: For the router.
    """

    def __init__(
        self,
        ledger: LedgerRef,
        store: Store,
        utc: Callable[[], float],
    ) -> None:
        self.budgets = Budgets()
        self._ledger = ledger
        self._store = store
        self._utc = utc
        self._since: float | None = None  # when we began to count
        self._news = anyio.Event()
        self._trouble: str | None = None
        self._recalled = False

    def configure(self, config: Config) -> None:
        """Limit by this from now on; what is under way goes on as it began."""
        self.budgets.configure(budget_limits(config))
        if self.budgets.active and self._since is None:
            self._since = self._utc()
            self.budgets.turn_over(self._since)
            self._news.set()

    async def recall(self) -> bool:
        """Add what was spent today before we counted; false if it is not known yet."""
        if self._since is None or self._recalled:
            return True
        now = self._utc()
        try:
            spent = await self._spent(now // DAY_S * DAY_S, self._since)
        except LedgerUnavailable as error:
            self._trouble = error.message
            return False
        self._recalled, self._trouble = True, None
        if spent:
            self.budgets.recall(spent, now)
            total = sum(spent.values(), Decimal(0))
            log.info("budgets_recalled", users=len(spent), spent_usd=f"{total:f}")
        return True

    async def _spent(self, since: float, until: float) -> dict[str | None, Decimal]:
        if since >= until:  # the day is younger than we are
            return {}
        if not await self._ledger.flush():
            raise LedgerUnavailable("what is spooled could not be folded")
        return await self._store.spent(since, until)

    async def run(self) -> None:
        """Recall as soon as there is something to recall and it works; never ends."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            if not await self.recall():
                await anyio.sleep(RETRY_S)
                self._news.set()

    def heard(self, event: BreakerTransition | ProbeResult) -> None:
        """A health probe that was a completion costs money, too."""
        probe = event.outcome if isinstance(event, ProbeResult) else None
        if self.budgets.active and probe is not None and probe.cost_usd is not None:
            self.budgets.charge(None, probe.cost_usd, self._utc())

    def rows(self) -> tuple[BudgetRow, ...]:
        """Every budget as it is now; none while nothing is limited."""
        return self.budgets.rows(self._utc()) if self.budgets.active else ()

    def findings(self) -> Iterator[Finding]:
        """Budgets that are (nearly) spent, or that are not known yet."""
        if not self.budgets.active:
            return
        yield from self.budgets.findings(self._utc())
        if self._trouble is not None:
            yield Finding(code="budgets_unsure", values={"error": self._trouble})

    def figures(self, peer: Peer) -> tuple[Gauge]:
        """For whoever scrapes; of other users' budgets only administrators hear."""
        amounts: dict[tuple[str, ...], float] = {
            (row.scope, row.name or "", kind): float(amount)
            for row in budgets_for(peer, self.rows())
            for kind, amount in (
                ("limit", row.limit_usd),
                ("spent", row.spent_usd),
                ("reserved", row.reserved_usd),
            )
        }
        names = ("scope", "name", "kind")
        return (Gauge("budget_usd", "Daily budgets and their use.", names, amounts),)


async def open_budgeting(ledger: LedgerRef, store: Store, config: Config) -> Budgeting:
    """The budgets of a house that opens, with what was spent today already."""
    budgeting = Budgeting(ledger, store, utc)
    budgeting.configure(config)
    await budgeting.recall()
    return budgeting
