"""What requests and rounds of consensus leave in a thread; pure."""

from collections.abc import Sequence
from decimal import Decimal

from actors.messages.chat import Message, TextPart, ToolCall
from actors.messages.consensus import Ballot, ConsensusInfo, IndependentVotes
from actors.messages.routing import (
    AttemptRecord,
    ErrorInfo,
    RequestRecord,
    RouteRequest,
    RouteResult,
)
from actors.messages.threads import Detail, ThreadEntry

CALLER = "caller"
"""Who asked, where no door knows a name."""

_MESSAGE_CHARS = 500
_CALLS = 20


def question(request: RouteRequest, thread: str) -> ThreadEntry:
    """What was asked: everything after the last thing that was answered."""
    asked = ", ".join(request.consensus.members) if request.consensus else ""
    whom = "consensus" if request.consensus else request.model or request.provider
    data: dict[str, Detail] = {"members": asked} if asked else {}
    return ThreadEntry(
        thread_id=thread,
        kind="question",
        who=request.user or CALLER,
        to=whom or "auto",
        user=request.user,
        text=_new_text(request.chat.messages),
        state="open",
        task_type=request.task_type,
        request_id=request.request_id,
        task_id=_task_id(request),
        data=data,
    )


def decision(record: RequestRecord, thread: str) -> ThreadEntry:
    """Who was chosen by the router, why, and which calls that came to."""
    target = f"{record.provider}/{record.model}" if record.provider else None
    calls = "; ".join(map(_call, record.attempts[:_CALLS]))
    told = record.decision
    return ThreadEntry(
        thread_id=thread,
        kind="decision",
        who="router",
        to=target or record.requested_model,
        user=record.user,
        task_type=record.task_type,
        decision_id=told.decision_id,
        request_id=record.parent_id or record.request_id,
        cost_usd=record.cost_usd,
        latency_s=record.latency_s,
        simulated=record.simulated,
        data={
            "strategy": told.strategy,
            "reason": told.reason[:_MESSAGE_CHARS],
            "confidence": told.confidence,
            "outcome": record.outcome,
            "calls": calls,
        },
    )


def ending(
    request: RouteRequest, thread: str, end: RouteResult | ErrorInfo
) -> tuple[ThreadEntry, ...]:
    """The answer, or why there is none; with every ballot where several were asked."""
    if isinstance(end, RouteResult):
        info = end.consensus
        # Those of an answer that is given again were cast in another round.
        ballots = () if info is None or end.cached else info.ballots
        last = _answer(request, thread, end)
    else:
        ballots, last = end.ballots, _error(request, thread, end)
    simulated = last.simulated
    told = (_ballot(request, thread, b, simulated=simulated) for b in ballots)
    return (*told, last)


def _ballot(
    request: RouteRequest,
    thread: str,
    ballot: Ballot,
    *,
    simulated: bool,
) -> ThreadEntry:
    error = ballot.error
    return ThreadEntry(
        thread_id=thread,
        kind="ballot",
        who=ballot.member,
        to="consensus",
        user=request.user,
        text=ballot.content,
        task_type=request.task_type,
        decision_id=ballot.decision_id,
        request_id=request.request_id,
        task_id=_task_id(request),
        cost_usd=ballot.cost_usd,
        latency_s=ballot.latency_s,
        simulated=simulated,
        data={
            "state": ballot.state,
            "group": ballot.group,
            "rule": ballot.rule,
            "prior": ballot.prior,
            "score": ballot.score,
            "error": None if error is None else error[:_MESSAGE_CHARS],
            "replaces": ballot.replaces,
            "replaced_by": ballot.replaced_by,
            "absent": ballot.absent,
        },
    )


def _answer(request: RouteRequest, thread: str, result: RouteResult) -> ThreadEntry:
    info = result.consensus
    name = f"{result.provider}/{result.model}"
    data: dict[str, Detail] = {
        "finish_reason": result.finish_reason,
        "calls": len(result.attempts),
        "cached": result.cached,
    }
    if info is not None:
        data |= _how_decided(info, name)
    return ThreadEntry(
        thread_id=thread,
        kind="answer" if info is None else "verdict",
        who=name if info is None else "consensus",
        to=request.user or CALLER,
        user=request.user,
        text=_said(result.content, result.tool_calls) or result.refusal,
        state="done",
        task_type=request.task_type,
        decision_id=result.decision_id,
        request_id=request.request_id,
        task_id=_task_id(request),
        cost_usd=result.cost_usd,
        latency_s=result.latency_s,
        simulated=result.simulated,
        data=data,
    )


def _how_decided(info: ConsensusInfo, words_of: str) -> dict[str, Detail]:
    votes = info.independent_votes or IndependentVotes()
    return {
        "words_of": words_of,
        "method": info.method,
        "compared_as": info.kind,
        "rule": info.rule,
        "agreement": info.agreement,
        "confidence": info.confidence,
        "independent_votes_at_least": votes.at_least,
        "independent_votes_at_most": votes.at_most,
        "winner": info.winner,
        "judge": info.judge,
        "stopped_early": info.stopped_early,
    }


def _error(request: RouteRequest, thread: str, info: ErrorInfo) -> ThreadEntry:
    asked_several = request.consensus is not None
    return ThreadEntry(
        thread_id=thread,
        kind="verdict" if asked_several else "answer",
        who="consensus" if asked_several else info.provider or "router",
        to=request.user or CALLER,
        user=request.user,
        state="failed",
        task_type=request.task_type,
        decision_id=info.decision_id,
        request_id=request.request_id,
        task_id=_task_id(request),
        cost_usd=_cost(info),
        simulated=info.simulated,
        data={
            "error": info.kind,
            "message": info.message[:_MESSAGE_CHARS],
            "calls": len(info.attempts),
        },
    )


def _cost(info: ErrorInfo) -> Decimal | None:
    costs = [each.cost_usd for each in info.attempts]
    known = [each for each in costs if each is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def _call(attempt: AttemptRecord) -> str:
    return (
        f"{attempt.provider}/{attempt.model} {attempt.kind} {attempt.outcome}"
        f" {attempt.latency_s:.3f}s"
    )


def _task_id(request: RouteRequest) -> str | None:
    found = request.metadata.get("task_id")
    return found if request.durable and isinstance(found, str) else None


def _new_text(messages: Sequence[Message]) -> str:
    """What came after the model spoke last: a conversation is sent again each time."""
    new: list[str] = []
    for message in reversed(messages):
        if message.role == "assistant":
            break
        if message.role in ("user", "tool"):
            new.append(_text(message))
    return "\n\n".join(filter(None, reversed(new)))


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    parts = message.content or ()
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))


def _said(content: str | None, calls: Sequence[ToolCall]) -> str | None:
    lines = [content] if content else []
    lines += [f"{call.name}({call.arguments})" for call in calls]
    return "\n".join(lines) or None
