"""A ledger store in memory whose time and failures a test decides."""

import anyio

from actors.messages.ledger import (
    Folded,
    HistoryEntry,
    Label,
    Labelled,
    Own,
    Span,
    UsageGrouping,
    UsageRow,
)
from actors.messages.provider import ProviderTotals
from actors.messages.routing import Decision, RequestRecord
from actors.messages.sighting import Sighting
from actors.messages.threads import (
    GetThread,
    ThreadAnswer,
    ThreadList,
    ThreadPage,
    ThreadQuery,
)
from actors.policy.recall import Key, seen_by


class MemoryStore:
    """Implements ``LedgerStore``; ``spooled`` stands for the spool.

    Attributes:
        spooled: Records that were appended and are not folded.
        records: Records that were folded.
        folds: When each fold began, and how many records it moved.
        fold_s: How long a fold takes.
        errors: Raised by the next folds, first come first served.
        broken: Raised by every question while set.
        export_error: What the usage logs suffer from.
        damaged: Reported by the next fold.
        replaced: Reported by the next fold.
        old_entries: How many entries of threads the next sweep finds.
        stashed: What the actor left when it ended.
    """

    def __init__(self) -> None:
        self.spooled: list[RequestRecord] = []
        self.records: list[RequestRecord] = []
        self.saved: dict[str, bytes] = {}
        self.folds: list[tuple[float, int]] = []
        self.sweeps: list[tuple[float, float]] = []
        self.thread_sweeps: list[tuple[float, float]] = []
        self.old_entries = 0
        self.fold_s = 0.0
        self.errors: list[Exception] = []
        self.broken: Exception | None = None
        self.export_error: str | None = None
        self.damaged = 0
        self.replaced: str | None = None
        self.stashed: dict[str, bytes] = {}
        self.kept_labels: list[Label] = []
        self._rolled: list[RequestRecord] = []

    async def fold(self, limit: int, states: dict[str, bytes], *, roll: bool) -> Folded:
        began = anyio.current_time()
        if roll:
            self._rolled += self.spooled
            self.spooled.clear()
        await anyio.sleep(self.fold_s)
        if self.errors:
            raise self.errors.pop(0)
        moved, self._rolled = self._rolled[:limit], self._rolled[limit:]
        self.records += moved
        self.saved.update(states)
        self.folds.append((began, len(moved)))
        damaged, self.damaged = self.damaged, 0
        replaced, self.replaced = self.replaced, None
        return Folded(
            records=len(moved),
            more=bool(self._rolled),
            damaged=damaged,
            export_error=self.export_error,
            replaced=replaced,
        )

    def stash(self, states: dict[str, bytes]) -> None:
        self.stashed = states

    async def history(
        self, limit: int, cursor: str | None, own: Own | None = None
    ) -> tuple[HistoryEntry, ...]:
        self._check()
        return ()

    async def explain(self, any_id: str) -> RequestRecord | None:
        self._check()
        found = [
            r for r in self.records if any_id in (r.request_id, r.decision.decision_id)
        ]
        return found[-1] if found else None

    async def sightings(self, decision: Decision) -> dict[Key, Sighting]:
        self._check()
        seen = {(s.epoch, s.seq): s for r in self.records for s in r.sightings}
        return {key: seen[key] for key in seen_by(decision) if key in seen}

    async def span(self, since: float | None, newest: int) -> Span:
        self._check()
        numbered = enumerate(self.records, start=1)
        found = [(n, r.at) for n, r in numbered if r.at >= (since or 0.0)][-newest:]
        if not found:
            return Span(since or 0.0, 0, 0)
        return Span(min(at for _, at in found), found[0][0], found[-1][0])

    async def read_records(
        self, since: float, after: int, limit: int
    ) -> tuple[tuple[int, RequestRecord], ...]:
        self._check()
        numbered = enumerate(self.records, start=1)
        found = [(n, r) for n, r in numbered if n > after and r.at >= since]
        return tuple(found[:limit])

    async def usage(
        self, since: float | None, by: UsageGrouping, own: Own | None = None
    ) -> tuple[UsageRow, ...]:
        self._check()
        return ()

    async def totals(self) -> dict[str, ProviderTotals]:
        self._check()
        return {"openai": ProviderTotals(requests=len(self.records))}

    async def states(self) -> dict[str, bytes]:
        return dict(self.saved)

    async def label(self, label: Label) -> Labelled:
        if self.broken is not None:
            raise self.broken
        self.kept_labels.append(label)
        return Labelled((label.score,))

    async def labels(self) -> tuple[Label, ...]:
        return tuple(self.kept_labels)

    async def sweep(self, before: float, limit: int) -> int:
        self.sweeps.append((anyio.current_time(), before))
        old = [record for record in self.records if record.at < before][:limit]
        self.records = [record for record in self.records if record not in old]
        return len(old)

    async def threads(self, query: ThreadQuery) -> ThreadAnswer:
        self._check()
        return ThreadPage(None) if isinstance(query, GetThread) else ThreadList(())

    async def sweep_threads(self, before: float, limit: int) -> int:
        self.thread_sweeps.append((anyio.current_time(), before))
        old, self.old_entries = min(self.old_entries, limit), 0
        return old

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken
