"""One attempt at one task, from its claim to what is kept of it."""

from typing import Final, Literal

import anyio
import structlog

from actors.errors import (
    GitBridgeError,
    InternalError,
    Interrupted,
    QueueUnavailable,
)
from actors.messages.routing import ErrorInfo, error_info
from actors.messages.tasks import Ending, Lease, Performed, Task
from actors.policy.tasks.backoff import Again, after_failure
from actors.task_queue.desk import Desk
from actors.task_queue.requests import AnswerFailed, info_of

log = structlog.get_logger(actor="task_queue")

Stop = Literal["cancel", "lost", "give_back"]
KEEP_TRIES: Final = 8
"""How often to try to write down an end; then the lease runs out and it is redone."""

UNPERFORMED_S: Final = 10.0


def interrupted(task: Task, now: float) -> Ending:
    """The end of an attempt that our own failure has cut short: another, if there is one."""
    return Ending(
        lease=Lease(task.task_id, task.token),
        now=now,
        state="waiting" if task.attempts < task.spec.max_attempts else "dead",
        run_at=now,
        error=error_info(Interrupted("The queue failed while it was in work.")),
    )


class Work:
    """An attempt in progress. ``run`` never raises, except when the actor is stopped.

    Attributes:
        progress: How far it is; ``None`` until there is something new to say.
    """

    def __init__(self, desk: Desk, task: Task) -> None:
        self._desk = desk
        self.task = task
        self.lease = Lease(task.task_id, task.token)
        self.progress: str | None = None
        self._scope = anyio.CancelScope()
        self._stopped: Stop | None = None

    def stop(self, why: Stop) -> None:
        """End it now; the upstream call too. The first reason counts."""
        if self._stopped is None:
            self._stopped = why
            self._scope.cancel()

    async def run(self) -> None:
        """Do the work, and keep what it came to."""
        started = self._desk.tools.utc()
        ending: Ending | None = None
        with self._scope:
            ending = await self._attempt()
        if ending is None:
            ending = self._cut_short()
        if ending is None:
            log.warning("task_lease_lost", task_id=self.task.task_id)
            return
        run_s = max(0.0, self._desk.tools.utc() - started)
        if await self._keep(ending):
            self._tell(ending, run_s)

    async def _attempt(self) -> Ending | None:
        """What it came to; ``None`` when the task is somebody else's now."""
        tools, task = self._desk.tools, self.task
        try:
            if not await tools.store.advance(self.lease, tools.utc(), None):
                return None
            performer = tools.performers.get(task.spec.kind)
            if performer is None:
                return self._unperformed()
            performed = await performer.perform(task, self._note)
        except (GitBridgeError, AnswerFailed) as error:
            return self._failed(info_of(error))
        except Exception:
            log.exception("task_bug", task_id=task.task_id)
            bug = InternalError("the daemon failed on this task; see its log")
            return self._failed(info_of(bug))
        return self._done(performed)

    def _unperformed(self) -> Ending:
        """Nobody here does this kind of work: leave it for later, or for others."""
        now = self._desk.tools.utc()
        at = now + UNPERFORMED_S
        return Ending(lease=self.lease, now=now, state="queued", run_at=at)

    def _note(self, progress: str) -> None:
        self.progress = progress

    def _done(self, performed: Performed) -> Ending:
        return Ending(
            lease=self.lease,
            now=self._desk.tools.utc(),
            state="done",
            result=performed.result,
            follow_ups=performed.follow_ups,
        )

    def _failed(self, error: ErrorInfo) -> Ending:
        tools, spec = self._desk.tools, self.task.spec
        now = tools.utc()
        verdict = after_failure(
            self._desk.settings.backoff,
            error,
            attempts=self.task.attempts,
            max_attempts=spec.max_attempts,
            deadline_at=spec.deadline_at,
            now=now,
            draw=tools.draw(),
        )
        if isinstance(verdict, Again):
            return Ending(
                lease=self.lease,
                now=now,
                state="queued" if verdict.free else "waiting",
                run_at=verdict.at,
                error=error,
            )
        return Ending(lease=self.lease, now=now, state=verdict, error=error)

    def _cut_short(self) -> Ending | None:
        now = self._desk.tools.utc()
        if self._stopped == "cancel":
            return Ending(lease=self.lease, now=now, state="cancelled")
        if self._stopped == "give_back":
            return Ending(lease=self.lease, now=now, state="queued")
        return None

    async def _keep(self, ending: Ending) -> bool:
        """Write it down, however long the store is away within reason."""
        settings = self._desk.settings
        wait_s = settings.store_retry_s
        for _ in range(KEEP_TRIES):
            try:
                return await self._desk.tools.store.finish(ending)
            except QueueUnavailable as error:
                self._desk.trouble = error
                await anyio.sleep(wait_s)
                wait_s = min(wait_s * 2.0, settings.store_retry_max_s)
        log.error("task_end_not_kept", task_id=self.task.task_id, state=ending.state)
        return False

    def _tell(self, ending: Ending, run_s: float) -> None:
        spec, error = self.task.spec, ending.error
        if ending.state == "queued" and error is None:
            return  # given back unworked
        tell = log.warning if ending.state in {"failed", "dead"} else log.info
        tell(
            "task_attempt_ended",
            task_id=self.task.task_id,
            kind=spec.kind,
            type=spec.type,
            priority=spec.priority,
            state=ending.state,
            attempt=self.task.attempts,
            run_s=round(run_s, 6),
            error=None if error is None else error.message,
        )
        self._desk.tools.on_ended(self.task, ending.state, run_s)
