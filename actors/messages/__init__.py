"""L0: what actors say to each other, as frozen msgspec Structs without behaviour.

``chat`` what is asked and answered, provider-neutral · ``provider`` attempts, outcomes,
probes, snapshots · ``routing`` requests, rankings, decisions, records · ``lifecycle``
start, stop, exits. Times named ``at`` are UTC epoch seconds; ``_s`` are seconds;
deadlines are the event loop's monotonic clock; money is ``Decimal`` US dollars. A number
that is not known is ``None``, never 0.

What every request makes many of is declared ``gc=False``: plain data, which cannot be
part of a cycle, so that the collector need not keep track of it.

May import ``actors.errors`` (for its word lists) and nothing else of the project.
No ``from __future__ import annotations`` beside Structs: msgspec resolves the types.
"""
