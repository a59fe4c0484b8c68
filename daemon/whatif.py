"""Replays the ledger's records by other rules, page by page, so that nobody waits."""

import anyio

from actors.messages.ledger import LedgerRef
from actors.messages.whatif import WhatIf
from actors.policy.recall import EPOCH_S
from actors.policy.whatif import Replay
from daemon.ownership import may_see
from ipc.methods import Peer
from ipc.whatif import WhatIfParams

PAGE = 100
"""Records between two breaths of the event loop: some 10 ms of ranking."""


async def what_if(
    ledger: LedgerRef, asked: WhatIfParams, since: float | None, peer: Peer
) -> WhatIf:
    """What the change would have meant since then (UTC epoch seconds).

    Of the newest requests those count that are the peer's to see.

    Raises:
        LedgerUnavailable: The records cannot be read now.
    """
    span = await ledger.span(since, asked.limit)
    replay = Replay(asked.change())
    # What the first of them saw may stand in the records of some minutes before.
    after = 0
    while page := await ledger.read_records(span.since - EPOCH_S, after, PAGE):
        for number, record in page:
            if number <= span.last:
                asked_for = number >= span.first and record.at >= span.since
                counted = asked_for and may_see(peer, record.user)
                replay.add(record, counted=counted)
        after = page[-1][0]
        await anyio.sleep(0.0)
    return replay.account()
