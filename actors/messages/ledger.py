"""What is asked of the ledger, and what it answers."""

from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

from actors.errors import ErrorKind
from actors.messages.chat import FinishReason
from actors.messages.lifecycle import Finding
from actors.messages.provider import CostSource, ProviderTotals
from actors.messages.reuse import ReuseKind
from actors.messages.routing import Decision, Door, RequestRecord, Strategy
from actors.messages.sighting import Sighting
from actors.messages.threads import ThreadAnswer, ThreadQuery

UsageGrouping = Literal["provider", "model", "task_type", "user"]


class Own(Struct, frozen=True):
    """Only what this user asked; ``None`` is who comes by a door that knows no users."""

    user: str | None


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """One request in the history. ``cursor`` continues the listing after it.

    ``attempts`` counts upstream calls; ``cost_usd`` is ``None`` when the price of one
    of them is not known, ``known_cost_usd`` is what is known of it. ``reused``: it was
    given another's answer.
    """

    cursor: str
    request_id: str
    decision_id: str
    at: float
    door: Door
    strategy: Strategy
    outcome: Literal["ok"] | ErrorKind
    requested_model: str | None
    provider: str | None
    model: str | None
    task_type: str | None
    user: str | None
    stream: bool
    attempts: int
    latency_s: float
    overhead_s: float
    time_to_first_token_s: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: Decimal | None
    known_cost_usd: Decimal
    cost_source: CostSource
    confidence: float | None
    degraded: bool
    finish_reason: FinishReason | None
    error_message: str | None
    simulated: bool
    reused: ReuseKind | None = None


class UsageRow(Struct, frozen=True, kw_only=True):
    """What one provider, model, task type or user used.

    ``key`` is its name, ``provider/model`` for models, ``None`` for requests without
    one. Every attempt counts, failed and cancelled ones too: they cost money. The
    token counts are sums over the attempts that reported any. ``cost_usd`` is the exact
    sum over the priced attempts, ``None`` when there are attempts and none is priced;
    ``unpriced_attempts`` says how many are missing from it. ``failures`` counts, for
    providers and models, attempts, and for task types and users, requests that neither
    succeeded nor were cancelled. Pretended calls stand in rows of their own
    (``simulated``): their money is no money.
    ``reused`` counts, for task types and users, requests that were given another's
    answer, and ``saved_usd`` what is known of the cost of those answers; providers and
    models have none, for none was called.
    """

    key: str | None
    requests: int
    attempts: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal | None
    unpriced_attempts: int
    simulated: bool = False
    reused: int = 0
    saved_usd: Decimal = Decimal(0)


class Label(Struct, frozen=True, kw_only=True):
    """A caller's score in [0, 1] for the answer of a decision.

    ``model`` is the name it was asked for; ``at`` is UTC epoch seconds.
    """

    decision_id: str
    provider: str
    model: str
    task_type: str | None
    score: float
    at: float
    user: str | None = None
    comment: str | None = None
    simulated: bool = False


class Labelled(Struct, frozen=True):
    """A label was kept.

    ``scores`` are all of its model and task type now, the oldest first. ``before`` is
    the label it replaced, if it did, and ``left`` are the scores where that one stood.
    """

    scores: tuple[float, ...]
    before: Label | None = None
    left: tuple[float, ...] = ()


class Folded(Struct, frozen=True, kw_only=True):
    """What one fold did: moving records from the spool into the database.

    ``more`` says that another is needed for what was there when the spool was rolled. ``damaged`` counts pieces that
    could not be read or stored and were set aside; ``replaced`` is the path where a
    corrupt database was moved, when that happened; ``export_error`` says why the usage
    logs are behind, if they are.
    """

    records: int = 0
    more: bool = False
    damaged: int = 0
    export_error: str | None = None
    replaced: str | None = None


class Span(Struct, frozen=True):
    """The newest requests of a time: the earliest ``at``, first and last number.

    Numbers are in the order of writing, ``at`` is when a request came. Without any,
    ``first`` and ``last`` are 0 and ``since`` as asked for.
    """

    since: float
    first: int
    last: int


