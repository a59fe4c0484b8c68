"""What becomes of a durable task: one function for each thing that happens to it.

They say what the task is afterwards; whether it may happen is asked before (``holds``,
``task.state``). Every store keeps to them, whatever it keeps its tasks in.
"""

from msgspec.structs import replace

from actors.errors import DeadlineExceeded, Interrupted, InvalidRequest
from actors.messages.routing import error_info
from actors.messages.tasks import (
    FINAL,
    ClaimAsk,
    Ending,
    Lease,
    NewTask,
    Submitted,
    Task,
    TaskChange,
    TaskState,
)

IN_WORK: frozenset[TaskState] = frozenset(("leased", "running"))
IN_QUEUE: frozenset[TaskState] = frozenset(("queued", "waiting"))
RETRIED: frozenset[TaskState] = frozenset(("failed", "cancelled", "dead"))
"""Those that can be queued again after their end."""


def kept(spec: NewTask) -> Task:
    """A task as it begins."""
    return Task(
        spec=spec, state="queued", run_at=spec.run_at, updated_at=spec.created_at
    )


def holds(task: Task, lease: Lease) -> bool:
    """Whether the lease is still the right to work on it."""
    return task.state in IN_WORK and task.token == lease.token


def leased(task: Task, ask: ClaimAsk) -> Task:
    """Taken by a worker: one attempt more, under a new fencing token."""
    return replace(
        task,
        state="leased",
        updated_at=ask.now,
        attempts=task.attempts + 1,
        token=task.token + 1,
        worker=ask.worker,
        lease_until=ask.now + ask.lease_s,
        started_at=ask.now,
        progress=None,
    )


def renewed(task: Task, now: float, lease_s: float) -> Task:
    return replace(task, lease_until=now + lease_s)


def advanced(task: Task, now: float, progress: str | None) -> Task:
    """At work, and this far; what it said before stands where it says nothing."""
    return replace(
        task,
        state="running",
        updated_at=now,
        progress=task.progress if progress is None else progress,
    )


def ended(task: Task, ending: Ending) -> Task:
    """An attempt came to this; nobody tries again what was to be cancelled."""
    if ending.state not in ("waiting", "queued"):
        return _final(task, ending.state, ending)
    if task.cancel_wanted:
        return _final(task, "cancelled", ending)
    return replace(
        task,
        state=ending.state,
        run_at=ending.now if ending.run_at is None else ending.run_at,
        updated_at=ending.now,
        attempts=task.attempts - (ending.state == "queued"),
        worker=None,
        lease_until=None,
        error=ending.error or task.error,
    )


def _final(task: Task, state: TaskState, ending: Ending) -> Task:
    return replace(
        task,
        state=state,
        updated_at=ending.now,
        ended_at=ending.now,
        lease_until=None,
        result=ending.result,
        error=None if state == "done" else ending.error or task.error,
    )


def lease_over(task: Task, now: float) -> Task:
    """Its lease ran out: in the queue again since then, unless that was its last attempt."""
    if task.cancel_wanted:
        return cancelled(task, now)
    if task.attempts >= task.spec.max_attempts:
        return _over(
            task,
            "dead",
            now,
            Interrupted(
                f"None of its {task.attempts} attempts was ended: the worker of the last"
                f" one, {task.worker}, was not heard of again."
            ),
        )
    return replace(
        task,
        state="queued",
        run_at=task.run_at if task.lease_until is None else task.lease_until,
        updated_at=now,
        worker=None,
        lease_until=None,
    )


def expired(task: Task, now: float) -> Task:
    """Its deadline passed before another attempt could begin."""
    return _over(
        task,
        "failed",
        now,
        DeadlineExceeded("Its deadline passed before an attempt could begin."),
    )


def _over(
    task: Task, state: TaskState, now: float, why: DeadlineExceeded | Interrupted
) -> Task:
    return replace(
        task,
        state=state,
        updated_at=now,
        ended_at=now,
        lease_until=None,
        error=error_info(why),
    )


def cancelled(task: Task, now: float) -> Task:
    """It ends without a result, as somebody wanted."""
    return replace(
        task, state="cancelled", updated_at=now, ended_at=now, lease_until=None
    )


def unwanted(task: Task, now: float) -> Task:
    """Somebody does not want it any more; whoever works on it is asked to stop."""
    if task.state in IN_QUEUE:
        return cancelled(task, now)
    if task.state in IN_WORK and not task.cancel_wanted:
        return replace(task, cancel_wanted=True, updated_at=now)
    return task


def retried(task: Task, now: float) -> Task:
    """In the queue again after its end, with all its attempts."""
    return replace(
        task,
        state="queued",
        run_at=now,
        updated_at=now,
        attempts=0,
        worker=None,
        started_at=None,
        ended_at=None,
        cancel_wanted=False,
        progress=None,
        result=None,
    )


def remove_at(task: Task) -> float | None:
    """When it need not be kept any more; ``None`` before its end."""
    if task.state not in FINAL or task.ended_at is None:
        return None
    return task.ended_at + task.spec.keep_s


def change_of(task: Task) -> TaskChange:
    """What is told of it to those who listen."""
    spec = task.spec
    return TaskChange(
        task_id=spec.task_id,
        kind=spec.kind,
        type=spec.type,
        priority=spec.priority,
        state=task.state,
        at=task.updated_at,
        attempts=task.attempts,
        user=spec.user,
        batch_id=spec.batch_id,
        parent_id=spec.parent_id,
        thread_id=spec.thread_id,
        worker=task.worker,
        progress=task.progress,
        error_kind=None if task.error is None else task.error.kind,
        cancel_wanted=task.cancel_wanted,
    )


def fair_tag(virtual_time: float, last_tag: float, weight: float) -> float:
    """Where a tenant's next task stands (start-time fair queueing, Goyal et al. 1996)."""
    return max(virtual_time, last_tag) + 1.0 / weight


def same(task: Task, spec: NewTask) -> Submitted:
    """What to say of a task that is there already, under the same key or id.

    Raises:
        InvalidRequest: That one was for something else.
    """
    there = task.spec
    if (there.tenant, there.digest) == (spec.tenant, spec.digest):
        return Submitted(task, existing=True)
    if spec.key is None or (there.tenant, there.key) != (spec.tenant, spec.key):
        raise InvalidRequest(
            f"there is another task {spec.task_id} already", field="task_id"
        )
    raise InvalidRequest(
        "the idempotency key was used for something else before: by task"
        f" {there.task_id}",
        field="idempotency_key",
        got=spec.key,
        wanted="a new key, or exactly what was asked with this one",
    )
