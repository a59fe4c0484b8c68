"""Tasks as callers see them."""

import msgspec
from msgspec import UNSET

from actors.messages.tasks import Task
from actors.messages.work import RequestOutcome
from ipc import tasks
from ipc.results import route_reply


def view(task: Task, *, whole: bool = True) -> tasks.TaskView:
    """A task as callers see it; ``whole``: with its result."""
    spec = task.spec
    result: object = UNSET
    refused: tuple[str, ...] = ()
    if whole and task.result is not None:
        result, refused = _result(task, task.result)
    return tasks.TaskView(
        task_id=spec.task_id,
        kind=spec.kind,
        type=spec.type,
        state=task.state,
        priority=spec.priority,
        created_at=spec.created_at,
        run_at=task.run_at,
        updated_at=task.updated_at,
        started_at=task.started_at,
        ended_at=task.ended_at,
        deadline_at=spec.deadline_at,
        attempts=task.attempts,
        max_attempts=spec.max_attempts,
        user=spec.user,
        batch_id=spec.batch_id,
        parent_id=spec.parent_id,
        thread_id=spec.thread_id,
        title=spec.title,
        worker=task.worker,
        progress=task.progress,
        cancel_wanted=task.cancel_wanted,
        error=None if task.error is None else tasks.task_error(task.error),
        result=result,
        refused=refused,
    )


def _result(task: Task, data: bytes) -> tuple[object, tuple[str, ...]]:
    if task.spec.kind != "request":
        return msgspec.msgpack.decode(data), ()
    outcome = msgspec.msgpack.decode(data, type=RequestOutcome)
    return route_reply(outcome.result), outcome.refused
