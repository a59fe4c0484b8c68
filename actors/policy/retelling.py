"""A recorded decision told whole: everybody it ranked, not only the best it kept."""

from collections.abc import Mapping

from msgspec.structs import replace

from actors.messages.routing import Decision
from actors.messages.sighting import Sighting
from actors.policy.recall import Forgotten, Key, recall
from actors.policy.scoring import rank


def retell(
    decision: Decision, sightings: Mapping[Key, Sighting]
) -> Decision | Forgotten:
    """The decision with every candidate and every exclusion, ranked again.

    Args:
        decision: As it was recorded.
        sightings: At least those of ``recall.seen_by(decision)`` that are still there.

    Returns:
        The decision, or why it cannot be told: what it saw is not kept any more, or it
        comes out otherwise than it was recorded, as by the formulas of another version.
    """
    recalled = recall(decision, sightings)
    if isinstance(recalled, Forgotten):
        return recalled
    everybody = len(recalled.candidates)
    ranking = rank(recalled.candidates, replace(recalled.ask, told=everybody))
    best, left_out = len(decision.candidates), len(decision.excluded)
    if (ranking.ranked[:best], ranking.excluded[:left_out]) != (
        decision.candidates,
        decision.excluded,
    ):
        return Forgotten("it comes out otherwise by the formulas of this version")
    return replace(decision, candidates=ranking.ranked, excluded=ranking.excluded)
