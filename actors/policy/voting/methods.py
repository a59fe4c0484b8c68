"""The ways to decide between groups of equal answers, without asking a model again.

``majority`` the group with most members · ``weighted`` the likeliest by prior
accuracies · ``calibrated`` the likeliest by jointly fitted weights, or as ``weighted``
below ``MIN_LABELS`` labels · ``best_of`` the answer of the member with the best prior,
whoever agrees. ``cascade`` and ``quorum`` differ in who is asked (see ``stopping``) and
decide as ``calibrated`` does.

Plain majority gets worse with every weak member that joins, so it is offered and never
chosen by ``auto``. What ``auto`` takes depends on what the answers are: things that can
be equal are voted on; free text is not, for the answer most like the others is the
typical one and not the good one.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from actors.policy.voting.fitting import MIN_LABELS
from actors.policy.voting.weights import (
    UNKNOWN_ACCURACY,
    JointWeights,
    Posterior,
    joint_posterior,
    prior_posterior,
)

VotingMethod = Literal["majority", "weighted", "calibrated", "best_of"]

FREE_TEXT_CONFIDENCE = 0.5
"""No more than this is claimed for the best prior's answer among differing texts."""


class Evidence(Struct, frozen=True, kw_only=True):
    """What is known of the members: accuracies in [0, 1] by name, and fitted weights.

    ``lengths`` are those of their answers, by ``length_of``.
    """

    accuracy: Mapping[str, float] = {}
    weights: JointWeights | None = None
    task_type: str | None = None
    lengths: Mapping[str, float] = {}


class Decided(Struct, frozen=True, kw_only=True):
    """Which group won; ``None`` when there was none.

    ``confidence`` is the probability that it is right; ``None`` where the method has
    no honest figure. ``agreement`` is the winning group's share of the ballots,
    abstentions counted. ``rule`` says what decided in a few words.
    """

    group: int | None
    confidence: float | None
    agreement: float
    rule: str
    posterior: Posterior | None = None


def decide(
    method: VotingMethod,
    groups: Sequence[Sequence[str]],
    evidence: Evidence,
    *,
    ballots: int,
) -> Decided:
    """Decide between groups of members, by name, that gave equal answers.

    Args:
        method: How; see the module.
        groups: In order of first appearance; abstentions are in none.
        evidence: What is known of the members.
        ballots: How many members answered, abstentions included.
    """
    if not groups:
        return Decided(group=None, confidence=None, agreement=0.0, rule="no ballot")
    if method == "majority":
        return _majority(groups, evidence, ballots)
    if method == "best_of":
        return _best_of(groups, evidence, ballots)
    posterior, rule = posterior_of(method, groups, evidence)
    best = posterior.best
    assert best is not None
    return Decided(
        group=best,
        confidence=posterior.groups[best],
        agreement=len(groups[best]) / ballots,
        rule=rule,
        posterior=posterior,
    )


def posterior_of(
    method: Literal["weighted", "calibrated"],
    groups: Sequence[Sequence[str]],
    evidence: Evidence,
) -> tuple[Posterior, str]:
    """The probabilities behind ``weighted`` or ``calibrated``, and which it was."""
    weights = evidence.weights
    if method == "calibrated" and weights is not None:
        voters = {name for group in groups for name in group}
        if weights.labels >= MIN_LABELS and voters <= weights.members.keys():
            posterior = joint_posterior(
                groups, weights, evidence.task_type, evidence.lengths
            )
            return posterior, _fitted(weights, posterior)
    rule = "prior accuracies"
    if method == "calibrated":
        # There may be labels enough: after a start they are fitted first.
        rule = (
            f"prior accuracies: no weights for these yet, from {MIN_LABELS} labels on"
        )
    return prior_posterior(groups, evidence.accuracy), rule


def _fitted(weights: JointWeights, posterior: Posterior) -> str:
    rule = f"weights fitted to {weights.labels} labels"
    kept, anchor = posterior.kept, weights.anchor
    if (
        kept is None
        or anchor is None
        or posterior.groups[kept] == max(posterior.groups)
    ):
        return rule
    return f"{rule}; none is likelier than {anchor.member}'s by {anchor.margin}"


def _majority(
    groups: Sequence[Sequence[str]], evidence: Evidence, ballots: int
) -> Decided:
    def standing(place: int) -> tuple[int, float]:
        members = groups[place]
        return len(members), sum(_accuracy(name, evidence) for name in members)

    best = max(range(len(groups)), key=standing)
    most = len(groups[best])
    tied = sum(len(group) == most for group in groups) > 1
    return Decided(
        group=best,
        confidence=None,
        agreement=most / ballots,
        rule="a tie, broken by prior accuracy" if tied else f"{most} of {ballots}",
    )


def _best_of(
    groups: Sequence[Sequence[str]], evidence: Evidence, ballots: int
) -> Decided:
    members = [(name, place) for place, group in enumerate(groups) for name in group]
    name, place = max(members, key=lambda pair: _accuracy(pair[0], evidence))
    known = evidence.accuracy.get(name)
    return Decided(
        group=place,
        confidence=None if known is None else min(known, FREE_TEXT_CONFIDENCE),
        agreement=len(groups[place]) / ballots,
        rule=f"best prior: {name}",
    )


def _accuracy(name: str, evidence: Evidence) -> float:
    return evidence.accuracy.get(name, UNKNOWN_ACCURACY)
