"""The queue's actor: claims tasks when there is room, and holds on to them."""

from contextlib import suppress

import anyio
import structlog
from typing_extensions import override

from actors.errors import QueueUnavailable
from actors.messages.tasks import ClaimAsk, Task
from actors.runtime import Actor, Reply
from actors.task_queue.desk import Desk
from actors.task_queue.messages import CancelWork, Give, QueueMessage, Ring
from actors.task_queue.work import Work, interrupted

log = structlog.get_logger(actor="task_queue")

SWEEP_ROWS = 500
COUNT_S = 5.0
"""How old what is told of the queue's length may be."""

RENEWALS = 3
"""How often a lease is renewed within its time."""


class TaskQueueActor(Actor[QueueMessage]):
    """One life of it. What an earlier life had in work is given back first."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._works: dict[str, Work] = {}
        self._bell = anyio.Event()
        self._giving: list[Reply] = []
        self._closed = False
        self._sweep_at = 0.0  # loop time
        self._left = list(desk.held.values())

    @override
    def on_start(self) -> None:
        self._desk.working = 0
        self.context.spawn(self._claim_always(), name="claim")
        self.context.spawn(self._renew_always(), name="renew")
        self.context.spawn(self._count_always(), name="count")

    @override
    def handle(self, message: QueueMessage, reply: Reply) -> None:
        match message:
            case Ring():
                self._ring()
            case CancelWork(task_id):
                if task_id in self._works:
                    self._works[task_id].stop("cancel")
            case Give():
                self._closed = True
                self._giving.append(reply)
                for work in self._works.values():
                    work.stop("give_back")
                self._given()

    def _ring(self) -> None:
        self._bell.set()

    # ---- claiming

    async def _claim_always(self) -> None:
        """Claim, then wait until there may be more. Outlives whatever the store does."""
        settings = self._desk.settings
        failures_s = 0.0
        while not self._closed:
            self._bell = anyio.Event()
            try:
                wait_s = await self._round()
            except QueueUnavailable as error:
                first = self._desk.settings.store_retry_s
                failures_s = min(failures_s * 2 or first, settings.store_retry_max_s)
                if self._desk.trouble is None:
                    log.warning("queue_unavailable", error=error.message)
                self._desk.trouble = error
                await anyio.sleep(failures_s)
                continue
            if self._desk.trouble is not None:
                log.info("queue_available")
            self._desk.trouble, failures_s = None, 0.0
            with anyio.move_on_after(wait_s):
                await self._bell.wait()

    async def _round(self) -> float:
        """Sweep when it is time, claim what fits; how long to wait for more."""
        now = self.context.now()
        await self._give_back_left()
        if now >= self._sweep_at:
            await self._sweep()
            self._sweep_at = now + self._desk.settings.sweep_s
        free = self._desk.settings.concurrency - len(self._works)
        if free <= 0:
            return self._sweep_at - now  # the end of one rings
        claimed = await self._claim(free)
        if claimed:
            return 0.0  # there may be more
        return await self._until_due(now)

    async def _give_back_left(self) -> None:
        """Nobody works on what an earlier life held: it need not wait for its lease."""
        tools = self._desk.tools
        while self._left:
            task = self._left[-1]
            await tools.store.finish(interrupted(task, tools.utc()))
            self._left.pop()
            self._desk.held.pop(task.task_id, None)

    async def _until_due(self, now: float) -> float:
        tools = self._desk.tools
        utc = tools.utc()
        due = await tools.store.next_due(utc)
        to_sweep = max(0.0, self._sweep_at - now)
        if self._desk.settings.look_s is not None:
            to_sweep = min(to_sweep, self._desk.settings.look_s)
        if due is None:
            return to_sweep
        if due <= utc:  # it is, but its lane is full, nobody performs it, or it expired
            self._sweep_at = min(self._sweep_at, now + 1.0)
            return 1.0
        return min(due - utc, to_sweep)

    async def _claim(self, free: int) -> int:
        desk, tools = self._desk, self._desk.tools
        slots = desk.shares.slots(free)
        now = tools.utc()
        ask = ClaimAsk(
            worker=tools.worker,
            now=now,
            lease_s=desk.settings.lease_s,
            slots=slots,
            lanes=desk.settings.lanes,
        )
        tasks = await tools.store.claim(ask)
        desk.shares.took(slots, [task.spec.priority for task in tasks])
        for task in tasks:
            tools.on_claimed(task, max(0.0, now - max(task.run_at, task.spec.run_at)))
            self._start(task)
        return len(tasks)

    def _start(self, task: Task) -> None:
        work = Work(self._desk, task)
        self._works[task.task_id] = work
        self._desk.held[task.task_id] = task
        self._desk.working += 1
        self.context.spawn(self._carry(work), name="work")
        if self._closed:
            work.stop("give_back")

    async def _carry(self, work: Work) -> None:
        try:
            await work.run()
            if self._desk.held.get(work.task.task_id) is work.task:
                del self._desk.held[work.task.task_id]
        finally:
            if self._works.get(work.task.task_id) is work:
                del self._works[work.task.task_id]
            self._desk.working -= 1
            self._ring()
            self._given()

    def _given(self) -> None:
        if not self._works:
            for reply in self._giving:
                reply.send(None)
            self._giving.clear()

    async def _sweep(self) -> None:
        store = self._desk.tools.store
        while True:
            swept = await store.sweep(self._desk.tools.utc(), SWEEP_ROWS)
            for task in swept.dead:
                log.warning("task_dead", task_id=task.task_id, type=task.spec.type)
            if not swept.more:
                return

    async def _count_always(self) -> None:
        """For whoever wants to know how much there is."""
        tools = self._desk.tools
        while not self._closed:
            with suppress(QueueUnavailable):
                self._desk.stats = await tools.store.stats(tools.utc())
            await anyio.sleep(COUNT_S)

    # ---- holding on

    async def _renew_always(self) -> None:
        while True:
            await anyio.sleep(self._desk.settings.lease_s / RENEWALS)
            try:
                await self._renew()
            except QueueUnavailable as error:
                self._desk.trouble = error  # the next round of claiming says so

    async def _renew(self) -> None:
        works = list(self._works.values())
        if not works:
            return
        tools, lease_s = self._desk.tools, self._desk.settings.lease_s
        leases = [work.lease for work in works]
        states = await tools.store.renew(leases, tools.utc(), lease_s)
        for work, state in zip(works, states, strict=True):
            if state != "held":
                work.stop(state)
            elif work.progress is not None:
                progress, work.progress = work.progress, None
                await tools.store.advance(work.lease, tools.utc(), progress)
