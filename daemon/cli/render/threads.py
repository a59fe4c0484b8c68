"""Threads, as text."""

from actors.messages.threads import Detail
from daemon.cli.render.table import Cell, Paint, Row, Tone, one_line, printable, table
from daemon.cli.render.units import UNKNOWN, moment, money, seconds
from ipc.threads import ThreadEntryRow, ThreadsGetResult, ThreadsListResult

_TONES: dict[str, Tone] = {"done": "good", "failed": "bad", "open": "warn"}
_WHO = 3
_LONG = ("about", "who")
_SPARE = ("entries", "who", "cost", "began", "about")


def listing(page: ThreadsListResult, paint: Paint) -> str:
    """A line for each."""
    if not page.threads:
        return "no threads"
    numbers = ("entries", "cost")
    head = ("thread", "state", "began", *numbers, "who", "about")
    rows: list[Row] = [
        [
            each.thread_id,
            Cell(each.state, _TONES[each.state]),
            moment(each.started_at),
            str(each.entries),
            money(each.cost_usd),
            _some(each.who),
            (each.title or each.task_type or "")[:60],
        ]
        for each in page.threads
    ]
    text = table(head, rows, paint, right=numbers, long=_LONG, spare=_SPARE)
    if page.cursor is not None:
        text += f"\n{paint(f'more: --cursor {page.cursor}', 'dim')}"
    return text


def _some(who: tuple[str, ...]) -> str:
    more = f" and {len(who) - _WHO} more" if len(who) > _WHO else ""
    return ", ".join(who[:_WHO]) + more


def thread(shown: ThreadsGetResult, paint: Paint) -> str:
    """All of one: a line for each entry, and below it what was said."""
    about = shown.thread
    facts = (
        ("thread", about.thread_id),
        ("state", about.state),
        ("user", about.user),
        ("type", about.task_type),
        ("began", moment(about.started_at)),
        ("cost", money(about.cost_usd) if about.cost_usd is not None else "unknown"),
        ("simulated", "yes" if about.simulated else None),
    )
    lines = [
        f"{paint(f'{name:10}', 'dim')}  {one_line(value)}"
        for name, value in facts
        if value
    ]
    for entry in shown.entries:
        lines += ["", *_entry(entry, paint)]
    return "\n".join(lines)


def _entry(entry: ThreadEntryRow, paint: Paint) -> list[str]:
    to = f" to {entry.to}" if entry.to else ""
    head = f"{moment(entry.at)}  {paint(entry.kind.replace('_', ' '), 'bold')}  "
    lines = [head + one_line(f"{entry.who}{to}")]
    facts = _facts(entry)
    if facts:
        lines.append("  " + paint(one_line(", ".join(facts)), "dim"))
    if entry.text is not None:
        lines += [f"  | {line}" for line in printable(entry.text).split("\n")]
        if entry.chars is not None and entry.chars > len(entry.text):
            lines.append(paint(f"  ({entry.chars} characters in all)", "dim"))
    elif entry.chars:
        lines.append(paint(f"  ({entry.chars} characters, not kept)", "dim"))
    return lines


def _facts(entry: ThreadEntryRow) -> list[str]:
    facts = [f"{name} {_value(value)}" for name, value in _known(entry.data)]
    if entry.latency_s is not None:
        facts.append(seconds(entry.latency_s))
    if entry.cost_usd is not None:
        facts.append(money(entry.cost_usd))
    elif entry.kind in {"answer", "verdict"}:
        facts.append("cost unknown")
    return facts


def _known(data: dict[str, Detail]) -> list[tuple[str, Detail]]:
    return [
        (name.replace("_", " "), value)
        for name, value in data.items()
        if value is not None and value != "" and value is not False
    ]


def _value(value: Detail) -> str:
    if isinstance(value, bool):
        return "yes"
    return f"{value:.3g}" if isinstance(value, float) else str(value) or UNKNOWN
