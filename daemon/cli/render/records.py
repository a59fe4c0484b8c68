"""Past requests, one of them explained, and what they used, as text."""

from collections.abc import Sequence
from decimal import Decimal

from actors.messages.ledger import HistoryEntry, UsageRow
from actors.messages.routing import (
    AttemptRecord,
    AttemptSummary,
    Decision,
    RankedCandidate,
    RequestRecord,
    ScoreTerm,
)
from daemon.cli.render.budgets import budgets
from daemon.cli.render.consensus import verdict
from daemon.cli.render.status import weights
from daemon.cli.render.table import Cell, Paint, Row, one_line, table
from daemon.cli.render.units import (
    UNKNOWN,
    count,
    decimals,
    moment,
    money,
    name_of,
    seconds,
    share,
)
from ipc.explanation import Explanation
from ipc.feedback import FeedbackResult
from ipc.results import HistoryResult, RouteReply, UsageResult

_HISTORY_LONG = ("strategy",)
_HISTORY_SPARE = ("calls", "confidence", "strategy", "tokens", "at", "latency", "cost")


def history(result: HistoryResult, paint: Paint) -> str:
    """``gitbridge history``: newest first."""
    if not result.entries:
        return "no requests yet"
    numbers = ("calls", "tokens", "cost", "latency", "confidence")
    headers = ["at", "decision", "provider/model", "strategy", "outcome", *numbers]
    rows: list[Row] = [_history_row(entry) for entry in result.entries]
    return table(
        headers,
        rows,
        paint,
        right=numbers,
        long=_HISTORY_LONG,
        names=("provider/model",),
        spare=_HISTORY_SPARE,
    )


def _history_row(entry: HistoryEntry) -> Row:
    simulated = " (simulated)" if entry.simulated else ""
    degraded = "degraded" if entry.degraded else ""
    return [
        moment(entry.at),
        entry.decision_id,
        name_of(entry.provider, entry.model) + simulated,
        " ".join(filter(None, (entry.strategy, degraded, entry.reused))),
        outcome_cell(entry.outcome),
        count(entry.attempts),
        tokens(entry.prompt_tokens, entry.completion_tokens),
        money(entry.cost_usd),
        seconds(entry.latency_s),
        decimals(entry.confidence, 2),
    ]


def outcome_cell(outcome: str) -> Cell:
    return Cell(outcome, "good" if outcome == "ok" else "bad")


def tokens(prompt: int | None, completion: int | None) -> str:
    """In and out: ``12+34``."""
    if prompt is None and completion is None:
        return UNKNOWN
    return f"{count(prompt)}+{count(completion)}"


def explain(record: Explanation, paint: Paint) -> str:
    """``gitbridge explain``: why there, what was tried, what it cost."""
    decision = record.decision
    unranked = record.consensus is not None or record.reused is not None
    parts = [
        _heading(record, paint),
        _decision(decision, paint),
        verdict(record.consensus, paint) if record.consensus else "",
        "" if unranked else _candidates(decision.candidates, paint),
        _excluded(decision, paint),
        _completeness(record, paint),
        "" if unranked else _attempts(record.attempts, paint),
        _cost(record),
    ]
    return "\n\n".join(part for part in parts if part)


def _heading(record: Explanation, paint: Paint) -> str:
    ids = (
        f"{paint('request', 'dim')} {record.request_id}  "
        f"{paint('decision', 'dim')} {record.decision.decision_id}"
    )
    asked = [f"{moment(record.at)} over {record.door}"]
    if record.user:
        asked.append(f"by {record.user}")
    if record.task_type:
        asked.append(f"task type {record.task_type}")
    asked.append(f"asked for {record.requested_model or 'auto'}")
    if record.stream:
        asked.append("streamed")
    lines = [ids, one_line(", ".join(asked)), _ending(record, paint)]
    if record.part_of is not None:
        lines.append(f"a part of the round of consensus {record.part_of}")
    lines += _sentence(record.part_of_lost)
    if record.error_message != record.decision.reason:
        lines += _sentence(record.error_message)
    return "\n".join(lines)


def _ending(record: RequestRecord, paint: Paint) -> str:
    outcome = outcome_cell(record.outcome)
    answered = name_of(record.provider, record.model)
    simulated = " (simulated)" if record.simulated else ""
    times = (
        f"in {seconds(record.latency_s)}, {seconds(record.overhead_s)} of it our own"
    )
    if record.queued_s:
        times += f", {seconds(record.queued_s)} of it waiting for a place"
    if record.time_to_first_token_s is not None:
        times += f", first token after {seconds(record.time_to_first_token_s)}"
    mark = paint(outcome.text, outcome.tone)
    return f"{mark}: {one_line(answered)}{simulated} {times}"


