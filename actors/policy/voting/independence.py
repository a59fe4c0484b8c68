"""How many independent votes some members are worth: models' errors correlate.

n_eff = n / (1 + (n - 1) r), r the mean correlation of the members' errors (the design
effect of cluster sampling): 12 models of MMLU-Pro's records are worth 2.2 votes.

Where a round's answer was wrong, nobody has said which other one was right. To leave such
rounds out would leave out just those in which members err together; to take only what
is known of them, just those who agreed. So r has a least and a most: what it comes to,
pair by pair, whatever the truth about the unknown answers is.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from itertools import combinations
from math import sqrt

from msgspec import Struct

from actors.policy.voting.climbing import finish

RIGHT, WRONG = 1, 0

Truths = Mapping[str, int]
"""Of a round's members, ``RIGHT``, ``WRONG``, or a negative number where it is unknown.

Those with the same number gave the same answer; of different ones at most one is right.
"""


class Correlation(Struct, frozen=True):
    """The mean over pairs, at least and at most; the same where all is known."""

    least: float
    most: float


def error_correlation(rounds: Sequence[Truths]) -> Correlation | None:
    """Mean correlation of being wrong, over the pairs of members seen together.

    A pair counts if each of it is known to have been right and to have been wrong in
    rounds of both; ``None`` while there is none.
    """
    return finish(correlating(rounds))


def correlating(rounds: Sequence[Truths]) -> Generator[None, None, Correlation | None]:
    """The same in slices of work, a pair each: some 0.5 ms for 2,000 rounds."""
    members = sorted({name for each in rounds for name in each})
    found = []
    for one, other in combinations(members, 2):
        yield
        value = _correlation(rounds, one, other)
        if value is not None:
            found.append(value)
    if not found:
        return None
    return Correlation(
        sum(each.least for each in found) / len(found),
        sum(each.most for each in found) / len(found),
    )


def effective_votes(members: int, correlation: float) -> float:
    """What ``members`` votes are worth."""
    shared = min(max(correlation, 0.0), 1.0)
    return members / (1.0 + (members - 1) * shared)


def _correlation(rounds: Sequence[Truths], one: str, other: str) -> Correlation | None:
    table = _Table()
    both = Counter(
        (each[one], each[other]) for each in rounds if one in each and other in each
    )
    for (first, second), count in both.items():
        table.add(first, second, count)
    return table.bounds() if table.telling else None


class _Table:
    """Of a pair: in how many rounds both were right, one, or none, as far as known."""

    def __init__(self) -> None:
        self.known = {(a, b): 0 for a in (RIGHT, WRONG) for b in (RIGHT, WRONG)}
        self.first = 0  # of whom nothing is known, while the other was wrong
        self.second = 0
        self.same = 0  # nothing is known of either, but that they agreed
        self.apart = 0  # or that they did not

    def add(self, first: int, second: int, count: int) -> None:
        if first >= 0 and second >= 0:
            self.known[first, second] += count
        elif second >= 0:
            self.first += count
        elif first >= 0:
            self.second += count
        elif first == second:
            self.same += count
        else:
            self.apart += count

    @property
    def telling(self) -> bool:
        """Whether each is known to have been right, and to have been wrong."""
        rr, rw, wr, ww = self.known.values()
        right = rr + rw, rr + wr
        wrong = wr + ww + self.second, rw + ww + self.first
        return all(right) and all(wrong)

    def bounds(self) -> Correlation:
        """Least and most of all that the unknown may have been.

        The correlation falls with every round that goes from both wrong to one wrong;
        among rounds of agreement it is highest with as many right as wrong, and among
        those of dissent lowest with as many for the one as for the other.
        """
        rr, rw, wr, ww = self.known.values()
        unsure = self.first + self.second + self.apart
        agreed = rr + ww + self.same + unsure
        even = min(max(agreed // 2, rr), rr + self.same)
        most = _phi(even, rw, wr, agreed - even)
        rw, wr = rw + self.first, wr + self.second
        even = min(max((rw + wr + self.apart) // 2, rw), rw + self.apart)
        rw, wr = even, rw + wr + self.apart - even
        least = min(_phi(rr, rw, wr, ww + self.same), _phi(rr + self.same, rw, wr, ww))
        return Correlation(least, most)


def _phi(rr: int, rw: int, wr: int, ww: int) -> float:
    spread = (rr + rw) * (wr + ww) * (rr + wr) * (rw + ww)
    return (rr * ww - rw * wr) / sqrt(spread)
