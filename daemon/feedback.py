"""Scores that callers give to answers: checked, kept, and put to use."""

from collections.abc import Callable
from typing import cast

from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.consensus import ConsensusInfo
from actors.messages.ledger import Label, LedgerRef
from actors.messages.routing import AttemptRecord, RequestRecord
from actors.messages.threads import ThreadEntry, ThreadRecorder
from actors.policy.quality import Quality, QualityBook
from daemon.ownership import may_see
from ipc.feedback import FeedbackParams, FeedbackResult, QualityRow
from ipc.methods import Peer


class FeedbackDesk:
    """Answers ``feedback``, and says what all of it has taught.

    Args:
        ledger: Knows the decisions, and keeps the labels.
        book: What the router ranks with.
        utc: Epoch seconds.
        on_round: Told of a round of consensus and the score of its answer.
        notes: Where scores of what belongs to a thread are noted.
    """

    def __init__(
        self,
        ledger: LedgerRef,
        book: QualityBook,
        utc: Callable[[], float],
        on_round: Callable[[RequestRecord, float], None],
        notes: ThreadRecorder,
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._utc = utc
        self._on_round = on_round
        self._notes = notes

    async def take(self, params: object, peer: Peer) -> FeedbackResult:
        """Attach a score to a decision; to all who agreed where several were asked.

        Raises:
            InvalidRequest: The peer has no such decision, or nobody answered it.
        """
        asked = cast("FeedbackParams", params)
        record = await self._ledger.explain(asked.decision_id)
        if record is None or not may_see(peer, record.user):
            raise _refused(
                asked, f"there is no decision {asked.decision_id!r} in the ledger"
            )
        result = await self._scored(asked, record, peer)
        if record.thread is not None:
            self._notes.note(_note(asked, record, record.thread, peer))
        return result

    async def _scored(
        self, asked: FeedbackParams, record: RequestRecord, peer: Peer
    ) -> FeedbackResult:
        if record.consensus is None:
            return await self._take(self._label(asked, record, peer))
        results = [
            await self._take(self._label(asked, member, peer))
            for member in await self._winners(asked, record.consensus)
        ]
        task_type = asked.task_type or record.task_type
        self._on_round(replace(record, task_type=task_type), asked.score)
        return FeedbackResult(
            decision_id=asked.decision_id,
            score=asked.score,
            replaced=results[0].replaced,
            quality=tuple(row for result in results for row in result.quality),
        )

    async def _take(self, label: Label) -> FeedbackResult:
        kept = await self._ledger.label(label)
        if kept.before is not None:
            self._book.unlearn(kept.before, kept.left)
        quality = self._book.learn(label, kept.scores)
        return FeedbackResult(
            decision_id=label.decision_id,
            score=label.score,
            replaced=None if kept.before is None else kept.before.score,
            quality=(
                _row(
                    label.provider,
                    label.model,
                    label.task_type,
                    quality,
                    simulated=label.simulated,
                ),
            ),
        )

    async def _winners(
        self, asked: FeedbackParams, info: ConsensusInfo
    ) -> list[RequestRecord]:
        """The requests of the members whose answer won; the score is theirs."""
        won = [
            await self._ledger.explain(ballot.decision_id or "")
            for ballot in info.ballots
            if info.winner is not None and ballot.group == info.winner
        ]
        found = [record for record in won if record is not None]
        if not found:
            raise _refused(
                asked, "no member gave this answer: score the members' own decisions"
            )
        return found

    def rows(self) -> tuple[QualityRow, ...]:
        """What is known, by model and task type."""
        found = [
            _row(target.provider, target.model, task_type, quality, simulated=simulated)
            for target, task_type, simulated, quality in self._book.rows()
        ]
        found.sort(key=lambda row: (row.task_type or "", -row.quality, row.provider))
        return tuple(found)

    def _label(self, asked: FeedbackParams, record: RequestRecord, peer: Peer) -> Label:
        answered = _answered(record)
        if answered is None:
            raise _refused(
                asked, f"nobody answered {asked.decision_id!r}: {record.outcome}"
            )
        return Label(
            decision_id=record.decision.decision_id,
            provider=answered.provider,
            model=answered.model,
            task_type=asked.task_type or record.task_type,
            score=asked.score,
            at=self._utc(),
            user=peer.user,
            comment=asked.comment,
            simulated=record.simulated,
        )


def _answered(record: RequestRecord) -> AttemptRecord | None:
    """The call that gave the answer: by the name its model was asked for."""
    if record.provider is None:
        return None
    answers = (each for each in reversed(record.attempts) if each.outcome == "ok")
    return next((a for a in answers if a.provider == record.provider), None)


def _note(
    asked: FeedbackParams, record: RequestRecord, thread: str, peer: Peer
) -> ThreadEntry:
    """What somebody thought of an answer, for the thread that the answer is in."""
    return ThreadEntry(
        thread_id=thread,
        kind="note",
        who=peer.user or "caller",
        to="consensus" if record.consensus is not None else record.provider,
        user=record.user,
        text=asked.comment,
        decision_id=asked.decision_id,
        data={"score": asked.score},
    )


def _refused(asked: FeedbackParams, said: str) -> InvalidRequest:
    return InvalidRequest(
        said,
        field="decision_id",
        got=asked.decision_id[:100],
        wanted="the decision_id of an answer, from its reply or from history",
    )


def _row(
    provider: str,
    model: str,
    task_type: str | None,
    quality: Quality,
    *,
    simulated: bool,
) -> QualityRow:
    return QualityRow(
        provider=provider,
        model=model,
        task_type=task_type,
        quality=quality.mean,
        labels=quality.labels,
        simulated=simulated,
    )
