"""Durable tasks, as text."""

import msgspec

from daemon.cli.render.table import Cell, Paint, Row, Tone, printable, table
from daemon.cli.render.units import UNKNOWN, moment
from ipc.results import RouteReply
from ipc.tasks import TaskListResult, TasksResult, TaskView

_TONES: dict[str, Tone] = {
    "done": "good",
    "failed": "bad",
    "dead": "bad",
    "cancelled": "warn",
    "waiting": "warn",
}

_LONG = ("what",)
_SPARE = ("priority", "attempts", "type", "created", "what")


def listing(page: TaskListResult, paint: Paint) -> str:
    """A line for each."""
    if not page.tasks:
        return "no tasks"
    head = ("task", "state", "type", "priority", "attempts", "created", "what")
    rows: list[Row] = [_row(task) for task in page.tasks]
    text = table(head, rows, paint, right=("attempts",), long=_LONG, spare=_SPARE)
    if page.cursor is not None:
        text += f"\n{paint(f'more: --cursor {page.cursor}', 'dim')}"
    return text


def unchanged(changed: TasksResult, action: str) -> list[str]:
    """A sentence for each that ``cancel`` or ``retry`` left as it was."""
    states = {task.task_id: task.state for task in changed.tasks}
    takes = _TAKES[action]
    return [
        f"task {name} is {states[name]}: nothing was changed, {action} takes {takes}"
        for name in changed.unchanged
        if name in states
    ]


_TAKES = {
    "cancel": "only what has not ended",
    "retry": "only what is failed, cancelled or dead",
}


def _row(task: TaskView) -> Row:
    error = None if task.error is None else task.error.message
    return [
        task.task_id,
        Cell(task.state, _TONES.get(task.state, "plain")),
        task.type,
        task.priority,
        f"{task.attempts}/{task.max_attempts}",
        moment(task.created_at),
        (error or task.progress or task.title or "")[:80],
    ]


def task(shown: TaskView, paint: Paint) -> str:
    """All of one, and its answer."""
    error = None if shown.error is None else shown.error.message
    facts = (
        ("task", shown.task_id),
        ("state", shown.state),
        ("type", _type(shown)),
        ("priority", shown.priority),
        ("attempts", f"{shown.attempts} of {shown.max_attempts}"),
        ("created", moment(shown.created_at)),
        ("next attempt", None if shown.ended_at else moment(shown.run_at)),
        ("ended", shown.ended_at and moment(shown.ended_at)),
        ("deadline", shown.deadline_at and moment(shown.deadline_at)),
        ("batch", shown.batch_id),
        ("thread", shown.thread_id),
        ("user", shown.user),
        ("title", shown.title),
        ("worker", shown.worker),
        ("progress", shown.progress),
        ("error", error),
        *(("not taken", each) for each in shown.refused),
    )
    lines = [
        f"{paint(f'{name:12}', 'dim')}  {printable(str(value))}"
        for name, value in facts
        if value
    ]
    found = _content(shown)
    return "\n".join(lines) + ("" if found is None else f"\n\n{printable(found)}")


def _type(shown: TaskView) -> str:
    """What it is, and of which type where that says more."""
    return shown.kind if shown.type == shown.kind else f"{shown.kind} {shown.type}"


def answer(shown: TaskView, paint: Paint) -> str:
    """Its answer where there is one, else how it is."""
    found = _content(shown) if shown.state == "done" else None
    return task(shown, paint) if found is None else printable(found)


def _content(shown: TaskView) -> str | None:
    if shown.result is msgspec.UNSET:
        return None
    try:
        reply = msgspec.convert(shown.result, RouteReply)
    except msgspec.ValidationError:
        return msgspec.json.encode(shown.result).decode()
    return reply.content or reply.refusal or UNKNOWN
