"""What the queue is told, the tools it is given, and what outlives its lives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from actors.errors import QueueUnavailable
from actors.messages.lifecycle import Finding
from actors.messages.tasks import Performer, QueueStats, Task, TaskKind, TaskStore
from actors.policy.tasks.backoff import Backoff
from actors.policy.tasks.shares import Shares


class QueueSettings(Struct, frozen=True, kw_only=True):
    """The configured queue.

    ``concurrency`` tasks are worked on at once, of a lane in ``lanes`` at most so many.
    A task that its worker does not renew for ``lease_s`` goes to somebody else. Every
    ``look_s`` it is looked for tasks that nobody has told of.
    """

    concurrency: int = 8
    lanes: Mapping[str, int] = {}
    lease_s: float = 30.0
    backoff: Backoff = Backoff()
    sweep_s: float = 60.0
    look_s: float | None = None
    store_retry_s: float = 1.0
    store_retry_max_s: float = 15.0


@dataclass(frozen=True, slots=True)
class QueueTools:
    """What the queue may not make itself.

    ``performers`` do the work of a kind; a kind without one waits. ``utc`` is epoch
    seconds, ``draw`` in [0, 1). ``on_ended`` hears of each attempt that came to an end
    that was kept, with the task as it was claimed, the new state, and its seconds.
    """

    store: TaskStore
    performers: dict[TaskKind, Performer]
    worker: str
    utc: Callable[[], float]
    draw: Callable[[], float]
    on_claimed: Callable[[Task, float], None] = lambda _task, _waited_s: None
    on_ended: Callable[[Task, str, float], None] = lambda _task, _state, _run_s: None


@dataclass(slots=True)
class Desk:
    """Settings may be replaced at any time.

    ``held`` are the tasks in work here, as they were claimed; a life of the actor that
    is cut short leaves them there for the next.
    """

    settings: QueueSettings
    tools: QueueTools
    shares: Shares = field(default_factory=Shares)
    working: int = 0  # tasks, here
    held: dict[str, Task] = field(default_factory=dict)
    trouble: QueueUnavailable | None = None
    stats: QueueStats = field(default_factory=QueueStats)  # some seconds old

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the queue now."""
        if self.trouble is None:
            return ()
        return (Finding(code="queue_unavailable", values={"error": str(self.trouble)}),)
