"""Asking members: each a request of its own in the router's hands."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from actors.messages.provider import COST_SOURCES, CostSource
from actors.messages.routing import ErrorInfo, RouteHandle, RouteRequest, RouteResult
from actors.policy.compare.clusters import Answer

Reply = RouteResult | ErrorInfo


class Asked(Struct):
    """One member that was asked; ``reply`` is ``None`` while it has not ended.

    Of one that failed, ``replaced_by`` or ``absent`` as in its ballot.
    """

    member: str
    handle: RouteHandle
    reply: Reply | None = None
    cancelled: bool = False
    replaces: str | None = None
    replaced_by: str | None = None
    absent: str | None = None

    @property
    def answered(self) -> RouteResult | None:
        """Its answer, if it has one worth a ballot."""
        reply = self.reply
        if not isinstance(reply, RouteResult) or self.cancelled:
            return None
        return reply if reply.content or reply.tool_calls else None


class Members:
    """Everybody asked in one round, in the order of asking."""

    def __init__(
        self,
        route: Callable[[RouteRequest], RouteHandle],
        base: RouteRequest,
        new_id: Callable[[], str],
        on_ask: Callable[[Asked], None],
        on_end: Callable[[Asked], None],
    ) -> None:
        self._route = route
        self._base = base
        self._new_id = new_id
        self._on_ask = on_ask
        self._on_end = on_end
        self.asked: list[Asked] = []

    def ask(
        self,
        names: tuple[str, ...],
        *,
        deadline_s: float,
        budget: Decimal | None,
        replaces: str | None = None,
    ) -> None:
        """Send the question to these; ``budget`` is what each may cost, or ``None``."""
        for name in names:
            request = replace(
                self._base,
                request_id=self._new_id(),
                model=name if "/" in name else None,
                provider=None if "/" in name else name,
                stream=False,
                stream_mode=None,
                deadline_s=deadline_s,
                budget_usd=budget,
                consensus=None,
                parent_id=self._base.request_id,
                door="internal",
            )
            asked = Asked(name, self._route(request), replaces=replaces)
            self.asked.append(asked)
            self._on_ask(asked)
            asked.handle.begin(partial(self._ended, asked))

    def stop(self, *, interrupted: bool = False) -> None:
        """Cancel everybody who has not ended."""
        for asked in self.asked:
            if asked.reply is None and not asked.cancelled:
                asked.cancelled = True
                asked.handle.cancel(interrupted=interrupted)

    @property
    def open(self) -> int:
        return sum(asked.reply is None for asked in self.asked)

    def waiting(self) -> tuple[str, ...]:
        """Who was asked and has not ended."""
        return tuple(asked.member for asked in self.asked if asked.reply is None)

    def answered(self) -> list[tuple[str, RouteResult]]:
        """Who answered, and what, in the order of asking."""
        return [
            (asked.member, answer)
            for asked in self.asked
            if (answer := asked.answered) is not None
        ]

    def _ended(self, asked: Asked, reply: Reply) -> None:
        asked.reply = reply
        self._on_end(asked)


def as_answer(result: RouteResult) -> Answer:
    return Answer(result.content or "", result.tool_calls)


def cost_of(reply: Reply) -> Decimal | None:
    """What it cost; ``None`` as soon as one call's price is not known."""
    if isinstance(reply, RouteResult):
        return reply.cost_usd
    total = Decimal(0)
    for attempt in reply.attempts:
        if attempt.cost_usd is None:
            return None
        total += attempt.cost_usd
    return total


def total_cost(replies: Sequence[Reply | None]) -> tuple[Decimal | None, CostSource]:
    """What all cost; ``None`` as soon as one part is not known (yet).

    The source is that of the least certain part, of those that failed too.
    """
    total, doubt = Decimal(0), 0
    for reply in replies:
        cost = None if reply is None else cost_of(reply)
        if reply is None or cost is None:
            return None, "unknown"
        total += cost
        doubt = max(doubt, COST_SOURCES.index(reply.cost_source))
    return total, COST_SOURCES[doubt]
