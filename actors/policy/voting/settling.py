"""Whether those who are not heard yet can still change which answer wins.

Certain, not likely: whatever they say, alone or together, and however long it is.
"""

from collections.abc import Sequence

from msgspec import Struct

from actors.policy.voting.fitting import MIN_LABELS
from actors.policy.voting.methods import Evidence
from actors.policy.voting.weights import (
    UNKNOWN_ACCURACY,
    JointWeights,
    pair_key,
    prior_log_odds,
)


class Sway(Struct, frozen=True):
    """The least and the most a ballot may add to the log-odds of the group it joins."""

    least: float
    most: float

    @property
    def worst(self) -> float:
        """By how much it may bring another group nearer to the first."""
        return max(0.0, -self.least, self.most)


def settled(
    groups: Sequence[Sequence[str]], waiting: Sequence[str], evidence: Evidence
) -> bool:
    """Whether ``calibrated`` decides the same whatever the ``waiting`` say.

    ``groups`` hold who said the same; equal log-odds are not ahead.
    """
    if not groups:
        return not waiting
    voters = [name for group in groups for name in group]
    weights = _weights([*voters, *waiting], evidence)
    if weights is None:
        scores = [sum(_prior(name, evidence) for name in group) for group in groups]
        sways = [Sway(worth, worth) for worth in (_prior(n, evidence) for n in waiting)]
    elif weights.anchor is not None:
        return not waiting  # how much likelier another is matters as well
    else:
        task_type, lengths = evidence.task_type, evidence.lengths
        scores = [weights.log_odds(group, task_type, lengths) for group in groups]
        sways = [
            _sway(name, [*voters, *waiting], weights, task_type) for name in waiting
        ]
    first, *others = sorted([*scores, 0.0] if waiting else scores, reverse=True)
    if not others:
        return True
    if max(scores) < first:
        return False  # not even ahead of an answer that nobody has given
    return first > others[0] + sum(sway.worst for sway in sways)


def _weights(names: Sequence[str], evidence: Evidence) -> JointWeights | None:
    """Those that ``calibrated`` goes by now, and will when the others have answered."""
    weights = evidence.weights
    if weights is None or weights.labels < MIN_LABELS:
        return None
    return weights if set(names) <= weights.members.keys() else None


def _prior(name: str, evidence: Evidence) -> float:
    return prior_log_odds(evidence.accuracy.get(name, UNKNOWN_ACCURACY))


def _sway(
    name: str, everybody: Sequence[str], weights: JointWeights, task_type: str | None
) -> Sway:
    own = weights.log_odds((name,), task_type)
    pairs = [
        weights.pairs.get(pair_key(name, other), 0.0)
        for other in everybody
        if other != name
    ]
    short, long = weights.worth_of_length(name, task_type)
    return Sway(
        own + short + sum(min(0.0, pair) for pair in pairs),
        own + long + sum(max(0.0, pair) for pair in pairs),
    )
