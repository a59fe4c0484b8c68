"""The verdict, from the votes or from what a judge or chair wrote."""

from dataclasses import replace

from actors.consensus.outcome import Verdict
from actors.consensus.verdict import (
    Answers,
    Count,
    decide_round,
    merged_json,
    representative,
)
from actors.consensus.writing import Written
from actors.messages.consensus import CascadePlan, ConsensusMethod
from actors.policy.voting.methods import Evidence


def voted(
    method: ConsensusMethod,
    count: Count,
    answers: Answers,
    evidence: Evidence,
    *,
    plan: CascadePlan | None,
    early: bool,
) -> Verdict:
    """The votes' verdict; ``early``: not everybody had to be heard."""
    decided = decide_round(method, count, evidence, ballots=len(answers))
    if decided.group is None:
        # Nobody's answer comes to what was asked for: the best prior's stands.
        place = representative([name for name, _ in answers], answers, evidence)
        rule = "no answer names what was asked for; the best prior's stands"
    else:
        place = representative(count.groups[decided.group], answers, evidence)
        rule = decided.rule
    verdict = Verdict(
        method=method,
        count=count,
        result=answers[place][1],
        rule=rule,
        winner=decided.group,
        agreement=decided.agreement,
        confidence=decided.confidence,
        early=early,
        plan=plan,
    )
    merged = merged_json(count, answers, evidence)
    return verdict if merged is None else verdict.with_json(*merged)


def shown_answers(count: Count, answers: Answers, evidence: Evidence) -> Answers:
    """One answer of each group, for a judge or chair to read."""
    return [answers[representative(g, answers, evidence)] for g in count.groups]


def as_written(
    base: Verdict, written: Written, shown: Answers, *, writer: str, ballots: int
) -> Verdict:
    """What a judge chose of the ``shown`` answers, or a chair wrote.

    ``ballots`` counts all answers there were, abstentions too. It claims no confidence: how often the ``writer`` is right is not known.
    """
    if written.result is not None:
        return replace(
            base,
            result=written.result,
            rule=written.rule,
            winner=None,
            confidence=None,
            contributed=written.contributed,
            judge=writer,
        )
    return replace(
        base,
        result=shown[written.winner][1],
        rule=written.rule,
        winner=written.winner,
        agreement=len(base.count.groups[written.winner]) / ballots,
        confidence=None,
        scores=written.scores,
        judge=writer,
    )
