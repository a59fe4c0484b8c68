"""A ledger that answers from the records a test's house has written.

Realism: it sees every record at once, as the real one promises; its history and usage
hold no rows, the real ones are tested with the store.
"""

from collections.abc import Sequence

from actors.messages.ledger import (
    HistoryEntry,
    Label,
    Labelled,
    Own,
    Span,
    UsageGrouping,
    UsageRow,
)
from actors.messages.lifecycle import Finding
from actors.messages.provider import ProviderTotals
from actors.messages.routing import Decision, RequestRecord
from actors.messages.sighting import Sighting
from actors.messages.threads import ThreadAnswer, ThreadList, ThreadQuery
from actors.policy.recall import Key, seen_by


class MemoryLedger:
    def __init__(self, records: Sequence[RequestRecord]) -> None:
        self._records = records
        self._labels: dict[str, Label] = {}

    def wake(self) -> None: ...

    async def history(
        self, limit: int = 20, cursor: str | None = None, own: Own | None = None
    ) -> tuple[HistoryEntry, ...]:
        return ()

    async def explain(self, any_id: str) -> RequestRecord | None:
        return next(
            (
                record
                for record in self._records
                if any_id in {record.request_id, record.decision.decision_id}
            ),
            None,
        )

    async def sightings(self, decision: Decision) -> dict[Key, Sighting]:
        seen = {(s.epoch, s.seq): s for r in self._records for s in r.sightings}
        return {key: seen[key] for key in seen_by(decision) if key in seen}

    async def span(self, since: float | None, newest: int) -> Span:
        numbered = enumerate(self._records, start=1)
        found = [(n, r.at) for n, r in numbered if r.at >= (since or 0.0)][-newest:]
        if not found:
            return Span(since or 0.0, 0, 0)
        return Span(min(at for _, at in found), found[0][0], found[-1][0])

    async def read_records(
        self, since: float, after: int, limit: int
    ) -> tuple[tuple[int, RequestRecord], ...]:
        numbered = enumerate(self._records, start=1)
        found = [(n, r) for n, r in numbered if n > after and r.at >= since]
        return tuple(found[:limit])

    async def usage(
        self,
        since: float | None = None,
        by: UsageGrouping = "provider",
        own: Own | None = None,
    ) -> tuple[UsageRow, ...]:
        return ()

    async def totals(self) -> dict[str, ProviderTotals]:
        return {}

    async def label(self, label: Label) -> Labelled:
        before = self._labels.pop(label.decision_id, None)
        self._labels[label.decision_id] = label
        left = () if before is None else self._scores(before)
        return Labelled(self._scores(label), before, left)

    async def labels(self) -> tuple[Label, ...]:
        return tuple(self._labels.values())

    def _scores(self, like: Label) -> tuple[float, ...]:
        return tuple(
            each.score
            for each in self._labels.values()
            if (each.provider, each.model, each.task_type)
            == (like.provider, like.model, like.task_type)
        )

    async def threads(self, query: ThreadQuery) -> ThreadAnswer:
        return ThreadList(())

    def load(self, key: str) -> bytes | None:
        return None

    def save(self, key: str, state: bytes) -> None: ...

    async def flush(self) -> bool:
        return True

    def spool_trouble(self, error: OSError | None) -> None: ...

    def findings(self) -> tuple[Finding, ...]:
        return ()