class LedgerStore(Protocol):
    """What the ledger actor works on: spool, database and usage logs together.

    Every method raises ``LedgerUnavailable`` or ``OSError`` when it could not be done
    now; nothing is lost by that.
    """

    async def fold(self, limit: int, states: dict[str, bytes], *, roll: bool) -> Folded:
        """Move up to ``limit`` records and all ``states`` into the database.

        Idempotent: a record folded again is in there once. Only what was spooled
        before the last fold with ``roll`` is moved, so that folding until ``more`` is
        false comes to an end whatever arrives meanwhile.
        """

    def stash(self, states: dict[str, bytes]) -> None:
        """Take values that no fold will bring any more; written when it is closed."""

    async def history(
        self, limit: int, cursor: str | None, own: Own | None = None
    ) -> tuple[HistoryEntry, ...]: ...

    async def explain(self, any_id: str) -> RequestRecord | None: ...

    async def sightings(self, decision: Decision) -> dict[tuple[str, int], Sighting]:
        """What the decision saw, by epoch and number, as far as it is kept."""

    async def span(self, since: float | None, newest: int) -> Span: ...

    async def read_records(
        self, since: float, after: int, limit: int
    ) -> tuple[tuple[int, RequestRecord], ...]:
        """Whole records with their numbers, oldest first; see ``LedgerRef``."""

    async def usage(
        self, since: float | None, by: UsageGrouping, own: Own | None = None
    ) -> tuple[UsageRow, ...]: ...

    async def totals(self) -> dict[str, ProviderTotals]: ...

    async def states(self) -> dict[str, bytes]:
        """Every value that was folded, by its key."""

    async def label(self, label: Label) -> Labelled:
        """Keep a label, in place of an earlier one of that decision."""

    async def labels(self) -> tuple[Label, ...]:
        """Every label there is."""

    async def threads(self, query: ThreadQuery) -> ThreadAnswer:
        """What is kept of threads; see the query."""

    async def sweep(self, before: float, limit: int) -> int:
        """Delete up to ``limit`` requests older than ``before``; returns how many."""

    async def sweep_threads(self, before: float, limit: int) -> int:
        """The same with what was noted of threads."""


class LedgerRef(Protocol):
    """The typed handle on the ledger actor, and a ``StateKeeper``.

    The queries see every record that was spooled before they were called. They raise
    ``LedgerUnavailable`` when the database cannot be read now.
    """

    def wake(self) -> None:
        """Something was spooled: fold it soon."""

    async def history(
        self, limit: int = 20, cursor: str | None = None, own: Own | None = None
    ) -> tuple[HistoryEntry, ...]:
        """Newest first, of one user where ``own`` says so.

        ``cursor`` is that of the last entry already seen.

        Raises:
            InvalidRequest: ``cursor`` is not one.
        """

    async def explain(self, any_id: str) -> RequestRecord | None:
        """The record with this decision id or request id."""

    async def sightings(self, decision: Decision) -> dict[tuple[str, int], Sighting]:
        """What the decision saw, for ``policy.recall``: as far as it is kept."""

    async def span(self, since: float | None, newest: int) -> Span:
        """The ``newest`` requests since then (UTC epoch seconds), or of all."""

    async def read_records(
        self, since: float, after: int, limit: int
    ) -> tuple[tuple[int, RequestRecord], ...]:
        """Up to ``limit`` records since then, numbered above ``after``, oldest first."""

    async def usage(
        self,
        since: float | None = None,
        by: UsageGrouping = "provider",
        own: Own | None = None,
    ) -> tuple[UsageRow, ...]:
        """Usage of requests since ``since`` (UTC epoch seconds), largest cost first."""

    async def label(self, label: Label) -> Labelled:
        """Keep a label for good, in place of an earlier one of that decision."""

    async def labels(self) -> tuple[Label, ...]:
        """Every label there is."""

    async def totals(self) -> dict[str, ProviderTotals]:
        """Per provider since the first start with this state folder."""

    async def threads(self, query: ThreadQuery) -> ThreadAnswer:
        """What is kept of threads; see the query."""

    def load(self, key: str) -> bytes | None:
        """The value last saved under this key, in this or an earlier process."""

    def save(self, key: str, state: bytes) -> None:
        """Keep a small value over restarts; written with the next fold."""

    async def flush(self) -> bool:
        """Fold everything now; false when something could not be folded."""

    def spool_trouble(self, error: OSError | None) -> None:
        """The spool could not be written, or (``None``) can be again."""

    def findings(self) -> tuple[Finding, ...]: ...
