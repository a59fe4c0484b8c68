"""A store of tasks held to the one in memory, whatever is asked of it in whatever order.

Every call goes to both; what they answer, what they refuse, and what listeners hear must
be the same. Time only goes forward, by what the machine says.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace
from typing_extensions import override

from actors.errors import InvalidRequest
from actors.messages.routing import PRIORITIES, Priority
from actors.messages.tasks import (
    TASK_STATES,
    ClaimAsk,
    Ending,
    Lease,
    NewTask,
    TaskChange,
    TaskPage,
    TaskQuery,
    TaskStore,
)
from tests.support.memory_tasks import MemoryTasks
from tests.support.tasks import NOW

T = TypeVar("T")

IDS = tuple(f"t{number}" for number in range(12))
TENANTS = ("ann", "bob", "eve")
ORDERS: tuple[tuple[Priority, ...], ...] = (
    PRIORITIES,
    ("low", "normal", "high"),
    ("high",),
)

_offsets = st.sampled_from((0.0, 0.0, 0.0, 0.25, 5.0, 40.0))
_maybe = st.none() | st.sampled_from(("a", "b"))


@st.composite
def specs(draw: st.DrawFn) -> NewTask:
    """Any task, as if submitted at ``NOW``."""
    late = draw(st.none() | st.sampled_from((1.0, 30.0, 61.5)))
    return NewTask(
        task_id=draw(st.sampled_from(IDS)),
        kind=draw(st.sampled_from(("request", "event", "action"))),
        type=draw(st.sampled_from(("code_review", "docs:new"))),
        payload=draw(st.binary(max_size=4)),
        tenant=draw(st.sampled_from(TENANTS)),
        created_at=NOW,
        run_at=NOW + draw(_offsets),
        weight=draw(st.sampled_from((1.0, 3.0, 0.1))),
        priority=draw(st.sampled_from(PRIORITIES)),
        lane=draw(st.sampled_from(("", "narrow", "@x:y"))),
        deadline_at=None if late is None else NOW + late,
        max_attempts=draw(st.integers(1, 3)),
        keep_s=draw(st.sampled_from((0.0, 20.0, 1000.0))),
        key=draw(st.none() | st.sampled_from(("k", "other key", "ü\n"))),
        digest=draw(st.sampled_from((b"", b"\xff"))),
        parent_id=draw(_maybe),
        batch_id=draw(_maybe),
        user=draw(_maybe),
        title=draw(st.sampled_from(("", "why"))),
    )


queries = st.builds(
    TaskQuery,
    states=st.lists(st.sampled_from(TASK_STATES), max_size=3, unique=True).map(tuple),
    kinds=st.sampled_from(((), ("request",), ("event", "action"))),
    types=st.sampled_from(((), ("docs:new",))),
    priorities=st.sampled_from(((), ("high",), ("low", "normal"))),
    tenant=st.none() | st.sampled_from(TENANTS),
    user=_maybe,
    batch_id=_maybe,
    parent_id=_maybe,
    since=st.sampled_from((None, NOW, NOW + 50.0)),
    limit=st.integers(1, 4),
)


class TaskMachine(RuleBasedStateMachine):
    """For one store: a subclass makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.now = NOW
        self.model = MemoryTasks()
        self.leases: list[Lease] = [Lease("nobody", 1)]
        self.told: list[TaskChange] = []
        self.heard: list[TaskChange] = []
        self.store = self.runner.run(self._opened())
        self.model.listen(self.told.append)

    async def make(self) -> TaskStore:
        """The store, with what was kept before."""
        raise NotImplementedError

    async def unmake(self, *, for_good: bool) -> None:
        """What is to be done once it is closed; ``for_good``: nothing need be kept."""

    async def _opened(self) -> TaskStore:
        store = await self.make()
        store.listen(self.heard.append)
        await store.open()
        return store

    @override
    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.run(self.unmake(for_good=True))
        self.runner.close()

    def both(self, work: Callable[[TaskStore], Awaitable[T]]) -> T | None:
        """Ask both; what they answer, ``None`` where they refuse."""
        wanted, got = (self._outcome(work, store) for store in self._both())
        assert got == wanted
        return wanted[0]

    def _outcome(
        self, work: Callable[[TaskStore], Awaitable[T]], store: TaskStore
    ) -> tuple[T | None, str | None]:
        async def answer() -> tuple[T | None, str | None]:
            try:
                return await work(store), None
            except InvalidRequest as error:
                return None, error.field

        return self.runner.run(answer())

    def _now(self, spec: NewTask) -> NewTask:
        passed = self.now - NOW
        late = spec.deadline_at
        return replace(
            spec,
            created_at=self.now,
            run_at=spec.run_at + passed,
            deadline_at=None if late is None else late + passed,
        )

    # ---- what may happen

    @rule(seconds=st.sampled_from((0.0, 0.125, 1.0, 30.0, 31.0, 500.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(tasks=st.lists(specs(), min_size=1, max_size=4))
    def submit(self, tasks: list[NewTask]) -> None:
        asked = [self._now(spec) for spec in tasks]
        self.both(lambda store: store.submit(asked))

    @rule(
        slots=st.lists(st.sampled_from(ORDERS), max_size=4),
        lanes=st.sampled_from(({}, {"narrow": 1}, {"narrow": 0, "": 2, "@x:y": 1})),
        worker=st.sampled_from(("w1", "w2")),
    )
    def claim(
        self,
        slots: list[tuple[Priority, ...]],
        lanes: dict[str, int],
        worker: str,
    ) -> None:
        ask = ClaimAsk(
            worker=worker, now=self.now, lease_s=30.0, slots=tuple(slots), lanes=lanes
        )
        taken = self.both(lambda store: store.claim(ask)) or ()
        self.leases += [Lease(task.task_id, task.token) for task in taken]

    @rule(data=st.data(), lease_s=st.sampled_from((10.0, 30.5)))
    def renew(self, data: st.DataObject, lease_s: float) -> None:
        leases = data.draw(st.lists(st.sampled_from(self.leases), max_size=3))
        self.both(lambda store: store.renew(leases, self.now, lease_s))

    @rule(data=st.data(), progress=st.none() | st.sampled_from(("half", "")))
    def advance(self, data: st.DataObject, progress: str | None) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        self.both(lambda store: store.advance(lease, self.now, progress))

    @rule(
        data=st.data(),
        state=st.sampled_from(("done", "failed", "dead", "waiting", "queued")),
        run_in=st.none() | _offsets,
        result=st.none() | st.binary(max_size=3),
        follow_ups=st.lists(specs(), max_size=2),
    )
    def finish(
        self,
        data: st.DataObject,
        state: str,
        run_in: float | None,
        result: bytes | None,
        follow_ups: list[NewTask],
    ) -> None:
        ending = Ending(
            lease=data.draw(st.sampled_from(self.leases)),
            now=self.now,
            state=state,  # type: ignore[arg-type]  # one of them
            run_at=None if run_in is None else self.now + run_in,
            result=result,
            follow_ups=tuple(self._now(spec) for spec in follow_ups),
        )
        self.both(lambda store: store.finish(ending))

    @rule(task_id=st.sampled_from(IDS))
    def cancel(self, task_id: str) -> None:
        self.both(lambda store: store.cancel(task_id, self.now))

    @rule(task_id=st.sampled_from(IDS))
    def get(self, task_id: str) -> None:
        self.both(lambda store: store.get(task_id))

    @rule(task_id=st.sampled_from(IDS))
    def retry(self, task_id: str) -> None:
        self.both(lambda store: store.retry(task_id, self.now))

    @rule(limit=st.sampled_from((1, 2, 100)))
    def sweep(self, limit: int) -> None:
        self.both(lambda store: store.sweep(self.now, limit))

    @rule(query=queries)
    def find(self, query: TaskQuery) -> None:
        for _ in IDS:
            page = self._page(query)
            if page.cursor is None:
                break
            query = replace(query, cursor=page.cursor)

    def _page(self, query: TaskQuery) -> TaskPage:
        page = self.both(lambda store: store.find(query))
        assert page is not None
        return page

    @rule()
    def open_again(self) -> None:
        self.runner.run(self.store.close())
        self.runner.run(self.unmake(for_good=False))
        self.store = self.runner.run(self._opened())

    # ---- what must hold

    @invariant()
    def agree(self) -> None:
        assert self.heard == self.told
        self.both(lambda store: store.stats(self.now))
        self._page(TaskQuery(limit=100))
        self._nothing_due_is_forgotten()

    def _nothing_due_is_forgotten(self) -> None:
        """``next_due`` is never later than when there is something to do."""
        times = (self.runner.run(each.next_due(self.now)) for each in self._both())
        wanted, got = times
        if wanted is not None and wanted > self.now:
            assert got is not None
            assert got <= wanted

    def _both(self) -> tuple[TaskStore, TaskStore]:
        return self.model, self.store
