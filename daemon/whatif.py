"""Replays the ledger's records by other rules, page by page, so that nobody waits."""

import anyio

from actors.messages.ledger import LedgerRef
from actors.messages.whatif import WhatIf
from actors.policy.recall import EPOCH_S
from actors.policy.whatif import Replay
from ipc.whatif import WhatIfParams

PAGE = 100
"""Records between two breaths of the event loop: some 10 ms of ranking."""


async def what_if(
    ledger: LedgerRef, asked: WhatIfParams, since: float | None
) -> WhatIf:
    """What the change would have meant since then (UTC epoch seconds).

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
                counted = number >= span.first and record.at >= span.since
                replay.add(record, counted=counted)
        after = page[-1][0]
        await anyio.sleep(0.0)
    return replay.account()
