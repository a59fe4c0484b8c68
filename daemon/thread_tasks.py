"""What tasks, events and actions leave in a thread; pure."""

import msgspec

from actors.messages.actions import ActionDone, EventDone
from actors.messages.events import Event
from actors.messages.tasks import Performed, Task, TaskChange, TaskState
from actors.messages.threads import ThreadEntry, ThreadState

QUEUE = "task_queue"
RULES = "event_router"

_MESSAGE_CHARS = 500
_OPEN: frozenset[TaskState] = frozenset(("queued", "running", "waiting"))
_ENDED_BADLY: frozenset[TaskState] = frozenset(("failed", "dead", "cancelled"))


def task_changed(change: TaskChange) -> tuple[ThreadEntry, ...]:
    """A task is in another state, where that says more than other entries do.

    An event's own entry stands for the beginning and end of its task, and an action's
    for the end of that.
    """
    said: frozenset[TaskState] = frozenset(("waiting", *_ENDED_BADLY))
    if change.kind == "action":
        said |= {"queued"}
    elif change.kind == "request":
        said |= {"queued", "running", "done"}
    if change.thread_id is None or change.state not in said or change.progress:
        return ()
    entry = ThreadEntry(
        thread_id=change.thread_id,
        kind="task_state",
        who=change.worker or QUEUE,
        entry_id=_id(change),
        at=change.at,
        user=change.user,
        state=_state(change.state),
        task_id=change.task_id,
        data={
            "task": change.kind,
            "type": change.type,
            "state": change.state,
            "priority": change.priority,
            "attempts": change.attempts,
            "error": change.error_kind,
        },
    )
    return (entry,)


def _id(change: TaskChange) -> str:
    """An attempt begins once, whatever is told of it; all else happens at a time."""
    name = f"{change.task_id}:{change.state}:{change.attempts}"
    return name if change.state == "running" else f"{name}:{int(change.at * 1000)}"


def _state(state: TaskState) -> ThreadState | None:
    """A request that is done may be followed by actions: its answer has said ``done``."""
    if state in _OPEN:
        return "open"
    return "failed" if state in _ENDED_BADLY else None


def event_taken(event: Event, task_type: str, task: Task) -> ThreadEntry:
    """Something happened, and there is to be something done about it."""
    words = (event.title, event.text)
    return ThreadEntry(
        thread_id=task.spec.thread_id or task.task_id,
        kind="event",
        who=event.sender or event.source,
        to=RULES,
        entry_id=f"{task.task_id}:event",
        at=event.at,
        user=task.spec.user,
        text="\n\n".join(filter(None, words)) or None,
        state="open",
        task_type=task_type,
        task_id=task.task_id,
        data={
            "source": event.source,
            "name": event.name,
            "id": event.id,
            "repository": event.repository,
            "number": event.number,
            "url": event.url,
            "paths": len(event.paths),
        },
    )


def performed(task: Task, thread: str, done: Performed) -> ThreadEntry:
    """What came of a task of kind ``event`` or ``action``."""
    if task.spec.kind == "event":
        judged = msgspec.msgpack.decode(done.result, type=EventDone)
        return _event_judged(task, thread, judged)
    return _action_done(
        task, thread, msgspec.msgpack.decode(done.result, type=ActionDone)
    )


def _event_judged(task: Task, thread: str, done: EventDone) -> ThreadEntry:
    """A rule has said what is to be done about an event."""
    ignored = done.outcome == "ignored"
    return ThreadEntry(
        thread_id=thread,
        kind="decision",
        who=RULES,
        to=None if ignored else QUEUE,
        entry_id=f"{task.task_id}:judged",
        user=task.spec.user,
        state="done" if ignored else None,
        task_type=done.task_type,
        task_id=task.task_id,
        data={
            "outcome": done.outcome,
            "reason": done.plan_by,
            "score": done.score,
            "becomes": done.request_id,
        },
    )


def _action_done(task: Task, thread: str, done: ActionDone) -> ThreadEntry:
    """Something was done with an answer."""
    return ThreadEntry(
        thread_id=thread,
        kind="action",
        who=done.do,
        to=done.target,
        entry_id=f"{task.task_id}:done",
        user=task.spec.user,
        text=done.detail or None,
        state="done",
        task_id=task.task_id,
        data={"outcome": "ok", "status": done.status, "existing": done.existing},
    )


def attempt_failed(task: Task, thread: str, message: str) -> ThreadEntry:
    """An attempt at an event or action came to nothing; there may be another."""
    return ThreadEntry(
        thread_id=thread,
        kind="action" if task.spec.kind == "action" else "decision",
        who=task.spec.type if task.spec.kind == "action" else RULES,
        entry_id=f"{task.task_id}:failed:{task.attempts}",
        user=task.spec.user,
        task_id=task.task_id,
        data={
            "outcome": "failed",
            "attempts": task.attempts,
            "error": message[:_MESSAGE_CHARS],
        },
    )
