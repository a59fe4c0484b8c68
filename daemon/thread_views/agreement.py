"""Who agreed with whom, over rounds of consensus."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from actors.messages.threads import ThreadEntry
from daemon.thread_views.rounds import Round, group_of, rounds_of

MAX_MEMBERS = 12
"""Those who answered most are shown: a larger picture nobody could read."""


class Pair(Struct, frozen=True):
    """``same`` of the ``both`` rounds in which both answered they gave the same answer."""

    same: int
    both: int

    @property
    def share(self) -> float | None:
        return self.same / self.both if self.both else None


class Member(Struct, frozen=True):
    """``won`` counts the rounds whose verdict was its answer, of ``answered``.

    ``asked`` counts those in which it has a ballot at all.
    """

    name: str
    asked: int
    answered: int
    won: int


class Agreement(Struct, frozen=True):
    """``pairs[i][j]`` is about ``members[i]`` and ``members[j]``.

    ``left_out`` more members have answered less often and are not in it.
    """

    rounds: int
    members: tuple[Member, ...]
    pairs: tuple[tuple[Pair, ...], ...]
    left_out: int = 0


def agreement(entries: Iterable[ThreadEntry]) -> Agreement:
    """Count over all rounds that are in these entries."""
    rounds = rounds_of(entries)
    answers = [_answers(each) for each in rounds]
    counted = sorted(_members(rounds, answers), key=lambda m: (-m.answered, m.name))
    members = tuple(sorted(counted[:MAX_MEMBERS], key=lambda member: member.name))
    return Agreement(
        rounds=len(rounds),
        members=members,
        pairs=tuple(
            tuple(_pair(one.name, other.name, answers) for other in members)
            for one in members
        ),
        left_out=max(0, len(counted) - MAX_MEMBERS),
    )


def _answers(told: Round) -> dict[str, int]:
    """The group of each member that answered."""
    groups = ((ballot.who, group_of(ballot)) for ballot in told.ballots)
    return {who: group for who, group in groups if group is not None}


def _members(
    rounds: Sequence[Round], answers: Sequence[dict[str, int]]
) -> list[Member]:
    asked = [{ballot.who for ballot in each.ballots} for each in rounds]
    wins = [each.winner for each in rounds]
    return [
        Member(
            name=name,
            asked=sum(name in each for each in asked),
            answered=sum(name in each for each in answers),
            won=sum(
                each.get(name, -1) == winner
                for each, winner in zip(answers, wins, strict=True)
            ),
        )
        for name in set().union(*asked)
    ]


def _pair(one: str, other: str, answers: Sequence[dict[str, int]]) -> Pair:
    both = [each for each in answers if one in each and other in each]
    return Pair(sum(each[one] == each[other] for each in both), len(both))
