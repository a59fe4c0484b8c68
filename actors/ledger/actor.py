"""The ledger's actor: when to fold, what to do when that fails, whom to answer then."""

from contextlib import suppress

from msgspec import Struct
from typing_extensions import override

from actors.errors import GitBridgeError, LedgerNotOpen, LedgerUnavailable
from actors.ledger.desk import Desk, LedgerSettings
from actors.messages.ledger import Folded, Label, LedgerStore, Own, UsageGrouping
from actors.messages.routing import Decision
from actors.messages.threads import ThreadQuery
from actors.runtime import Actor, Reply, TimerHandle

_DAY_S = 86_400.0


class Wake(Struct, frozen=True):
    """Event: something was spooled. ``full``: a whole group of it."""

    full: bool = False


class FoldNow(Struct, frozen=True):
    """Command to itself: the group's time, or the back-off, is over."""


class Sweep(Struct, frozen=True):
    """Command to itself: delete what is older than the retention time."""


class Retain(Struct, frozen=True):
    """Event: the retention time is another one."""


class Flush(Struct, frozen=True):
    """Command: fold everything. Answered with whether that worked."""


class GetHistory(Struct, frozen=True):
    """Query: answered with a tuple of ``HistoryEntry``."""

    limit: int
    cursor: str | None
    own: Own | None


class Explain(Struct, frozen=True):
    """Query: answered with a ``RequestRecord`` or ``None``."""

    any_id: str


class GetSightings(Struct, frozen=True):
    """Query: answered with what the decision saw, by epoch and number."""

    decision: Decision


class GetSpan(Struct, frozen=True):
    """Query: answered with a ``Span``."""

    since: float | None
    newest: int


class GetRecords(Struct, frozen=True):
    """Query: answered with whole records and their numbers, oldest first."""

    since: float
    after: int
    limit: int


class GetUsage(Struct, frozen=True):
    """Query: answered with a tuple of ``UsageRow``."""

    since: float | None
    by: UsageGrouping
    own: Own | None


class GetTotals(Struct, frozen=True):
    """Query: answered with ``ProviderTotals`` by provider."""


class PutLabel(Struct, frozen=True):
    """Command: keep a label. Answered with a ``Labelled``."""

    label: Label


class GetLabels(Struct, frozen=True):
    """Query: answered with a tuple of ``Label``."""


class AskThreads(Struct, frozen=True):
    """Query: answered with what the thread query says."""

    query: ThreadQuery


Feedback = PutLabel | GetLabels
LookingBack = GetTotals | GetSpan | GetRecords | AskThreads
Reading = GetHistory | Explain | GetSightings | GetUsage | LookingBack
Question = Flush | Reading | Feedback
LedgerMessage = Wake | FoldNow | Sweep | Retain | Question


class _Asked(Struct, frozen=True):
    """A question that waits for round ``needs``, or until ``deadline`` (loop time)."""

    question: Question
    reply: Reply
    needs: int
    deadline: float


