"""What each member is told to have said, at the end of a round."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from actors.consensus.members import Asked, cost_of
from actors.consensus.outcome import Verdict
from actors.errors import GitBridgeError
from actors.messages.consensus import Ballot
from actors.messages.routing import ErrorInfo, RouteResult

MESSAGE_LIMIT = 500
"""Characters of an error that are kept."""

NOT_NEEDED = "nobody else was needed, or in time"


def ballots(
    asked: Sequence[Asked],
    verdict: Verdict | GitBridgeError,
    prior: Callable[[str], float | None],
) -> tuple[Ballot, ...]:
    """One of everybody who was asked, in that order."""
    made = []
    heard = 0
    for each in asked:
        answer = each.answered
        if answer is None:
            made.append(_silent(each, prior(each.member)))
            continue
        ballot = Ballot(
            member=each.member,
            state="answered",
            content=answer.content,
            chars=len(answer.content) if answer.content else None,
            prior=prior(each.member),
            latency_s=answer.latency_s,
            cost_usd=answer.cost_usd,
            decision_id=answer.decision_id,
            replaces=each.replaces,
        )
        made.append(_judged(ballot, heard, verdict))
        heard += 1
    return tuple(made)


def _judged(ballot: Ballot, place: int, verdict: Verdict | GitBridgeError) -> Ballot:
    """With what became of it; ``place`` counts those who answered."""
    if not isinstance(verdict, Verdict):
        return ballot
    reading = verdict.count.grouping.readings[place]
    group = next(
        (n for n, each in enumerate(verdict.count.groups) if ballot.member in each),
        None,
    )
    similarity = verdict.count.likeness.get(ballot.member)
    rule = None if reading is None else reading.rule
    return replace(
        ballot,
        group=group,
        rule=rule if similarity is None else "embedding",
        similarity=similarity,
        score=None if group is None else verdict.scores.get(group),
        contributed=None if group is None else verdict.contributed.get(group),
    )


def _silent(asked: Asked, prior: float | None) -> Ballot:
    """The ballot of a member that has no answer, and why."""
    reply = asked.reply
    if asked.cancelled:
        return Ballot(
            member=asked.member,
            state="late" if reply is None else "cancelled",
            prior=prior,
            error="not waited for",
            latency_s=None,
            cost_usd=None if reply is None else cost_of(reply),
            decision_id=None if reply is None else reply.decision_id,
            replaces=asked.replaces,
        )
    if isinstance(reply, ErrorInfo):
        error = f"{reply.kind}: {reply.message}"
    else:
        error = "an empty answer" if reply is not None else "no answer in time"
    return Ballot(
        member=asked.member,
        state="failed",
        prior=prior,
        error=error[:MESSAGE_LIMIT],
        latency_s=reply.latency_s if isinstance(reply, RouteResult) else None,
        cost_usd=None if reply is None else cost_of(reply),
        decision_id=None if reply is None else reply.decision_id,
        replaces=asked.replaces,
        replaced_by=asked.replaced_by,
        absent=None if asked.replaced_by else asked.absent or NOT_NEEDED,
    )
