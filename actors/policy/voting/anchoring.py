"""Whether the best member's answer should stand unless another is clearly likelier.

Where one member is much better than the others, fitted weights promise little more than
it alone, and whether that little comes true is chance: of random pools of 3 to 12 of
MMLU-Pro's twelve models, fitted to one half and judged by the other, the worst fell half
a point behind its best member. There an answer of the others only wins when it is
likelier by a margin. Where consensus promises more, nothing changes.
"""

from collections.abc import Generator, Sequence

from actors.policy.voting.likelihood import Round
from actors.policy.voting.weights import (
    Anchor,
    JointWeights,
    Posterior,
    joint_posterior,
)

LITTLE = 0.01
"""A consensus that promises less over the best member alone is held to it."""

MARGIN = 0.15
"""By how much another answer must be likelier then."""

SAMPLE = 2000
"""So many rounds say it well enough."""

AT_ONCE = 50
"""Rounds looked at in one go: some 2 ms."""


def anchor(
    rounds: Sequence[Round], weights: JointWeights
) -> Generator[None, None, Anchor | None]:
    """The member to hold to, in slices of work; ``None`` where consensus is worth it."""
    sample = rounds[:: max(1, -(-len(rounds) // SAMPLE))]
    seen: list[tuple[Round, Posterior]] = []
    for start in range(0, len(sample), AT_ONCE):
        seen += [
            (each, joint_posterior(each.groups, weights, each.task_type, each.lengths))
            for each in sample[start : start + AT_ONCE]
            if each.groups
        ]
        yield
    best = _best(seen)
    if best is None:
        return None
    promised = [
        max(posterior.groups) - posterior.groups[place]
        for each, posterior in seen
        if (place := each.place_of(best)) is not None
    ]
    return Anchor(best, MARGIN) if sum(promised) < LITTLE * len(promised) else None


def _best(seen: Sequence[tuple[Round, Posterior]]) -> str | None:
    """Who was right most often; where only the wrong is known, as far as is likely."""
    hits: dict[str, float] = {}
    asked: dict[str, int] = {}
    for each, posterior in seen:
        possible = each.possible()
        shares = (*posterior.groups, posterior.none)
        known = sum(shares[place] for place in possible)
        for place, group in enumerate(each.groups):
            share = shares[place] / known if place in possible and known else 0.0
            for name in group:
                hits[name] = hits.get(name, 0.0) + share
                asked[name] = asked.get(name, 0) + 1
    often = max(asked.values(), default=0)
    return max(
        (name for name, count in asked.items() if 2 * count >= often),
        key=lambda name: hits[name] / asked[name],
        default=None,
    )
