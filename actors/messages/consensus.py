"""How several models are asked, what each said, and how it was decided."""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

ConsensusMethod = Literal[
    "auto",
    "majority",
    "weighted",
    "calibrated",
    "cascade",
    "quorum",
    "judge",
    "synthesis",
    "best_of",
]
BallotState = Literal["answered", "failed", "cancelled", "late"]


class ConsensusAsk(Struct, frozen=True, gc=False, kw_only=True):
    """How to ask several; what is ``None`` or empty is as configured.

    ``members`` are providers or ``<provider>/<model>``; ``quorum`` is how many must
    have answered; ``judge`` is the model that judges or writes, where one is needed.
    ``replace``: whether somebody else is asked in place of a member that failed.
    """

    method: ConsensusMethod | None = None
    members: tuple[str, ...] = ()
    quorum: int | None = None
    judge: str | None = None
    replace: bool | None = None


class Ballot(Struct, frozen=True, gc=False, kw_only=True):
    """What one member said, or why it did not.

    ``group`` is the place of its answer among the groups of equal answers, ``None`` for
    an abstention. ``content`` is its whole answer: for the caller, never for the
    ledger, which keeps its length in ``chars``. ``prior`` is how often it was right so
    far, ``score`` in [0, 10] a judge's.
    Of a failed member ``replaced_by`` names who was asked in its place, or ``absent``
    says why nobody was; ``replaces`` is the same from the other side. ``similarity``:
    of an answer whose group was joined by the rule ``embedding``, the least cosine in it.
    """

    member: str
    state: BallotState
    group: int | None = None
    content: str | None = None
    chars: int | None = None
    rule: str | None = None
    prior: float | None = None
    score: float | None = None
    contributed: str | None = None
    error: str | None = None
    latency_s: float | None = None
    cost_usd: Decimal | None = None
    decision_id: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    absent: str | None = None
    similarity: float | None = None


class CascadePlan(Struct, frozen=True, gc=False, kw_only=True):
    """Whom a cascade asks, in turn, until an answer is right with probability ``tau``.

    ``learned`` from feedback, or the usual order; ``why`` says so in words.
    """

    steps: tuple[tuple[str, ...], ...]
    tau: float
    learned: bool
    why: str


class IndependentVotes(Struct, frozen=True, gc=False, kw_only=True):
    """How many independent votes the ballots of a round are worth: models err together.

    Labels do not always say who was right, so there is a least and a most. Both are
    ``None`` while nothing is known, and ``unknown`` says why.
    """

    at_least: float | None = None
    at_most: float | None = None
    unknown: str | None = None


class ConsensusInfo(Struct, frozen=True, gc=False, kw_only=True):
    """How a round of consensus was decided.

    ``agreement`` is the winning group's share of the ballots. ``confidence`` is the
    probability that the answer is right, ``None`` where there is no honest figure.
    ``kind`` is what the answers were compared as, ``rule`` what decided. ``stopped_early``: not everybody
    had to be heard. ``calls`` counts the upstream calls of everybody who was asked, judge
    and chair included. ``plan`` is a cascade's.
    ``independent_votes`` is ``None`` where nothing was decided.
    """

    method: ConsensusMethod
    kind: str
    rule: str
    agreement: float
    confidence: float | None
    winner: int | None
    groups: tuple[tuple[str, ...], ...]
    ballots: tuple[Ballot, ...]
    calls: int = 0
    stopped_early: bool = False
    judge: str | None = None
    plan: CascadePlan | None = None
    independent_votes: IndependentVotes | None = None