def _sentence(text: str | None) -> list[str]:
    return [one_line(text)] if text else []


def _decision(decision: Decision, paint: Paint) -> str:
    confidence = decimals(decision.confidence, 2)
    strategy = f"strategy {paint(decision.strategy, 'bold')}"
    lines = [f"{strategy} ({weights(decision.weights)}), confidence {confidence}"]
    if decision.degraded:
        note = "degraded: every breaker was open, the least bad was taken"
        lines.append(paint(note, "warn"))
    lines += _sentence(decision.reason)
    if decision.hedge_after_s is not None:
        lines.append(f"a hedge after {seconds(decision.hedge_after_s)} without answer")
    return "\n".join(lines)


def _candidates(candidates: Sequence[RankedCandidate], paint: Paint) -> str:
    if not candidates:
        return "nobody could be ranked"
    names = list(dict.fromkeys(t.name for each in candidates for t in each.terms))
    numbers = ("rank", "score", *names, "expected cost", "expected latency")
    said = (t.note for each in candidates for t in each.terms if t.note)
    notes = list(dict.fromkeys(said))
    rows: list[Row] = [
        [
            str(rank),
            name_of(each.target.provider, each.target.model),
            Cell(decimals(each.score), "bold"),
            *(_term(each.terms, name, notes) for name in names),
            money(each.expected_cost_usd),
            seconds(each.expected_latency_s),
        ]
        for rank, each in enumerate(candidates, start=1)
    ]
    headers = ["rank", "candidate", "score", *names, "expected cost"]
    shown = table([*headers, "expected latency"], rows, paint, right=numbers)
    below = [one_line(f"[{n}] {note}") for n, note in enumerate(notes, start=1)]
    return "\n".join([shown, *below])


def _term(terms: Sequence[ScoreTerm], name: str, notes: Sequence[str]) -> str:
    """A term as value x weight, what it came from, and the number of its note."""
    for term in terms:
        if term.name == name:
            raw = "" if term.raw is None else f" ({_raw(term.raw, term.unit)})"
            note = f" [{notes.index(term.note) + 1}]" if term.note else ""
            return f"{term.value:.3f} x {term.weight:.2f}{raw}{note}"
    return UNKNOWN


def _raw(value: float, unit: str) -> str:
    """What a term came from: ``$0.0000914``, ``6 ms``, ``100.0% succeeded``."""
    match unit:
        case "USD":
            return money(Decimal(f"{value:.4g}"))
        case "s":
            return seconds(value)
        case "success rate":
            return f"{share(value)} succeeded"
        case "places behind the first" if value == 1.0:
            return "1 place behind the first"
        case _:
            return f"{value:.4g} {unit}"


def _excluded(decision: Decision, paint: Paint) -> str:
    if not decision.excluded:
        return ""
    rows: list[Row] = [
        [
            name_of(each.target.provider, each.target.model),
            Cell(each.code, "warn"),
            each.detail,
        ]
        for each in decision.excluded
    ]
    return table(["excluded", "because", "detail"], rows, paint)


def _completeness(record: Explanation, paint: Paint) -> str:
    """Whether that was everybody, and how to see the others if not."""
    if record.not_recomputed is not None:
        note = f"not ranked again: {record.not_recomputed}"
        return paint(one_line(note), "warn")
    if record.recomputed:
        return "ranked again from the figures that were kept: the same, and everybody"
    decision = record.decision
    others = decision.candidate_count
    others -= len(decision.candidates) + len(decision.excluded)
    if others <= 0:
        return ""
    return f"and {others} more: gitbridge explain {decision.decision_id} --all"


def _attempts(attempts: Sequence[AttemptRecord], paint: Paint) -> str:
    if not attempts:
        return "nobody was asked"
    numbers = ("latency", "first token", "tokens", "cost")
    rows: list[Row] = [
        [
            str(number),
            name_of(each.provider, each.model),
            outcome_cell(each.outcome),
            seconds(each.latency_s),
            seconds(each.time_to_first_token_s),
            tokens(each.usage.prompt_tokens, each.usage.completion_tokens),
            money(each.cost_usd),
            f"{each.cost_source}",
            _attempt_note(each),
        ]
        for number, each in enumerate(attempts, start=1)
    ]
    headers = ["call", "provider/model", "outcome", *numbers, "price from", "note"]
    return table(headers, rows, paint, right=numbers)


