"""The ledger's typed handle: what everybody else knows of it."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from actors.errors import LedgerUnavailable
from actors.ledger.actor import (
    AskThreads,
    Explain,
    Flush,
    GetHistory,
    GetLabels,
    GetRecords,
    GetSightings,
    GetSpan,
    GetTotals,
    GetUsage,
    Ledger,
    LedgerMessage,
    PutLabel,
    Question,
    Retain,
    Wake,
)
from actors.ledger.desk import Desk, LedgerSettings
from actors.messages.ledger import (
    HistoryEntry,
    Label,
    Labelled,
    LedgerStore,
    Own,
    Span,
    UsageGrouping,
    UsageRow,
)
from actors.messages.lifecycle import Finding
from actors.messages.provider import ProviderTotals
from actors.messages.routing import Decision, RequestRecord
from actors.messages.sighting import Sighting
from actors.messages.threads import ThreadAnswer, ThreadQuery
from actors.runtime import (
    ActorRef,
    ActorStopped,
    AskTimeout,
    ChildSpec,
    Future,
    MailboxFull,
)

R = TypeVar("R")


class LedgerHandle:
    """Implements ``LedgerRef``. Start its ``spec``, then ``connect`` the ref.

    Args:
        store: Where records go.
        wall: UTC epoch seconds.
        settings: How to work.
        kept: ``await store.states()`` at start.
    """

    def __init__(
        self,
        store: LedgerStore,
        wall: Callable[[], float],
        settings: LedgerSettings | None = None,
        *,
        kept: Mapping[str, bytes] | None = None,
    ) -> None:
        self._settings = settings or LedgerSettings()
        self._store = store
        told = self._settings
        self._desk = Desk(wall, dict(kept or {}), told.retention_days, told.thread_days)
        self._ref: ActorRef[LedgerMessage] | None = None

    def spec(self) -> ChildSpec:
        """How to start the actor."""
        return ChildSpec(
            id="ledger",
            factory=lambda: Ledger(self._store, self._desk, self._settings),
            shutdown_s=self._settings.flush_s,
        )

    def connect(self, ref: ActorRef[LedgerMessage]) -> None:
        """Say where the actor is, once it has been started."""
        self._ref = ref

    def retain(self, days: float | None, thread_days: float | None) -> None:
        """Delete what is older than this from now on; ``None`` keeps everything."""
        desk = self._desk
        if (days, thread_days) != (desk.retention_days, desk.thread_days):
            desk.retention_days, desk.thread_days = days, thread_days
            self._tell(Retain())

    def wake(self) -> None:
        """Something was spooled: fold it soon. Costs a counter most of the time."""
        desk = self._desk
        desk.woken += 1
        if desk.woken == 1:
            self._tell(Wake())
        elif desk.woken == self._settings.group_records:
            self._tell(Wake(full=True))

    async def history(
        self, limit: int = 20, cursor: str | None = None, own: Own | None = None
    ) -> tuple[HistoryEntry, ...]:
        return await self._ask(GetHistory(limit, cursor, own))

    async def explain(self, any_id: str) -> RequestRecord | None:
        return await self._ask(Explain(any_id))

    async def sightings(self, decision: Decision) -> dict[tuple[str, int], Sighting]:
        return await self._ask(GetSightings(decision))

    async def span(self, since: float | None, newest: int) -> Span:
        return await self._ask(GetSpan(since, newest))

    async def read_records(
        self, since: float, after: int, limit: int
    ) -> tuple[tuple[int, RequestRecord], ...]:
        return await self._ask(GetRecords(since, after, limit))

    async def usage(
        self,
        since: float | None = None,
        by: UsageGrouping = "provider",
        own: Own | None = None,
    ) -> tuple[UsageRow, ...]:
        return await self._ask(GetUsage(since, by, own))

    async def totals(self) -> dict[str, ProviderTotals]:
        return await self._ask(GetTotals())

    async def label(self, label: Label) -> Labelled:
        return await self._ask(PutLabel(label))

    async def labels(self) -> tuple[Label, ...]:
        return await self._ask(GetLabels())

    async def threads(self, query: ThreadQuery) -> ThreadAnswer:
        return await self._ask(AskThreads(query))

    async def flush(self) -> bool:
        """Fold everything now; false when something could not be folded."""
        try:
            return await self._ask(Flush(), self._settings.flush_s)
        except LedgerUnavailable:
            return False

    def load(self, key: str) -> bytes | None:
        return self._desk.kept.get(key)

    def save(self, key: str, state: bytes) -> None:
        self._desk.kept[key] = state
        self._desk.unsaved[key] = state
        self.wake()

    def spool_trouble(self, error: OSError | None) -> None:
        """The spool could not be written, or (``None``) can be again."""
        if error is None:
            self._desk.troubles.withdraw("spool_unwritable")
        else:
            self._desk.troubles.declare("spool_unwritable", error=str(error))

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with spool and database now."""
        return self._desk.troubles.findings()

    def _tell(self, message: LedgerMessage) -> None:
        if self._ref is None or not self._ref.tell(message):
            self._desk.woken = 0  # so that the next one is told again

    async def _ask(self, question: Question, timeout_s: float | None = None) -> R:
        if self._ref is None:
            raise LedgerUnavailable("the ledger has not been started")
        limit_s = self._settings.question_s if timeout_s is None else timeout_s
        try:
            answer: Future[R] = self._ref.ask(question, timeout_s=limit_s)
            return await answer
        except (ActorStopped, AskTimeout, MailboxFull) as error:
            raise LedgerUnavailable(f"the ledger: {error}") from error
