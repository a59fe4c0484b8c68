"""Durable work: what is to be done, in which state it is, and what keeps it.

Three kinds of work share one queue: a ``request`` to models, an ``event`` that is to be
turned into requests, and an ``action`` that follows a finished request. Times are UTC
epoch seconds, handed in: a store reads no clock.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, get_args

from msgspec import Struct

from actors.messages.routing import ErrorInfo, Priority

TaskKind = Literal["request", "event", "action"]
TaskState = Literal[
    "queued", "leased", "running", "waiting", "done", "failed", "cancelled", "dead"
]
"""``waiting`` is for a retry. ``failed``: another attempt would not help. ``dead``: it
used up its attempts, or never came back from them; somebody has to look at it."""

TASK_STATES: tuple[TaskState, ...] = get_args(TaskState)
FINAL: frozenset[TaskState] = frozenset(("done", "failed", "cancelled", "dead"))


class NewTask(Struct, frozen=True, kw_only=True):
    """Work to be kept until it is done.

    ``type`` is the task type, the event's name or the action's name. ``payload`` is the
    kind's own Struct in msgpack. ``tenant`` is whose share of the queue it takes and
    ``weight`` how large that share is against others'. Tasks of one ``lane`` are
    limited together. No attempt begins before ``run_at`` or after ``deadline_at``.
    ``key`` makes it idempotent: a tenant's second task with the same key is the first
    one, and is refused when their ``digest`` (of what was asked) differs. What it came
    to is kept for ``keep_s`` after its end.
    """

    task_id: str
    kind: TaskKind
    type: str
    payload: bytes
    tenant: str
    created_at: float
    run_at: float
    weight: float = 1.0
    priority: Priority = "normal"
    lane: str = ""
    deadline_at: float | None = None
    max_attempts: int = 5
    keep_s: float = 604800.0
    key: str | None = None
    digest: bytes = b""
    parent_id: str | None = None
    batch_id: str | None = None
    thread_id: str | None = None
    user: str | None = None
    title: str = ""


class Task(Struct, frozen=True, kw_only=True):
    """A task as it is kept.

    ``attempts`` counts its leases, those that were given back unworked apart. ``token``
    is the fencing token of the last one: whoever holds an older one changes nothing.
    ``run_at`` is when the next attempt may begin. ``result`` is in msgpack; ``error``
    is that of the last attempt that failed, also while another is to come.
    """

    spec: NewTask
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
    result: bytes | None = None
    error: ErrorInfo | None = None

    @property
    def task_id(self) -> str:
        return self.spec.task_id


class Submitted(Struct, frozen=True):
    """A task was kept, or had been before (``existing``) under the same key."""

    task: Task
    existing: bool = False


class ClaimAsk(Struct, frozen=True, kw_only=True):
    """Ask for work.

    ``slots`` has, for each free place of the ``worker``, the priorities it may be filled
    with, the preferred first. ``lanes`` is how many of a lane may be in work at once,
    whoever works on them; a lane that is not in it has no limit.
    """

    worker: str
    now: float
    lease_s: float
    slots: tuple[tuple[Priority, ...], ...]
    lanes: Mapping[str, int] = {}


class Lease(Struct, frozen=True):
    """The right to work on a task, until it ends or is taken over."""

    task_id: str
    token: int


LeaseState = Literal["held", "cancel", "lost"]
"""``cancel``: held, but somebody wants it cancelled."""


class Ending(Struct, frozen=True, kw_only=True):
    """What an attempt came to.

    ``waiting`` wants another attempt from ``run_at``; ``queued`` gives it back unworked,
    with its attempt. ``follow_ups`` are kept in the same step, or not at all.
    """

    lease: Lease
    now: float
    state: Literal["done", "failed", "cancelled", "dead", "waiting", "queued"]
    run_at: float | None = None
    result: bytes | None = None
    error: ErrorInfo | None = None
    follow_ups: tuple[NewTask, ...] = ()


class TaskQuery(Struct, frozen=True, kw_only=True):
    """Which tasks to list, the newest first; empty filters let everything through."""

    states: tuple[TaskState, ...] = ()
    kinds: tuple[TaskKind, ...] = ()
    types: tuple[str, ...] = ()
    priorities: tuple[Priority, ...] = ()
    tenant: str | None = None
    user: str | None = None
    batch_id: str | None = None
    parent_id: str | None = None
    since: float | None = None
    limit: int = 20
    cursor: str | None = None


class TaskPage(Struct, frozen=True):
    """Tasks, and where to go on; ``None`` at the end."""

    tasks: tuple[Task, ...]
    cursor: str | None = None


class LaneDepth(Struct, frozen=True, kw_only=True):
    """How much of one priority and type there is. ``scheduled`` is not due yet.

    ``oldest_s`` is the age, from when it could have begun, of the oldest ``queued``.
    """

    priority: Priority
    type: str
    kind: TaskKind
    queued: int = 0
    scheduled: int = 0
    waiting: int = 0
    in_work: int = 0
    dead: int = 0
    oldest_s: float | None = None


class QueueStats(Struct, frozen=True):
    """The queue at a glance."""

    depths: tuple[LaneDepth, ...] = ()


class Swept(Struct, frozen=True, kw_only=True):
    """What a round of tidying up did.

    ``resumed``: leases had run out, the tasks are queued again. ``dead`` and ``expired``
    (their deadline passed before an attempt could begin: ``failed``) are final now.
    ``removed`` were kept long enough. ``more``: another round is needed.
    """

    resumed: tuple[Task, ...] = ()
    dead: tuple[Task, ...] = ()
    expired: tuple[Task, ...] = ()
    removed: int = 0
    more: bool = False


class TaskChange(Struct, frozen=True, kw_only=True):
    """Event: a task is in another state, or further along."""

    task_id: str
    kind: TaskKind
    type: str
    priority: Priority
    state: TaskState
    at: float
    attempts: int = 0
    user: str | None = None
    batch_id: str | None = None
    parent_id: str | None = None
    thread_id: str | None = None
    worker: str | None = None
    progress: str | None = None
    error_kind: str | None = None
    cancel_wanted: bool = False


class TaskStore(Protocol):
    """What keeps tasks. One behaviour, whatever is behind it.

    What a method has done survives ``kill -9`` of the daemon once it returns. A
    cancelled call is either done wholly or not at all. Every method raises
    ``QueueUnavailable``, soon, when it could not be done now.

    Among the tasks that are due, a claim takes of the first priority that has any in a
    lane with room, the one whose tenant has had least of its share (start-time fair
    queueing: a task's tag is the later of the queue's virtual time and its tenant's last
    tag, plus ``1 / weight``; the smallest tag goes first, and is the virtual time from
    then on). One that comes back keeps its tag. The cost of a claim does not grow with
    the number of tasks that wait.
    """

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def submit(self, tasks: Sequence[NewTask]) -> tuple[Submitted, ...]:
        """Keep all of them, or none.

        Raises:
            InvalidRequest: A key was used for something else before.
        """

    async def claim(self, ask: ClaimAsk) -> tuple[Task, ...]:
        """Lease tasks that are due: at most one for each slot, each to one worker only.

        A task whose lease has run out is due, unless it has had all its attempts: then
        it is ``dead``. Those whose deadline has passed have ``failed`` before.
        """

    async def renew(
        self, leases: Sequence[Lease], now: float, lease_s: float
    ) -> tuple[LeaseState, ...]:
        """Hold them for ``lease_s`` more from now; how each of them is."""

    async def advance(self, lease: Lease, now: float, progress: str | None) -> bool:
        """It is ``running``, and this far; false when the lease is lost."""

    async def finish(self, ending: Ending) -> bool:
        """Say what an attempt came to; false, and nothing changed, when it is lost.

        A ``waiting`` or ``queued`` one that somebody wanted cancelled is ``cancelled``.
        """

    async def cancel(self, task_id: str, now: float) -> Task | None:
        """Cancel it if it is not in work; else ask whoever holds it to.

        Final ones stay as they are; ``None`` when there is none.
        """

    async def retry(self, task_id: str, now: float) -> Task | None:
        """Queue a failed, cancelled or dead task again, with all its attempts.

        One in another state stays as it is; ``None`` when there is none.
        """

    async def get(self, task_id: str) -> Task | None: ...

    async def find(self, query: TaskQuery) -> TaskPage:
        """Raises ``InvalidRequest`` when the cursor is not one."""

    async def sweep(self, now: float, limit: int) -> Swept:
        """Tidy up: leases that ran out, deadlines that passed, results kept enough."""

    async def next_due(self, now: float) -> float | None:
        """When there may next be something to claim or sweep, as far as is known."""

    async def stats(self, now: float) -> QueueStats: ...

    def listen(
        self, on_change: Callable[[TaskChange], None], *, own: bool = False
    ) -> None:
        """Be told of changes, also of those that other daemons make, as they come.

        ``own``: only of those that were made here, of all of them.
        It may miss some: a change is a hint to look, not a record.
        """


class Performed(Struct, frozen=True, kw_only=True):
    """Work that was done: its result in msgpack, and what is to follow it."""

    result: bytes
    follow_ups: tuple[NewTask, ...] = ()


class Performer(Protocol):
    """Does the work of one kind of task."""

    async def perform(self, task: Task, tell: Callable[[str], None]) -> Performed:
        """Do it; ``tell`` takes progress. Cancelled when the task is.

        It may be done again after a crash: ``task.task_id`` is the same then and names
        the work towards others (``Idempotency-Key``).

        Raises:
            GitBridgeError: It did not work; ``retryable`` and ``retry_after_s`` say
                whether and when to try again.
        """
