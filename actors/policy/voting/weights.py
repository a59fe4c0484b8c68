"""How likely each group of equal answers is to be right.

A conditional logit over the groups and ``none of them``: the log-odds of a group are
the sum of its members' weights, of what each is worth for this type of task, and of
what every pair among them adds or takes away because the two err together; ``none`` has
a bias of its own. The probabilities of all groups and ``none`` add up to 1, so that the
winner's is an honest confidence.

A member that was not fitted counts with the log-odds of its prior accuracy; without
one, with a coin's, tempered because models' errors correlate (0.4 between the twelve
models of MMLU-Pro's records).

How long an answer is says something too: a member that goes on for longer than it
usually does is often lost. What that is worth is fitted for each member and, less sure,
for each type of task.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from math import exp, log, log1p
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

TEMPER = 0.7
"""Part of a member's log-odds that counts where weights were not fitted jointly."""

UNKNOWN_ACCURACY = 0.6
NO_LENGTHS: Mapping[str, float] = MappingProxyType({})
_CLIP = 0.02
_FARTHEST = 3.0


def length_of(chars: int) -> float:
    """The length of an answer as it counts: a logarithm."""
    return log1p(chars)


class LengthWeight(Struct, frozen=True):
    """What the length of a member's answer is worth.

    ``mean`` and ``spread`` are those of ``length_of`` its answers; the log-odds are
    ``slope`` times the distance from the mean in spreads, and ``bend`` times that
    squared, less its own mean.
    """

    mean: float
    spread: float
    slope: float = 0.0
    bend: float = 0.0

    def distance(self, length: float) -> float:
        """In spreads, three at most."""
        far = (length - self.mean) / self.spread
        return min(max(far, -_FARTHEST), _FARTHEST)


class Anchor(Struct, frozen=True):
    """The member whose answer stands unless another is likelier by ``margin``."""

    member: str
    margin: float


class JointWeights(Struct, frozen=True, kw_only=True):
    """Fitted log-odds. Pairs are keyed by both names, sorted, with a line break."""

    members: dict[str, float] = {}
    pairs: dict[str, float] = {}
    by_type: dict[str, dict[str, float]] = {}
    none: float = 0.0
    none_by_type: dict[str, float] = {}
    lengths: dict[str, LengthWeight] = {}
    lengths_by_type: dict[str, dict[str, float]] = {}
    anchor: Anchor | None = None
    labels: int = 0

    def log_odds(
        self,
        group: Collection[str],
        task_type: str | None,
        lengths: Mapping[str, float] = NO_LENGTHS,
    ) -> float:
        """Of one group of members that said the same, so long by ``length_of``."""
        own = self.by_type.get(task_type or "", {})
        total = 0.0
        for name in group:
            total += self.members.get(name, 0.0) + own.get(name, 0.0)
        if self.pairs and len(group) > 1:
            for one, other in combinations(group, 2):
                total += self.pairs.get(pair_key(one, other), 0.0)
        if self.lengths and lengths:
            typed = self.lengths_by_type.get(task_type or "", {})
            total += sum(self._worth(name, lengths, typed) for name in group)
        return total

    def worth_of_length(self, name: str, task_type: str | None) -> tuple[float, float]:
        """The least and the most that the length of an answer of this member adds."""
        known = self.lengths.get(name)
        if known is None:
            return 0.0, 0.0
        slope = known.slope + self.lengths_by_type.get(task_type or "", {}).get(name, 0)
        turns = -slope / (2.0 * known.bend) if known.bend else 0.0
        ends = (-_FARTHEST, _FARTHEST, min(max(turns, -_FARTHEST), _FARTHEST))
        worths = [slope * far + known.bend * (far**2 - 1.0) for far in ends]
        return min(0.0, *worths), max(0.0, *worths)

    def _worth(
        self, name: str, lengths: Mapping[str, float], typed: Mapping[str, float]
    ) -> float:
        known, length = self.lengths.get(name), lengths.get(name)
        if known is None or length is None:
            return 0.0
        far = known.distance(length)
        return (known.slope + typed.get(name, 0.0)) * far + known.bend * (far**2 - 1.0)

    def none_log_odds(self, task_type: str | None) -> float:
        return self.none + self.none_by_type.get(task_type or "", 0.0)


class Posterior(Struct, frozen=True):
    """Probability of being right, by group, and that no group is.

    ``kept`` is the group that is to win though another may be a little likelier.
    """

    groups: tuple[float, ...]
    none: float
    kept: int | None = None

    @property
    def best(self) -> int | None:
        """The group to take: the likeliest, the first of equals, unless one is kept.

        ``None`` when there are none.
        """
        if self.kept is not None or not self.groups:
            return self.kept
        return max(range(len(self.groups)), key=lambda place: self.groups[place])


def pair_key(one: str, other: str) -> str:
    return f"{one}\n{other}" if one < other else f"{other}\n{one}"


def joint_posterior(
    groups: Sequence[Sequence[str]],
    weights: JointWeights,
    task_type: str | None,
    lengths: Mapping[str, float] = NO_LENGTHS,
) -> Posterior:
    """By fitted weights. ``groups`` holds the members that said the same, by name."""
    scores = [weights.log_odds(group, task_type, lengths) for group in groups]
    posterior = _softmax([*scores, weights.none_log_odds(task_type)])
    anchor = weights.anchor
    if anchor is None:
        return posterior
    for place, group in enumerate(groups):
        if anchor.member in group:
            behind = max(posterior.groups) - posterior.groups[place]
            return (
                replace(posterior, kept=place) if behind <= anchor.margin else posterior
            )
    return posterior


def prior_posterior(
    groups: Sequence[Sequence[str]], accuracy: Mapping[str, float]
) -> Posterior:
    """By each member's own accuracy in [0, 1], as if tempered votes were independent."""
    scores = [
        sum(prior_log_odds(accuracy.get(name, UNKNOWN_ACCURACY)) for name in group)
        for group in groups
    ]
    return _softmax([*scores, 0.0])


def prior_log_odds(accuracy: float) -> float:
    clipped = min(max(accuracy, _CLIP), 1.0 - _CLIP)
    return TEMPER * log(clipped / (1.0 - clipped))


def _softmax(scores: Sequence[float]) -> Posterior:
    highest = max(scores)
    powers = [exp(score - highest) for score in scores]
    total = sum(powers)
    shares = [power / total for power in powers]
    return Posterior(tuple(shares[:-1]), shares[-1])
