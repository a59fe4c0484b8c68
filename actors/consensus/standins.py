"""Asking somebody else in place of a member that failed.

A stand-in has what is left of the failed member's money, and is only asked while a
quarter of the time for answers is left. Each is from a provider that has not failed in
this round. Who is not replaced counts as absent, and the ballot says why.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from actors.consensus.desk import Desk
from actors.consensus.members import Asked, Members, cost_of
from actors.errors import ErrorKind
from actors.messages.consensus import ConsensusAsk
from actors.messages.routing import ErrorInfo

TIME_SHARE: Final = 0.25
"""Part of the time for answers that must be left for somebody else to be asked."""

_OWN: Final[frozenset[ErrorKind]] = frozenset(
    {"deadline_exceeded", "budget_exceeded", "cancelled", "interrupted"}
)
"""Ends that another member would come to as well."""


class StandIns:
    """One round's replacing. ``none`` says why nobody is replaced at all, if so.

    ``on_absent`` is told of each member in whose place nobody is asked.
    """

    def __init__(
        self,
        desk: Desk,
        ask: ConsensusAsk,
        members: Members,
        task_type: str | None,
        on_absent: Callable[[Asked], None],
    ) -> None:
        self._desk = desk
        self._members = members
        self._task_type = task_type
        self._on_absent = on_absent
        self.none = _forbidden(desk, ask)

    def fill(self, *, left_s: float, span_s: float, share: Decimal | None) -> None:
        """Ask for every member that has failed and is not replaced yet.

        Args:
            left_s: Time for answers that is left.
            span_s: That time in all.
            share: What one member may cost in USD; ``None`` is anything.
        """
        for asked in tuple(self._members.asked):
            if not _failed(asked):
                continue
            asked.absent = self._why_not(asked, left_s / span_s)
            rest = None if share is None else _rest(asked, share)
            if asked.absent is None and rest is not None and rest <= 0:
                asked.absent = "too little is left of what it might cost"
            if asked.absent is None:
                self._replace(asked, left_s, rest)
            if asked.absent is not None:
                self._on_absent(asked)

    def _why_not(self, asked: Asked, left: float) -> str | None:
        if self.none is not None:
            return self.none
        reply = asked.reply
        if isinstance(reply, ErrorInfo) and reply.kind in _OWN:
            return f"another would fail as well: {reply.kind}"
        return None if left >= TIME_SHARE else "too little time is left"

    def _replace(self, asked: Asked, left_s: float, rest: Decimal | None) -> None:
        everybody = self._members.asked
        name = self._desk.stand_in(
            {each.member for each in everybody},
            {each.member.partition("/")[0] for each in everybody if _fell(each)},
            self._task_type,
        )
        if name is None:
            asked.absent = "nobody else who is well could be asked"
            return
        asked.replaced_by = name
        self._members.ask(
            (name,), deadline_s=left_s, budget=rest, replaces=asked.member
        )


def _forbidden(desk: Desk, ask: ConsensusAsk) -> str | None:
    told = desk.settings.replace if ask.replace is None else ask.replace
    if told is None:
        named = bool(ask.members or desk.settings.members)
        return (
            "members that were named are not replaced unless asked" if named else None
        )
    return None if told else "replacing is switched off"


def _fell(asked: Asked) -> bool:
    return asked.reply is not None and asked.answered is None and not asked.cancelled


def _failed(asked: Asked) -> bool:
    """And nothing has been done about it."""
    return _fell(asked) and asked.replaced_by is None and asked.absent is None


def _rest(asked: Asked, share: Decimal) -> Decimal:
    """What it has left of its share; nothing where its cost is not known."""
    cost = None if asked.reply is None else cost_of(asked.reply)
    return Decimal(0) if cost is None else share - cost
