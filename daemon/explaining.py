"""Finds the record of a request, and makes its decision again where that is asked."""

from actors.errors import InvalidRequest
from actors.messages.ledger import LedgerRef
from actors.policy.recall import Forgotten
from actors.policy.retelling import retell
from ipc.explanation import ExplainParams, Explanation


async def explain(ledger: LedgerRef, asked: ExplainParams) -> Explanation:
    """Why it went there.

    Raises:
        InvalidRequest: Nothing of this id is in the ledger.
        LedgerUnavailable: The records cannot be read now.
    """
    record = await ledger.explain(asked.any_id)
    if record is None:
        raise InvalidRequest(
            f"there is no decision or request {asked.any_id!r} in the ledger",
            field="decision_id",
            got=asked.any_id[:100],
            wanted="an id from history",
        )
    if not asked.all:
        return Explanation.of(record)
    if record.consensus is not None:
        reason = "a round ranks nobody: each of its ballots has a decision of its own"
        return Explanation.of(record, not_recomputed=reason)
    told = retell(record.decision, await ledger.sightings(record.decision))
    if isinstance(told, Forgotten):
        return Explanation.of(record, not_recomputed=told.reason)
    return Explanation.of(record, told)
