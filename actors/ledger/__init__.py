"""L2 actor: folds the spool into the store, in groups, and answers questions about it.

It isolates failure: a database that hiccups delays folding, never an answer to a
request. It is the only writer, so no fold is in another's way.

    wake --50 ms or 500 records--> a round of folds --nothing left--> idle
                                        | failure: the spool keeps everything
                                        +--> back-off 0.1 s, 0.2 s, ... 30 s --> again

Questions wait for a round that began after they came, so they see what was spooled
before; when that takes longer than ``patience_s`` they are answered from what is there.

``desk`` settings, conditions, and what outlives a crash · ``actor`` the actor ·
``handle`` its typed ref. May import messages, errors and the runtime; the store, the
wall clock and the listener of conditions are handed in.
"""

from actors.ledger.desk import LedgerSettings
from actors.ledger.handle import LedgerHandle

__all__ = ["LedgerHandle", "LedgerSettings"]
