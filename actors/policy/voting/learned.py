"""What labelled rounds of consensus have taught: weights, and how far members agree.

A score of at least one half for a round's answer says that its group was right, a lower
one that it was not; which other answer was, nobody has said. The newest are kept, see
``pages``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from actors.messages.consensus import ConsensusInfo, IndependentVotes
from actors.policy.voting.choosing import plan_for
from actors.policy.voting.climbing import Work
from actors.policy.voting.fitting import MIN_LABELS, Fitting
from actors.policy.voting.independence import (
    RIGHT,
    WRONG,
    Correlation,
    Truths,
    correlating,
    effective_votes,
)
from actors.policy.voting.likelihood import Round
from actors.policy.voting.pages import Pages
from actors.policy.voting.planning import Answered, Plan
from actors.policy.voting.weights import length_of

if TYPE_CHECKING:
    from actors.policy.voting.weights import JointWeights

GOOD = 0.5
"""From this score on an answer counts as right."""

REFIT_SHARE = 50

MIN_RATED = 20
"""With fewer labelled rounds the correlation says nothing."""

MAX_PLANS = 4
"""Cascades that are planned for: those whose members and task type have most labels."""

_Asked = tuple[tuple[str, ...], str]
"""Members, sorted, and a task type."""


class Learned:
    """The labelled rounds and the weights last fitted to them.

    ``stale`` says that a fiftieth of them is new since: then another fit is due.
    """

    def __init__(self, kept: Iterable[bytes | None] = ()) -> None:
        """``kept``: the slots that ``changes`` gave, in any order."""
        self._pages = Pages.read(kept)
        self.weights: JointWeights | None = None
        self.stale = len(self._pages) > 0
        self._new = 0
        self._counted = False
        self._correlation: Correlation | None = None
        self._plans: dict[_Asked, Plan] = {}

    def changes(self) -> Mapping[int, bytes]:
        """What is to be kept by slot, as far as it changed since this was last asked."""
        return self._pages.changes()

    def learn(
        self, decision_id: str, info: ConsensusInfo, task_type: str | None, score: float
    ) -> None:
        """A round's answer got this score; a later one replaces the earlier."""
        if info.winner is None:
            return
        right = info.winner if score >= GOOD else None
        wrong = () if score >= GOOD else (info.winner,)
        lengths = {
            each.member: length_of(each.chars) for each in info.ballots if each.chars
        }
        labelled = Round(
            info.groups, right, task_type or "", wrong, lengths, _everybody(info)
        )
        self._pages.put(decision_id, labelled)
        self._new += 1
        self.stale = self._new * REFIT_SHARE >= len(self._pages)

    def refit(self, usd: Callable[[Sequence[str]], Mapping[str, float]]) -> Work:
        """Take in what was learned, in slices of a few milliseconds.

        Below ``MIN_LABELS`` there are no weights. ``usd`` tells what asking members
        costs, as far as it is known.
        """
        rounds = self._pages.rounds()
        self.stale = False
        self._new = 0
        if len(rounds) >= MIN_RATED:
            truths = [_truths(each) for each in rounds]
            self._correlation = yield from correlating(truths)
            self._counted = True
        if len(rounds) < MIN_LABELS:
            self.weights = None
            return
        fitting = Fitting(rounds, start=self.weights)
        while not fitting.done:
            fitting.step()
            yield
        self.weights = fitting.weights()
        yield from self._plan(rounds, usd)

    def _plan(
        self,
        rounds: Sequence[Round],
        usd: Callable[[Sequence[str]], Mapping[str, float]],
    ) -> Work:
        """Plans for cascades, where enough rounds of all their members have labels."""
        whole: dict[_Asked, list[Round]] = {}
        for each in rounds:
            if len(each.everybody) > 1:
                whole.setdefault((each.everybody, each.task_type), []).append(each)
        plans: dict[_Asked, Plan] = {}
        for asked in sorted(whole, key=lambda asked: -len(whole[asked]))[:MAX_PLANS]:
            if len(whole[asked]) >= MIN_LABELS:
                prices = usd(asked[0])
                answered = [Answered.of(each, prices) for each in whole[asked]]
                plans[asked] = yield from plan_for(answered, asked[0], prices)
        self._plans = plans

    def plan(
        self, members: Iterable[str], task_type: str | None
    ) -> tuple[Plan | None, int]:
        """For a cascade of these, and how many labels of rounds of them all there are."""
        asked = tuple(sorted(members)), task_type or ""
        labels = sum(
            (each.everybody, each.task_type) == asked for each in self._pages.rounds()
        )
        return self._plans.get(asked), labels

    def worth(self, ballots: int) -> IndependentVotes:
        """How many independent votes so many ballots are worth, as far as it is known."""
        found = self._correlation
        if found is not None:
            return IndependentVotes(
                at_least=effective_votes(ballots, found.most),
                at_most=effective_votes(ballots, found.least),
            )
        labels = len(self._pages)
        if labels < MIN_RATED:
            why = f"{labels} labelled rounds, {MIN_RATED} are needed"
        elif self._counted:
            why = "no two members are both known to have been right and wrong"
        else:
            why = "the labelled rounds are still being counted"
        return IndependentVotes(unknown=why)


def _truths(each: Round) -> Truths:
    """Who was right, as far as the label says so."""
    truths: dict[str, int] = {}
    for place, group in enumerate(each.groups):
        if place in each.wrong or not each.wrong:
            truth = RIGHT if place == each.right else WRONG
        else:
            truth = -1 - place
        truths |= dict.fromkeys(group, truth)
    return truths


def _everybody(info: ConsensusInfo) -> tuple[str, ...]:
    """All who answered, unless what was said decided who was asked."""
    if info.stopped_early or info.method == "cascade":
        return ()
    return tuple(sorted(b.member for b in info.ballots if b.state == "answered"))
