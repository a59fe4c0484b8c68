"""Who is right when members disagree, and what asking several bought and cost.

Feedback says of a round's answer that it was right (a score of one half and more) or
wrong. Right, every other answer was wrong; wrong, nobody has said which other was right,
so that of those who gave another it is only known how often they were right at least,
and at most. Feedback for a member's own decision counts the same.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from actors.messages.consensus import Ballot, ConsensusInfo
from actors.messages.rounds import MemberRow, RoundsRow
from actors.messages.routing import RequestRecord
from actors.policy.voting.learned import GOOD

MIN_KNOWN = 20
"""With fewer labels a share says nothing."""

_ASKED = frozenset({"answered", "failed"})
"""Ballots of members that had their chance; others were not waited for."""


class _Tally:
    """One member's ballots; truths are ``None`` where nobody knows."""

    def __init__(self) -> None:
        self.answered = 0
        self.differed: list[bool] = []
        self.labelled: list[bool | None] = []
        self.usd: list[Decimal] = []

    def row(self, member: str) -> MemberRow:
        enough = len(self.differed) >= MIN_KNOWN
        least, most = self.bounds()
        return MemberRow(
            member=member,
            answered=self.answered,
            right=sum(self.differed),
            known=len(self.differed),
            share=sum(self.differed) / len(self.differed) if enough else None,
            at_least=least,
            at_most=most,
            usd=_mean(self.usd),
        )

    def bounds(self) -> tuple[float, float] | tuple[None, None]:
        """Of all labelled rounds the shares it was right in, at least and at most."""
        count = len(self.labelled)
        if count < MIN_KNOWN:
            return None, None
        least = sum(truth is True for truth in self.labelled) / count
        return least, sum(truth is not False for truth in self.labelled) / count


class _Known(Struct, frozen=True):
    """One round and which of its groups are known to be right or wrong."""

    record: RequestRecord
    info: ConsensusInfo
    truths: Mapping[int, bool]

    def of(self, ballot: Ballot) -> bool | None:
        """Whether this member was right; nobody who gave no answer was."""
        if ballot.state == "failed":
            return False
        if ballot.group is None:
            return False if ballot.state == "answered" else None
        if ballot.group not in self.truths and True in self.truths.values():
            return False
        return self.truths.get(ballot.group)

    @property
    def verdict(self) -> bool | None:
        won = self.info.winner
        return None if won is None else self.truths.get(won)


class Reporting:
    """Takes rounds one by one; ``rows`` says what they come to.

    Args:
        scores: Feedback in [0, 1] by decision.
    """

    def __init__(self, scores: Mapping[str, float]) -> None:
        self._scores = scores
        self._rounds: dict[tuple[str, bool], list[_Known]] = {}

    def add(self, record: RequestRecord) -> None:
        """Requests that are no round that was decided count for nothing."""
        info = record.consensus
        if info is None or record.outcome != "ok":
            return
        key = record.task_type or "", record.simulated
        known = _Known(record, info, self._truths(info))
        self._rounds.setdefault(key, []).append(known)

    def _truths(self, info: ConsensusInfo) -> dict[int, bool]:
        found: dict[int, bool] = {}
        for ballot in info.ballots:
            score = self._scores.get(ballot.decision_id or "")
            if score is not None and ballot.group is not None:
                found[ballot.group] = score >= GOOD or found.get(ballot.group, False)
        return found

    def rows(self) -> tuple[RoundsRow, ...]:
        """By task type, those with most rounds first."""
        by_size = sorted(self._rounds.items(), key=lambda item: -len(item[1]))
        return tuple(_row(key, rounds) for key, rounds in by_size)


def _row(key: tuple[str, bool], rounds: Sequence[_Known]) -> RoundsRow:
    task_type, simulated = key
    tallies = _tallies(rounds)
    truths = [each.verdict for each in rounds if each.verdict is not None]
    accuracy = sum(truths) / len(truths) if len(truths) >= MIN_KNOWN else None
    fewest = max(MIN_KNOWN, len(truths) / 2)
    often = [n for n, tally in tallies.items() if len(tally.labelled) >= fewest]
    best = _best(tallies, often) if accuracy is not None else None
    least = None if best is None else tallies[best].bounds()[0]
    usd = _mean([each.record.cost_usd for each in rounds])
    alone = None if best is None else _mean(tallies[best].usd)
    rivals = [tallies[name].bounds()[1] for name in often]
    highest = max((each for each in rivals if each is not None), default=None)
    return RoundsRow(
        task_type=task_type or None,
        simulated=simulated,
        rounds=len(rounds),
        disagreed=sum(len(each.info.groups) > 1 for each in rounds),
        labelled=len(truths),
        accuracy=accuracy,
        best_single=best,
        bought_at_least=_lead(accuracy, highest),
        bought_at_most=_lead(accuracy, least),
        usd=usd,
        extra_usd=None if usd is None or alone is None else usd - alone,
        members=tuple(
            sorted(
                (tally.row(name) for name, tally in tallies.items()),
                key=lambda row: (-(row.share or 0.0), -row.right, row.member),
            )
        ),
        unknown=_unknown(len(truths), best, usd, alone),
    )


def _unknown(
    labelled: int, best: str | None, usd: Decimal | None, alone: Decimal | None
) -> tuple[str, ...]:
    said = []
    if labelled < MIN_KNOWN:
        said.append(f"{labelled} verdicts have feedback, {MIN_KNOWN} are needed")
    elif best is None:
        said.append(
            f"no member was asked in half of the labelled rounds and {MIN_KNOWN} of them"
        )
    if usd is None:
        said.append("no round's whole cost is known")
    elif best is not None and alone is None:
        said.append(f"no cost of {best} is known")
    return tuple(said)


def _tallies(rounds: Sequence[_Known]) -> dict[str, _Tally]:
    tallies: dict[str, _Tally] = {}
    for each in rounds:
        for ballot in each.info.ballots:
            tally = tallies.setdefault(ballot.member, _Tally())
            if ballot.state not in _ASKED:
                continue
            tally.answered += ballot.state == "answered"
            if ballot.cost_usd is not None:
                tally.usd.append(ballot.cost_usd)
            truth = each.of(ballot)
            if each.verdict is not None:
                tally.labelled.append(truth)
            if len(each.info.groups) > 1 and each.truths and truth is not None:
                tally.differed.append(truth)
    return tallies


def _best(tallies: Mapping[str, _Tally], often: Sequence[str]) -> str | None:
    """Most often right for certain, of those asked ``often`` enough."""

    def standing(name: str) -> tuple[float, float]:
        least, most = tallies[name].bounds()
        return least or 0.0, most or 0.0

    return max(often, key=standing, default=None)


def _lead(accuracy: float | None, other: float | None) -> float | None:
    return None if accuracy is None or other is None else accuracy - other


def _mean(costs: Sequence[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) / len(known) if known else None
