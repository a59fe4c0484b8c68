"""How a round of consensus was decided, as text."""

from msgspec import UNSET

from actors.messages.consensus import Ballot, ConsensusInfo, IndependentVotes
from daemon.cli.render.table import Cell, Paint, Row, one_line, table
from daemon.cli.render.units import UNKNOWN, decimals, money, seconds
from ipc.results import RouteReply

_LONG = ("note",)
_NAMES = ("member",)
_SPARE = ("read by", "prior", "score", "latency", "note")


def round_account(reply: RouteReply, paint: Paint) -> str:
    """Under an answer: the verdict, every ballot, and what all of it cost."""
    if reply.consensus is UNSET:
        return ""
    cost = money(reply.cost_usd) if reply.cost_usd is not None else "cost unknown"
    end = f"{cost} in {seconds(reply.latency_s)} · decision {reply.decision_id}"
    return f"\n{verdict(reply.consensus, paint)}\n\n{paint(end, 'dim')}"


def verdict(info: ConsensusInfo, paint: Paint) -> str:
    """The verdict in a sentence and a row a ballot."""
    answered = sum(each.state == "answered" for each in info.ballots)
    parts = [
        f"consensus {paint(info.method, 'bold')}",
        f"{answered} of {len(info.ballots)} answered",
        f"agreement {decimals(info.agreement if answered else None, 2)}",
        f"confidence {decimals(info.confidence, 2)}",
    ]
    worth = _worth(info.independent_votes)
    if worth:
        parts.append(f"worth {worth} independent votes")
    if info.stopped_early:
        parts.append("stopped early")
    compared = "" if info.kind == "none" else f" (compared as {info.kind})"
    lines = [", ".join(parts), one_line(info.rule + compared)]
    if info.plan is not None:
        steps = ", then ".join(" and ".join(step) for step in info.plan.steps)
        lines.append(one_line(f"plan: {steps}, until {info.plan.tau:g} sure"))
        lines.append(one_line(f"({info.plan.why})"))
    numbers = ("prior", "score", "latency", "cost")
    headers = ["member", "ballot", "read by", *numbers, "note"]
    rows: list[Row] = [_row(info, each) for each in info.ballots]
    return (
        "\n".join(lines)
        + "\n\n"
        + table(
            headers, rows, paint, right=numbers, long=_LONG, names=_NAMES, spare=_SPARE
        )
    )


def _worth(votes: IndependentVotes | None) -> str:
    if votes is None or votes.at_least is None or votes.at_most is None:
        return ""
    least, most = f"{votes.at_least:.1f}", f"{votes.at_most:.1f}"
    return least if least == most else f"{least} to {most}"


def _row(info: ConsensusInfo, ballot: Ballot) -> Row:
    return [
        ballot.member,
        _said(info, ballot),
        ballot.rule or UNKNOWN,
        decimals(ballot.prior, 2),
        decimals(ballot.score, 1),
        seconds(ballot.latency_s),
        money(ballot.cost_usd),
        _note(ballot),
    ]


def _note(ballot: Ballot) -> str:
    """Why there is no answer and what was done about it, or what it contributed."""
    parts = [ballot.error or ballot.contributed]
    parts += [f"alike by {ballot.similarity:.2f}" if ballot.similarity else None]
    parts += [f"in place of {ballot.replaces}" if ballot.replaces else None]
    parts += [f"replaced by {ballot.replaced_by}" if ballot.replaced_by else None]
    parts += [f"not replaced: {ballot.absent}" if ballot.absent else None]
    return "; ".join(part for part in parts if part)


def _said(info: ConsensusInfo, ballot: Ballot) -> Cell:
    """Which of the answers, as a letter: equal letters are equal answers."""
    if ballot.state != "answered":
        return Cell(ballot.state, "warn")
    if ballot.group is None:
        return Cell("abstained", "warn")
    won = ballot.group == info.winner
    letter = chr(ord("A") + ballot.group % 26)
    return Cell(f"{letter} won" if won else letter, "good" if won else "plain")
