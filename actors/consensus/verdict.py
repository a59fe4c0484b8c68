"""What the answers that came add up to, without asking anybody again."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from actors.consensus.members import as_answer
from actors.messages.chat import Message
from actors.messages.consensus import ConsensusMethod
from actors.messages.routing import RouteResult
from actors.policy.compare.clusters import Grouping, group_answers
from actors.policy.compare.json_values import read_json, vote_by_path
from actors.policy.compare.options import options_of
from actors.policy.voting.methods import Decided, Evidence, decide, posterior_of
from actors.policy.voting.stopping import TAU, reached, settled
from actors.policy.voting.weights import UNKNOWN_ACCURACY, length_of

Answers = Sequence[tuple[str, RouteResult]]


class Count(Struct, frozen=True):
    """The answers so far, put together: ``groups`` holds members by name.

    ``lengths`` are those of their answers, by ``length_of``.
    """

    grouping: Grouping
    groups: tuple[tuple[str, ...], ...]
    lengths: dict[str, float] = {}

    def weigh(self, evidence: Evidence) -> Evidence:
        """What is known of the members, with what these answers show."""
        return replace(evidence, lengths=self.lengths)


def count_answers(answers: Answers, question: str) -> Count:
    """Put equal answers together."""
    grouping = group_answers(
        [as_answer(result) for _, result in answers], options_of(question)
    )
    names = [name for name, _ in answers]
    groups = tuple(
        tuple(names[place] for place in group.members) for group in grouping.groups
    )
    lengths = {
        name: length_of(len(result.content))
        for name, result in answers
        if result.content
    }
    return Count(grouping, groups, lengths)


def may_stop(count: Count, evidence: Evidence, *, waiting: int) -> bool:
    """Whether those still ``waiting`` cannot change the outcome, or hardly will."""
    if count.grouping.kind == "text" or not count.groups:
        return False
    if settled([len(group) for group in count.groups], waiting):
        return True
    posterior, _ = posterior_of("calibrated", count.groups, count.weigh(evidence))
    return reached(posterior, TAU)


def decide_round(
    method: ConsensusMethod, count: Count, evidence: Evidence, *, ballots: int
) -> Decided:
    """By the votes alone; free text goes to the best prior."""
    evidence = count.weigh(evidence)
    if method in {"majority", "weighted", "calibrated", "best_of"}:
        return decide(method, count.groups, evidence, ballots=ballots)
    free = count.grouping.kind == "text" and len(count.groups) > 1
    return decide(
        "best_of" if free else "calibrated", count.groups, evidence, ballots=ballots
    )


def representative(members: Sequence[str], answers: Answers, evidence: Evidence) -> int:
    """Whose wording stands for a group: its best prior's, the first of equals."""
    places = {name: place for place, (name, _) in enumerate(answers)}
    best = max(members, key=lambda name: evidence.accuracy.get(name, UNKNOWN_ACCURACY))
    return places[best]


def merged_json(
    count: Count, answers: Answers, evidence: Evidence
) -> tuple[object, float] | None:
    """An object voted path by path, and the least agreement behind any path.

    Only where whole answers do not have half of the ballots behind one of them.
    """
    if count.grouping.kind != "json":
        return None
    largest = max((len(group) for group in count.groups), default=0)
    if largest * 2 > len(answers):
        return None
    values, weights = [], []
    for (name, result), reading in zip(answers, count.grouping.readings, strict=True):
        if reading is not None:
            values.append(read_json(result.content or ""))
            weights.append(evidence.accuracy.get(name, UNKNOWN_ACCURACY))
    voted = vote_by_path(values, weights)
    if voted is None:
        return None
    merged, votes = voted
    return merged, min((vote.share for vote in votes), default=1.0)


def question_of(messages: Sequence[Message]) -> str:
    """The text of the last thing the user said."""
    for message in reversed(messages):
        if message.role != "user":
            continue
        if isinstance(message.content, str):
            return message.content
        parts = message.content or ()
        return "\n".join(part.text for part in parts if hasattr(part, "text"))
    return ""
