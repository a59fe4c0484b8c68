"""Tasks as tests of their stores submit and claim them."""

from actors.messages.routing import Priority
from actors.messages.tasks import ClaimAsk, Lease, NewTask, Task

NOW = 1_800_000_000.0
ANY: tuple[Priority, ...] = ("high", "normal", "low")


def new(number: int, *, tenant: str = "ann", run_at: float = NOW) -> NewTask:
    return NewTask(
        task_id=f"t{number}",
        kind="request",
        type="code_review",
        payload=b"x",
        tenant=tenant,
        created_at=NOW,
        run_at=run_at,
    )


def ask(places: int = 1, *, now: float = NOW, **lanes: int) -> ClaimAsk:
    return ClaimAsk(
        worker="w", now=now, lease_s=30.0, slots=(ANY,) * places, lanes=lanes
    )


def lease(task: Task) -> Lease:
    return Lease(task.task_id, task.token)


def ids(tasks: tuple[Task, ...]) -> list[str]:
    return [task.task_id for task in tasks]
