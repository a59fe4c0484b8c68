"""What the answers that came add up to, without asking anybody again."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from actors.consensus.members import as_answer
from actors.messages.chat import Message
from actors.messages.consensus import ConsensusMethod
from actors.messages.routing import RouteResult
from actors.policy.compare.clusters import Group, Grouping, group_answers
from actors.policy.compare.json_values import read_json, vote_by_path
from actors.policy.compare.likeness import Likeness
from actors.policy.compare.options import options_of
from actors.policy.voting.methods import Decided, Evidence, decide, posterior_of
from actors.policy.voting.settling import settled
from actors.policy.voting.stopping import reached
from actors.policy.voting.weights import UNKNOWN_ACCURACY, length_of

Answers = Sequence[tuple[str, RouteResult]]


class Count(Struct, frozen=True):
    """The answers so far, put together: ``groups`` holds members by name.

    ``lengths`` are those of their answers, by ``length_of``. ``likeness`` is the least
    cosine within a group that embeddings joined, by each of its members.
    """

    grouping: Grouping
    groups: tuple[tuple[str, ...], ...]
    lengths: dict[str, float] = {}
    likeness: dict[str, float] = {}

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


def join_groups(count: Count, found: Likeness) -> Count:
    """The same answers in fewer groups; ``found`` has clusters of their places."""
    before, groups = count.grouping.groups, []
    named: list[tuple[str, ...]] = []
    likeness: dict[str, float] = {}
    for places, least in zip(found.clusters, found.least, strict=True):
        first = before[places[0]]
        members = sorted(each for place in places for each in before[place].members)
        names = tuple(name for place in places for name in count.groups[place])
        if least is not None:
            first = Group(tuple(members), first.shown, "embedding")
            likeness |= dict.fromkeys(names, least)
        groups.append(first)
        named.append(names)
    grouping = replace(count.grouping, groups=tuple(groups))
    return replace(count, grouping=grouping, groups=tuple(named), likeness=likeness)


def is_settled(count: Count, evidence: Evidence, waiting: Sequence[str]) -> bool:
    """Whether those still ``waiting`` cannot change the outcome."""
    if count.grouping.kind == "text" or not count.groups:
        return False
    return settled(count.groups, waiting, count.weigh(evidence))


def is_sure(count: Count, evidence: Evidence, tau: float) -> bool:
    """Whether the leading answer is right with at least this probability."""
    if count.grouping.kind == "text" or not count.groups:
        return False
    posterior, _ = posterior_of("calibrated", count.groups, count.weigh(evidence))
    return reached(posterior, tau)


def decide_round(
    method: ConsensusMethod, count: Count, evidence: Evidence, *, ballots: int
) -> Decided:
    """By the votes alone; free text goes to the best prior, unless some are alike.

    Nobody knows how often texts that embeddings find alike say the same, and so there is
    no honest confidence then.
    """
    decided = _decide_round(method, count, count.weigh(evidence), ballots)
    return replace(decided, confidence=None) if count.likeness else decided


def _decide_round(
    method: ConsensusMethod, count: Count, evidence: Evidence, ballots: int
) -> Decided:
    if method in {"majority", "weighted", "calibrated", "best_of"}:
        return decide(method, count.groups, evidence, ballots=ballots)
    free = count.grouping.kind == "text" and len(count.groups) > 1
    free = free and not count.likeness
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
