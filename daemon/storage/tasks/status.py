"""A task in msgpack: what never changes about it, and what does."""

import msgspec

from actors.errors import QueueUnavailable
from actors.messages.routing import ErrorInfo
from actors.messages.tasks import NewTask, Task, TaskState
from actors.policy.task_states import IN_WORK


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What changes about a task, apart from its result."""

    state: TaskState
    run_at: float
    updated_at: float
    attempts: int = 0
    token: int = 0
    worker: str | None = None
    lease_until: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    cancel_wanted: bool = False
    progress: str | None = None
    error: ErrorInfo | None = None


_encode = msgspec.msgpack.Encoder().encode
_spec = msgspec.msgpack.Decoder(NewTask).decode
_status = msgspec.msgpack.Decoder(Status).decode


def encode_spec(spec: NewTask) -> bytes:
    return _encode(spec)


def task_of(spec: bytes, status: bytes, result: bytes | None) -> Task:
    """The task of these parts. Raises ``QueueUnavailable`` where they are none."""
    try:
        return _task(_spec(spec), _status(status), result)
    except msgspec.DecodeError as error:
        raise QueueUnavailable(f"a task that is kept is none: {error}") from error


def _task(spec: NewTask, status: Status, result: bytes | None) -> Task:
    return Task(
        spec=spec,
        state=status.state,
        run_at=status.run_at,
        updated_at=status.updated_at,
        attempts=status.attempts,
        token=status.token,
        worker=status.worker,
        lease_until=status.lease_until,
        started_at=status.started_at,
        ended_at=status.ended_at,
        cancel_wanted=status.cancel_wanted,
        progress=status.progress,
        result=result,
        error=status.error,
    )


def status_of(task: Task) -> bytes:
    """All that changes about it but its result."""
    return _encode(
        Status(
            state=task.state,
            run_at=task.run_at,
            updated_at=task.updated_at,
            attempts=task.attempts,
            token=task.token,
            worker=task.worker,
            lease_until=task.lease_until,
            started_at=task.started_at,
            ended_at=task.ended_at,
            cancel_wanted=task.cancel_wanted,
            progress=task.progress,
            error=task.error,
        )
    )


def part_of(task: Task, *, ready: bool) -> str | None:
    """Which count of ``depths`` it is in."""
    if task.state in IN_WORK:
        return "in_work"
    if task.state == "queued":
        return "queued" if ready else "scheduled"
    return task.state if task.state in ("waiting", "dead") else None
