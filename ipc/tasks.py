"""Durable tasks as callers see them: what they submit, and what they are told."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from actors.messages.routing import ErrorInfo, Priority
from actors.messages.tasks import TaskKind, TaskState
from ipc import fields
from ipc.results import ErrorData, error_data
from ipc.route import AskParams

MAX_BATCH: Final = 1000
MAX_WAIT_S: Final = 3600.0
MAX_REQUIRED: Final = 200
"""Keys that an answer must have; who left some out is told which."""


Id = Annotated[str, Meta(min_length=1, max_length=200)]
Key = Annotated[str, Meta(min_length=1, max_length=200)]


class CheckParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the answer must be to be taken; an empty one never is.

    ``finish``: ``any`` takes an answer that was cut at its greatest length too.
    ``schema`` is a JSON Schema for it as JSON, ``required`` are keys it must have.
    ``repair``: whether its giver is told what was wrong and asked once more.
    """

    finish: Literal["whole", "any"] = "whole"
    schema: dict[str, object] | None = None
    required: Annotated[tuple[Id, ...], Meta(max_length=MAX_REQUIRED)] = ()
    repair: bool = True


class TaskSubmitParams(AskParams, frozen=True, kw_only=True):
    """Have it done, whatever happens: the params of ``route``, and when and how.

    ``consensus`` is true, or an object with the params of ``consensus``. ``run_at`` and
    ``deadline`` are epoch seconds or ISO 8601; ``delay_s`` counts from now, and
    ``deadline_s`` limits each attempt. ``tasks`` submits several at once, each an object
    of these params: all of them are kept, or none; ``idempotency_key`` beside it is that
    of the batch.
    """

    consensus: object = None
    run_at: float | str | None = None
    delay_s: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    deadline: float | str | None = None
    max_attempts: Annotated[int, Meta(ge=1, le=100)] | None = None
    check: CheckParams | None = None
    thread_id: Id | None = None
    title: Annotated[str, Meta(max_length=200)] = ""
    tasks: Annotated[list[object], Meta(min_length=1, max_length=MAX_BATCH)] | None = (
        None
    )


class TaskParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which task."""

    task_id: Id


class TaskManyParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which task, or all of a batch."""

    task_id: Id | None = None
    batch_id: Id | None = None

    def __post_init__(self) -> None:
        _exactly_one({"task_id": self.task_id, "batch_id": self.batch_id})


class TaskListParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest first. ``since`` as in ``usage``; ``cursor`` of the page before."""

    state: TaskState | None = None
    kind: TaskKind | None = None
    type: str | None = None
    priority: Priority | None = None
    user: str | None = None
    batch_id: str | None = None
    since: float | str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 20
    cursor: str | None = None


class TaskWaitParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wait for the end of one task, of several, or of a batch; ``timeout_s`` at most."""

    task_id: Id | None = None
    task_ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_BATCH)] | None = (
        None
    )
    batch_id: Id | None = None
    timeout_s: Annotated[float, Meta(ge=0, le=MAX_WAIT_S)] = 60.0

    def __post_init__(self) -> None:
        _exactly_one(
            {
                "task_id": self.task_id,
                "task_ids": self.task_ids,
                "batch_id": self.batch_id,
            }
        )


def _exactly_one(params: Mapping[str, object]) -> None:
    given = [name for name, value in params.items() if value is not None]
    names = ", ".join(params)
    if not given:
        raise fields.missing("task_id", f"one of {names}")
    if len(given) > 1:
        raise fields.wrong(given[1], params[given[1]], f"only one of {names}")


class TaskError(Struct, frozen=True):
    """Why the last attempt failed."""

    message: str
    data: ErrorData


class TaskView(Struct, frozen=True, kw_only=True):
    """A task. Times are UTC epoch seconds.

    ``result`` is that of ``route``, for kind ``request``; it is left out of lists.
    ``refused`` says which answers before it were not taken, and why.
    """

    task_id: str
    kind: TaskKind
    type: str
    state: TaskState
    priority: Priority
    created_at: float
    run_at: float
    updated_at: float
    started_at: float | None
    ended_at: float | None
    deadline_at: float | None
    attempts: int
    max_attempts: int
    user: str | None
    batch_id: str | None
    parent_id: str | None
    thread_id: str | None
    title: str
    worker: str | None
    progress: str | None
    cancel_wanted: bool
    error: TaskError | None
    result: object | UnsetType = UNSET
    refused: tuple[str, ...] = ()


class SubmittedTask(Struct, frozen=True):
    """``existing``: it had been submitted before, under the same key."""

    task_id: str
    state: TaskState
    existing: bool


class TaskSubmitResult(Struct, frozen=True, kw_only=True):
    """They are kept: nothing that happens to the daemon loses them."""

    task_id: str
    batch_id: str | None
    tasks: tuple[SubmittedTask, ...]


class TaskListResult(Struct, frozen=True):
    """``cursor`` asks for the page after this one, if there is one."""

    tasks: tuple[TaskView, ...]
    cursor: str | None = None


class TasksResult(Struct, frozen=True):
    """The tasks, as they are now.

    ``unchanged`` are the ids of those that stayed as they were: ``cancel`` changes none
    that has ended, ``retry`` only those that have ended without an answer.
    """

    tasks: tuple[TaskView, ...]
    unchanged: tuple[str, ...] = ()


class TaskWaitResult(Struct, frozen=True):
    """``done``: all of them have ended, in whatever state."""

    done: bool
    tasks: tuple[TaskView, ...]


class Row(Struct, frozen=True, kw_only=True):
    """A method of this group, without the group's name."""

    name: str
    params: type[Struct]
    result: type[Struct]
    summary: str
    reading: bool = False


ROWS: Final = (
    Row(
        name="submit",
        params=TaskSubmitParams,
        result=TaskSubmitResult,
        summary="Have a request answered durably: now, later, or once it is possible.",
    ),
    Row(
        name="get",
        params=TaskParams,
        result=TaskView,
        summary="A task, how far it is, and what it came to.",
        reading=True,
    ),
    Row(
        name="list",
        params=TaskListParams,
        result=TaskListResult,
        summary="Tasks, newest first.",
        reading=True,
    ),
    Row(
        name="cancel",
        params=TaskManyParams,
        result=TasksResult,
        summary="Cancel a task, or what is left of a batch.",
    ),
    Row(
        name="retry",
        params=TaskManyParams,
        result=TasksResult,
        summary="Queue failed, cancelled or dead tasks again.",
    ),
    Row(
        name="wait",
        params=TaskWaitParams,
        result=TaskWaitResult,
        summary="Wait until tasks have ended.",
    ),
)


def task_error(error: ErrorInfo) -> TaskError:
    """An error in the shape callers get."""
    return TaskError(error.message, error_data(error))
