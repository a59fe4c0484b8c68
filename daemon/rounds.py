"""Reads rounds of consensus from the ledger, page by page, so that nobody waits."""

import anyio

from actors.messages.ledger import LedgerRef
from actors.messages.rounds import RoundsReport
from actors.policy.voting.reporting import Reporting
from daemon.ownership import may_see
from ipc.methods import Peer
from ipc.rounds import RoundsParams

PAGE = 100
"""Records between two breaths of the event loop: some 5 ms of reading."""


async def report_rounds(
    ledger: LedgerRef, asked: RoundsParams, since: float | None, peer: Peer
) -> RoundsReport:
    """Of the newest requests since then (UTC epoch seconds), those the peer may see.

    Raises:
        LedgerUnavailable: The records cannot be read now.
    """
    span = await ledger.span(since, asked.limit)
    labels = await ledger.labels()
    reporting = Reporting({each.decision_id: each.score for each in labels})
    requests, after = 0, max(0, span.first - 1)
    while page := await ledger.read_records(span.since, after, PAGE):
        for number, record in page:
            if number <= span.last and may_see(peer, record.user):
                requests += record.parent_id is None
                reporting.add(record)
        after = page[-1][0]
        await anyio.sleep(0.0)
    return RoundsReport(since=since, requests=requests, rows=reporting.rows())
