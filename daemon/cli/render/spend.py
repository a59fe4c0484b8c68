"""What was spent, on one line."""

from collections.abc import Sequence
from decimal import Decimal

from actors.messages.ledger import UsageRow
from daemon.cli.render.units import count, money
from ipc.results import UsageResult

NAMED = 3
"""So many of those on whom most was spent are named."""


def spend(usage: UsageResult, over: str) -> str:
    """The sum, on whom, and how much of it has no known price.

    Args:
        usage: By provider.
        over: The time it is about, in words.
    """
    real = [row for row in usage.rows if not row.simulated]
    pretended = [row for row in usage.rows if row.simulated]
    parts = [_sum(real)] if real or not pretended else []
    parts += [f"pretended {_sum(pretended)}"] if pretended else []
    return f"spent in {over}: {'; '.join(parts)}"


def _sum(rows: Sequence[UsageRow]) -> str:
    known = [row for row in rows if row.cost_usd is not None]
    total = sum((row.cost_usd or Decimal(0) for row in known), Decimal(0))
    dearest = sorted(known, key=lambda row: row.cost_usd or Decimal(0), reverse=True)
    named = ", ".join(f"{row.key} {money(row.cost_usd)}" for row in dearest[:NAMED])
    requests = sum(row.requests for row in rows)
    text = f"{money(total)} for {count(requests)} request{'' if requests == 1 else 's'}"
    unpriced = sum(row.unpriced_attempts for row in rows)
    text += f" ({named})" if named and total else ""
    return text + (f", {count(unpriced)} calls of unknown cost" if unpriced else "")
