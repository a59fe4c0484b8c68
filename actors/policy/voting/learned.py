"""What labelled rounds of consensus have taught: weights, and how far members agree.

A score of at least one half for a round's answer says that its group was right, a lower
one that it was not; which other answer was, nobody has said. The newest are kept, see
``pages``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from actors.messages.consensus import ConsensusInfo
from actors.policy.voting.choosing import plan_for
from actors.policy.voting.climbing import Work
from actors.policy.voting.fitting import MIN_LABELS, Fitting
from actors.policy.voting.independence import correlating, effective_votes
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
"""With fewer rounds of a known right answer the correlation says nothing."""

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
        self._correlation: float | None = None
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
        rated = [_rated(each) for each in rounds if not each.wrong]
        if len(rated) >= MIN_RATED:
            self._correlation = yield from correlating(rated)
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

    def effective_votes(self, ballots: int) -> float | None:
        """How many independent votes so many ballots are worth, if that is known."""
        return effective_votes(ballots, self._correlation)


def _rated(each: Round) -> Mapping[str, bool]:
    return {
        name: place == each.right
        for place, group in enumerate(each.groups)
        for name in group
    }


def _everybody(info: ConsensusInfo) -> tuple[str, ...]:
    """All who answered, unless what was said decided who was asked."""
    if info.stopped_early or info.method == "cascade":
        return ()
    return tuple(sorted(b.member for b in info.ballots if b.state == "answered"))
