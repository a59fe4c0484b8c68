"""What rounds of consensus came to, as far as feedback says who was right."""

from decimal import Decimal

from msgspec import Struct


class MemberRow(Struct, frozen=True, gc=False, kw_only=True):
    """One member in rounds of one task type whose right answers are known, or partly.

    ``answered`` of the rounds it was asked in; ``right`` of the ``known`` ones among
    those where answers differed; ``share`` is that quotient. Of the labelled rounds it
    was right in at least and at most these shares: feedback that an answer was wrong
    does not say which other was right. ``None`` where fewer than 20 are known.
    ``usd`` is what it cost a round, where that is known.
    """

    member: str
    answered: int
    right: int
    known: int
    share: float | None
    at_least: float | None
    at_most: float | None
    usd: Decimal | None


class RoundsRow(Struct, frozen=True, gc=False, kw_only=True):
    """Rounds of one task type, pretended ones apart.

    ``disagreed`` had different answers; ``labelled`` are those whose verdict is known to
    be right or wrong. ``accuracy`` is the verdict's; ``bought_at_least`` and
    ``bought_at_most`` are its lead over ``best_single``, the member that was most often
    right, in shares of the rounds. ``usd`` is what a round cost, ``extra_usd`` what of it
    was beyond the best member alone; both over rounds whose cost is known. What is
    ``None`` has its reason in ``unknown``.
    """

    task_type: str | None
    simulated: bool
    rounds: int
    disagreed: int
    labelled: int
    accuracy: float | None
    best_single: str | None
    bought_at_least: float | None
    bought_at_most: float | None
    usd: Decimal | None
    extra_usd: Decimal | None
    members: tuple[MemberRow, ...]
    unknown: tuple[str, ...] = ()


class RoundsReport(Struct, frozen=True, gc=False, kw_only=True):
    """``requests`` were looked at, from ``since`` (UTC epoch seconds) on."""

    since: float | None
    requests: int
    rows: tuple[RoundsRow, ...]