def _attempt_note(attempt: AttemptRecord) -> str:
    notes: list[str] = [] if attempt.kind == "first" else [attempt.kind]
    if attempt.status is not None:
        notes.append(f"HTTP {attempt.status}")
    if attempt.message:
        notes.append(attempt.message[:120])
    if attempt.retry_after_s is not None:
        notes.append(f"retry after {seconds(attempt.retry_after_s)}")
    if attempt.dropped:
        notes.append(f"left out: {', '.join(attempt.dropped)}")
    return "; ".join(notes)


def _cost(record: RequestRecord) -> str:
    if record.reused is not None:
        saved = record.reused.saved_usd
        instead = "what is not known" if saved is None else money(saved)
        return f"cost {money(record.cost_usd)} in place of {instead}"
    used = tokens(record.usage.prompt_tokens, record.usage.completion_tokens)
    if record.cost_usd is not None:
        return f"cost {money(record.cost_usd)} ({record.cost_source}), tokens {used}"
    known = record.known_cost_usd
    part = f", {money(known)} of it known" if known else ""
    return f"cost unknown{part}, tokens {used}"


def feedback(result: FeedbackResult) -> str:
    """``gitbridge feedback``: what was written down and what it makes of who said it."""
    instead = f" in place of {result.replaced:g}" if result.replaced is not None else ""
    lines = [f"{result.decision_id}: {result.score:g}{instead}"]
    for row in result.quality:
        about = f" for {one_line(row.task_type)}" if row.task_type else ""
        labels = "1 label" if row.labels == 1 else f"{row.labels} labels"
        name = name_of(row.provider, row.model)
        lines.append(f"{name}{about}: quality {row.quality:.3f} by {labels}")
    return "\n".join(lines)


def usage(result: UsageResult, paint: Paint) -> str:
    """``gitbridge usage``: tokens and money by provider, model, task type or user."""
    since = f"since {moment(result.since)}" if result.since is not None else "so far"
    limits = "\n\n".join(("", budgets(result.budgets, paint))) if result.budgets else ""
    if not result.rows:
        return f"no usage {since}{limits}"
    numbers = ["requests", "calls", "failures", "prompt", "completion", "cached"]
    numbers += ["cost", "unpriced"]
    again = any(row.reused for row in result.rows)
    numbers += ["given again", "saved"] if again else []
    rows: list[Row] = [
        [
            usage_key(row),
            count(row.requests),
            count(row.attempts),
            count(row.failures),
            count(row.prompt_tokens),
            count(row.completion_tokens),
            count(row.cached_tokens),
            money(row.cost_usd),
            count(row.unpriced_attempts),
            *([count(row.reused), money(row.saved_usd)] if again else []),
        ]
        for row in result.rows
    ]
    headers = [result.by.replace("_", " "), *numbers]
    return f"usage {since}\n\n{table(headers, rows, paint, right=numbers)}{limits}"


def usage_key(row: UsageRow) -> str:
    """The row's name; pretended calls are told from real ones."""
    name = row.key if row.key is not None else UNKNOWN
    return f"{name} (simulated)" if row.simulated else name


def answer_summary(reply: RouteReply, paint: Paint) -> str:
    """The line under an answer: who, how much, how long, and why it went there."""
    used = tokens(reply.usage.prompt_tokens, reply.usage.completion_tokens)
    cost = money(reply.cost_usd) if reply.cost_usd is not None else "cost unknown"
    parts = [name_of(reply.provider, reply.model), f"{used} tokens", cost]
    parts.append(seconds(reply.latency_s))
    if len(reply.attempts) > 1:
        parts.append(f"{len(reply.attempts)} calls ({_failed(reply.attempts)})")
    if reply.finish_reason != "stop":
        parts.append(f"finish reason {reply.finish_reason}")
    if reply.dropped:
        parts.append(f"left out {', '.join(reply.dropped)}")
    if reply.cached:
        parts.append("cached")
    if reply.simulated:
        parts.append("simulated")
    parts.append(f"decision {reply.decision_id}")
    return paint(one_line(" · ".join(parts)), "dim")


def _failed(attempts: Sequence[AttemptSummary]) -> str:
    return ", ".join(
        f"{each.provider} {each.outcome}" for each in attempts if each.outcome != "ok"
    )
