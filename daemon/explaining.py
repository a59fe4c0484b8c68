"""Finds the record of a request, and makes its decision again where that is asked."""

from typing import Final

from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.ledger import LedgerRef
from actors.messages.routing import RequestRecord
from actors.policy.recall import Forgotten
from actors.policy.retelling import retell
from daemon.ownership import may_see
from ipc.explanation import ExplainParams, Explanation
from ipc.methods import Peer

LOST: Final = (
    "the round it was a part of is not in the ledger: it was not finished, or its record "
    "was deleted after its time (ledger.retention_days)"
)


async def explain(ledger: LedgerRef, asked: ExplainParams, peer: Peer) -> Explanation:
    """Why it went there.

    Raises:
        InvalidRequest: Nothing of this id is in the ledger that is the peer's to see.
        LedgerUnavailable: The records cannot be read now.
    """
    record = await ledger.explain(asked.any_id)
    if record is None or not may_see(peer, record.user):
        raise InvalidRequest(
            f"there is no decision or request {asked.any_id!r} in the ledger",
            field="decision_id",
            got=asked.any_id[:100],
            wanted="an id from history",
        )
    told = await _told(ledger, record) if asked.all else Explanation.of(record)
    if record.parent_id is None:
        return told
    parent = await ledger.explain(record.parent_id)
    if parent is None:
        return replace(told, part_of_lost=LOST)
    return replace(told, part_of=parent.decision.decision_id)


async def _told(ledger: LedgerRef, record: RequestRecord) -> Explanation:
    """With everybody who was ranked, or why not."""
    if record.consensus is not None:
        reason = "a round ranks nobody: each of its ballots has a decision of its own"
        return Explanation.of(record, not_recomputed=reason)
    if record.reused is not None:
        reason = "it was given another's answer: nobody was ranked"
        return Explanation.of(record, not_recomputed=reason)
    told = retell(record.decision, await ledger.sightings(record.decision))
    if isinstance(told, Forgotten):
        return Explanation.of(record, not_recomputed=told.reason)
    return Explanation.of(record, told)