class Ledger(Actor[LedgerMessage]):
    """One life of the ledger. It begins with a round, for what is left from before."""

    def __init__(
        self, store: LedgerStore, desk: Desk, settings: LedgerSettings
    ) -> None:
        self._store = store
        self._desk = desk
        self._settings = settings
        self._round_number = 0
        self._folding = False
        self._failures = 0
        self._damaged = 0
        self._timer: TimerHandle | None = None
        self._export_timer: TimerHandle | None = None
        self._sweep_timer: TimerHandle | None = None
        self._asked: list[_Asked] = []

    @override
    def on_start(self) -> None:
        self._begin()
        self._sweep_in(self._settings.sweep_every_s)

    @override
    def handle(self, message: LedgerMessage, reply: Reply) -> None:
        match message:
            case Wake(full):
                self._woken(full=full)
            case FoldNow():
                self._begin()
            case Sweep():
                self.context.spawn(self._sweep())
            case Retain():  # not at once: it may be a slip of somebody's pen
                self._sweep_in(self._settings.sweep_every_s)
            case _:
                deadline = self.context.now() + self._settings.patience_s
                needs = self._round_number + 1
                self._asked.append(_Asked(message, reply, needs, deadline))
                self._begin()

    @override
    def on_stop(self) -> None:
        self._store.stash(dict(self._desk.unsaved))

    def _woken(self, *, full: bool) -> None:
        if self._folding or self._failures:
            return  # the end of the round looks; a back-off is not cut short
        if full:
            self._begin()
        elif self._timer is None:
            self._fold_in(self._settings.group_s)

    def _fold_in(self, delay_s: float) -> None:
        self._timer = self.context.call_later(delay_s, FoldNow())

    def _begin(self) -> None:
        if self._folding:
            return  # the end of the round looks
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._folding = True
        self.context.spawn(self._rounds(), name="fold")

    async def _rounds(self) -> None:
        """One round, and another while a question needs one."""
        while True:
            self._round_number += 1
            self._desk.woken = 0
            worked = await self._round()
            self._settle(self._round_number, worked=worked)
            if not self._asked:
                break
        self._folding = False
        if self._failures:
            self._fold_in(self._backoff_s())
        elif self._desk.woken or self._desk.unsaved:
            full = self._desk.woken >= self._settings.group_records
            self._fold_in(0.0 if full else self._settings.group_s)

    async def _round(self) -> bool:
        """Fold what was spooled before; whether all of it is folded now.

        Never raises: whatever happens to the store, requests go on.
        """
        roll = True
        try:
            while True:
                states = dict(self._desk.unsaved)
                folded = await self._store.fold(self._settings.batch, states, roll=roll)
                roll = False
                self._desk.saved(states)
                self._report(folded)
                if not folded.more:
                    break
                self._settle(self._round_number - 1, worked=False)
        except Exception as error:  # noqa: BLE001 - see above; it is told as a condition
            self._failed(error)
            return False
        self._failures = 0
        for code in ("ledger_behind", "ledger_unavailable"):
            self._desk.troubles.withdraw(code)
        return True

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        text = str(error) if isinstance(error, GitBridgeError) else _named(error)
        troubles = self._desk.troubles
        if isinstance(error, LedgerNotOpen):
            troubles.declare("ledger_unavailable", error=text)
            troubles.withdraw("ledger_behind")
        else:
            troubles.declare("ledger_behind", error=text)
            troubles.withdraw("ledger_unavailable")

    def _backoff_s(self) -> float:
        doubled = self._settings.backoff_s * 2.0 ** min(self._failures - 1, 30)
        return min(doubled, self._settings.backoff_max_s)

    def _report(self, folded: Folded) -> None:
        troubles = self._desk.troubles
        if folded.replaced is not None:
            troubles.declare("database_corrupt", path=folded.replaced)
        if folded.damaged:
            self._damaged += folded.damaged
            troubles.declare("spool_damaged", count=self._damaged)
        self._exported(folded.export_error)

    def _exported(self, error: str | None) -> None:
        if self._export_timer is not None:
            self._export_timer.cancel()
            self._export_timer = None
        if error is None:
            self._desk.troubles.withdraw("usage_log_unwritable")
            return
        self._desk.troubles.declare("usage_log_unwritable", error=error)
        delay_s = self._settings.backoff_max_s
        self._export_timer = self.context.call_later(delay_s, FoldNow())

    def _settle(self, number: int, *, worked: bool) -> None:
        """Answer what waited for this round, and what has waited too long."""
        now = self.context.now()
        waiting: list[_Asked] = []
        for asked in self._asked:
            flush = isinstance(asked.question, Flush)
            if asked.needs <= number and flush:
                asked.reply.send(worked)
            elif asked.needs <= number or (now >= asked.deadline and not flush):
                self.context.spawn(self._answer(asked.question, asked.reply))
            else:
                waiting.append(asked)
        self._asked = waiting

    async def _answer(self, question: Question, reply: Reply) -> None:
        try:
            answer = await self._look_up(question)
        except GitBridgeError as error:
            reply.fail(error)
        except Exception as error:  # noqa: BLE001 - the asker hears of it
            reply.fail(LedgerUnavailable(f"the ledger: {_named(error)}"))
        else:
            reply.send(answer)

    async def _look_up(self, question: Question) -> object:
        store = self._store
        answer: object = True
        match question:
            case GetHistory(limit, cursor, own):
                answer = await store.history(limit, cursor, own)
            case Explain(any_id):
                answer = await store.explain(any_id)
            case GetSightings(decision):
                answer = await store.sightings(decision)
            case GetUsage(since, by, own):
                answer = await store.usage(since, by, own)
            case GetTotals() | GetSpan() | GetRecords() | AskThreads():
                answer = await self._look_back(question)
            case PutLabel() | GetLabels():
                answer = await self._feedback(question)
            case Flush():
                pass
        return answer

    async def _look_back(self, question: LookingBack) -> object:
        if isinstance(question, GetTotals):
            return await self._store.totals()
        if isinstance(question, GetSpan):
            return await self._store.span(question.since, question.newest)
        if isinstance(question, AskThreads):
            return await self._store.threads(question.query)
        return await self._store.read_records(
            question.since, question.after, question.limit
        )

    async def _feedback(self, question: Feedback) -> object:
        if isinstance(question, PutLabel):
            return await self._store.label(question.label)
        return await self._store.labels()

    def _sweep_in(self, delay_s: float) -> None:
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        if self._desk.sweeps:
            self._sweep_timer = self.context.call_later(delay_s, Sweep())

    async def _sweep(self) -> None:
        settings, desk, deleted = self._settings, self._desk, 0
        for days, sweep in (
            (desk.retention_days, self._store.sweep),
            (desk.thread_days, self._store.sweep_threads),
        ):
            if days is None:
                continue
            before = desk.wall() - days * _DAY_S
            # What ails the database is told by folding.
            with suppress(Exception):
                deleted += await sweep(before, settings.sweep_batch)
        self._sweep_in(settings.sweep_pause_s if deleted else settings.sweep_every_s)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
