"""What is told of a round of consensus while it is on its way.

Topic ``consensus``; each is told under its class's name in snake case. The words of
answers are in ``answer`` alone, which whoever asked is told and nobody else. Amounts
are US dollars, times seconds.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from actors.errors import ErrorKind
from actors.messages.consensus import ConsensusMethod

ANSWER_CHARS: Final = 200
"""How much of what an answer comes to is told."""


class RoundBegan(Struct, frozen=True, kw_only=True):
    """Who may be asked, and within what; a cascade asks the last of them only in need.

    ``budget_usd`` is what all of it may cost; ``None`` is anything.
    """

    request_id: str
    decision_id: str
    user: str | None
    method: ConsensusMethod
    members: tuple[str, ...]
    quorum: int
    deadline_s: float
    budget_usd: Decimal | None


class MemberAsked(Struct, frozen=True, kw_only=True):
    """The question has gone to a member; ``replaces`` names who failed before it."""

    request_id: str
    decision_id: str
    user: str | None
    member: str
    replaces: str | None = None


class MemberAnswered(Struct, frozen=True, kw_only=True):
    """A ballot, as it reads beside those that came before.

    What answers are compared as may change while they come; the verdict says what they
    were in the end. ``kind`` and ``rule`` as in the verdict and its ballots, ``rule``
    ``None`` for an abstention; ``agrees_with`` are those who said the same.
    """

    request_id: str
    decision_id: str
    user: str | None
    member: str
    kind: str
    rule: str | None
    answer: str | None
    agrees_with: tuple[str, ...]
    latency_s: float
    cost_usd: Decimal | None


class MemberFailed(Struct, frozen=True, kw_only=True):
    """A member has no answer; ``error`` is ``None`` where it came, but was empty."""

    request_id: str
    decision_id: str
    user: str | None
    member: str
    error: ErrorKind | None
    message: str


class MemberAbsent(Struct, frozen=True, kw_only=True):
    """Nobody is asked in place of a member that failed, and why."""

    request_id: str
    decision_id: str
    user: str | None
    member: str
    reason: str


class RoundStoppedEarly(Struct, frozen=True, kw_only=True):
    """Enough was said: who is not waited for, and who need not even be asked."""

    request_id: str
    decision_id: str
    user: str | None
    cancelled: tuple[str, ...]
    not_asked: tuple[str, ...]


class WritingBegan(Struct, frozen=True, kw_only=True):
    """The answers differ: a judge rates them, or a chair writes one from all."""

    request_id: str
    decision_id: str
    user: str | None
    method: ConsensusMethod
    model: str


class RoundDecided(Struct, frozen=True, kw_only=True):
    """The verdict; fields as in ``ConsensusInfo``. ``members`` are behind the answer.

    ``round_finished`` follows with what it cost, once that is known and written down.
    """

    request_id: str
    decision_id: str
    user: str | None
    method: ConsensusMethod
    kind: str
    rule: str
    agreement: float
    confidence: float | None
    members: tuple[str, ...]
    judge: str | None = None


class RoundFailed(Struct, frozen=True, kw_only=True):
    """There is no verdict, and why."""

    request_id: str
    decision_id: str
    user: str | None
    error: ErrorKind
    message: str


Progress = (
    RoundBegan
    | MemberAsked
    | MemberAnswered
    | MemberFailed
    | MemberAbsent
    | RoundStoppedEarly
    | WritingBegan
    | RoundDecided
    | RoundFailed
)
