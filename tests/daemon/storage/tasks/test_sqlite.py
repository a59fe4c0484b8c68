"""The store of tasks in SQLite does what ``TaskStore`` says."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, SupportsIndex

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from msgspec.structs import replace
from typing_extensions import override

from actors.errors import InvalidRequest, QueueUnavailable
from actors.messages.routing import Priority
from actors.messages.tasks import (
    ClaimAsk,
    Ending,
    LaneDepth,
    Lease,
    NewTask,
    Task,
    TaskChange,
    TaskQuery,
)
from daemon.storage.migrations import scripts
from daemon.storage.tasks import sqlite
from daemon.storage.tasks.sqlite import SqliteTasks

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


def ask(places: int = 1, *, now: float = NOW, **room: int) -> ClaimAsk:
    return ClaimAsk(worker="w", now=now, lease_s=30.0, slots=(ANY,) * places, room=room)


def lease(task: Task) -> Lease:
    return Lease(task.task_id, task.token)


def ids(tasks: tuple[Task, ...]) -> list[str]:
    return [task.task_id for task in tasks]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteTasks]:
    made = SqliteTasks(tmp_path)
    yield made
    await made.close()


async def _claimed(store: SqliteTasks, *, now: float = NOW) -> Task:
    (task,) = await store.claim(ask(now=now))
    return task


# Keeping ------------------------------------------------------------------------------


async def test_what_was_submitted_is_there_after_opening_again(
    store: SqliteTasks, tmp_path: Path
) -> None:
    spec = replace(new(1), deadline_at=NOW + 9, title="why", batch_id="b")
    await store.submit((spec,))
    await store.close()
    again = SqliteTasks(tmp_path)
    found = await again.get("t1")
    await again.close()

    assert found is not None
    assert (found.spec, found.state, found.attempts) == (spec, "queued", 0)


async def test_the_same_key_is_the_same_task(store: SqliteTasks) -> None:
    await store.submit((replace(new(1), key="k", digest=b"a"),))
    (second,) = await store.submit((replace(new(2), key="k", digest=b"a"),))

    assert (second.existing, second.task.task_id) == (True, "t1")
    assert await store.get("t2") is None


async def test_keys_of_two_tenants_do_not_meet(store: SqliteTasks) -> None:
    await store.submit((replace(new(1), key="k"),))
    (other,) = await store.submit((replace(new(2, tenant="bob"), key="k"),))

    assert not other.existing


async def test_a_key_used_for_something_else_keeps_nothing_of_its_batch(
    store: SqliteTasks,
) -> None:
    await store.submit((replace(new(1), key="k", digest=b"a"),))
    with pytest.raises(InvalidRequest) as refused:
        await store.submit((new(2), replace(new(3), key="k", digest=b"b")))

    assert (refused.value.field, refused.value.got) == ("key", "k")
    assert await store.get("t2") is None


async def test_a_task_that_cannot_be_stored_takes_no_other_with_it(
    store: SqliteTasks,
) -> None:
    """They wait for the same commit."""
    await store.open()
    bad = replace(new(1), created_at=float("nan"))
    refused, kept = await asyncio.gather(
        store.submit((bad,)), store.submit((new(2),)), return_exceptions=True
    )

    assert isinstance(refused, InvalidRequest)
    assert not isinstance(kept, BaseException)
    assert ids((await store.find(TaskQuery())).tasks) == ["t2"]


class Meeting(tuple[str, ...]):
    """Migrations at which both threads meet, if they can, knowing the layout's version."""

    __slots__ = ()
    both = threading.Barrier(2)

    @override
    def __getitem__(self, wanted: SupportsIndex | slice) -> Any:
        with suppress(threading.BrokenBarrierError):
            self.both.wait(0.2)
        return super().__getitem__(wanted)


async def test_the_first_read_and_the_first_write_make_one_database(
    store: SqliteTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Meeting(scripts("daemon.storage.tasks.migrations"))
    monkeypatch.setattr(sqlite, "scripts", lambda _: made)
    (kept,), found = await asyncio.gather(store.submit((new(1),)), store.get("nobody"))

    assert (kept.task.task_id, found) == ("t1", None)


async def test_a_file_that_is_no_database_is_said_to_be_unavailable(
    tmp_path: Path,
) -> None:
    (tmp_path / "tasks.db").write_bytes(b"not a database" * 400)
    store = SqliteTasks(tmp_path)
    with pytest.raises(QueueUnavailable, match=r"tasks\.db"):
        await store.submit((new(1),))
    await store.close()


# Claiming -----------------------------------------------------------------------------


async def test_each_place_gets_the_first_priority_that_has_any(
    store: SqliteTasks,
) -> None:
    await store.submit(
        (
            replace(new(1), priority="low"),
            new(2),
            replace(new(3), priority="high"),
        )
    )
    slots: tuple[tuple[Priority, ...], ...] = (("low", "high"), ANY, ANY, ANY)
    taken = await store.claim(ClaimAsk(worker="w", now=NOW, lease_s=9.0, slots=slots))

    assert ids(taken) == ["t1", "t3", "t2"]
    assert {(t.state, t.attempts, t.worker, t.lease_until) for t in taken} == {
        ("leased", 1, "w", NOW + 9.0)
    }


async def test_a_noisy_tenant_does_not_hold_up_another(store: SqliteTasks) -> None:
    await store.submit(tuple(new(number) for number in range(20)))
    await store.submit((new(100, tenant="bob"), new(101, tenant="bob")))
    taken = await store.claim(ask(4))

    assert sorted(task.spec.tenant for task in taken) == ["ann", "ann", "bob", "bob"]


async def test_a_heavier_tenant_gets_more_by_its_weight(store: SqliteTasks) -> None:
    await store.submit(tuple(replace(new(n), weight=3.0) for n in range(30)))
    await store.submit(tuple(new(100 + n, tenant="bob") for n in range(30)))
    taken = await store.claim(ask(20))

    assert sum(task.spec.tenant == "ann" for task in taken) == 15


async def test_a_full_lane_is_passed_by(store: SqliteTasks) -> None:
    await store.submit(tuple(replace(new(n), lane="narrow") for n in range(5)))
    await store.submit((replace(new(9), lane="wide"),))

    assert ids(await store.claim(ask(5, narrow=1))) == ["t0", "t9"]
    assert await store.claim(ask(5, narrow=0)) == ()


async def test_nothing_is_taken_before_its_time(store: SqliteTasks) -> None:
    await store.submit((new(1, run_at=NOW + 60),))

    assert await store.claim(ask()) == ()
    assert await store.next_due(NOW) == NOW + 60
    assert ids(await store.claim(ask(now=NOW + 60))) == ["t1"]


async def test_one_whose_deadline_passed_is_failed_not_taken(
    store: SqliteTasks,
) -> None:
    await store.submit((replace(new(1), deadline_at=NOW + 1), new(2)))

    assert ids(await store.claim(ask(2, now=NOW + 1))) == ["t2"]
    ended = await store.get("t1")
    assert ended is not None
    assert ended.error is not None
    assert (ended.state, ended.error.kind) == ("failed", "deadline_exceeded")


# Leases -------------------------------------------------------------------------------


async def test_an_older_token_changes_nothing(store: SqliteTasks) -> None:
    await store.submit((new(1),))
    lost = lease(await _claimed(store))
    held = lease(await _claimed(store, now=NOW + 31))
    done = Ending(lease=lost, now=NOW + 32, state="done", result=b"late")

    assert held.token > lost.token
    assert await store.renew((lost, held), NOW + 32, 30) == ("lost", "held")
    assert not await store.advance(lost, NOW + 32, "half")
    assert not await store.finish(done)
    assert await store.finish(replace(done, lease=held, result=b"right"))
    assert not await store.finish(replace(done, lease=held, result=b"twice"))
    kept = await store.get("t1")
    assert kept is not None
    assert (kept.state, kept.result) == ("done", b"right")


async def test_a_renewed_lease_is_not_taken_over(store: SqliteTasks) -> None:
    await store.submit((new(1),))
    held = lease(await _claimed(store))
    await store.renew((held,), NOW + 29, 30.0)

    assert await store.claim(ask(now=NOW + 58)) == ()
    assert ids(await store.claim(ask(now=NOW + 59))) == ["t1"]


async def test_who_never_comes_back_is_dead_after_its_attempts(
    store: SqliteTasks,
) -> None:
    await store.submit((replace(new(1), max_attempts=2),))
    await _claimed(store)
    swept = await store.sweep(NOW + 31, 10)
    await _claimed(store, now=NOW + 31)
    ended = await store.sweep(NOW + 62, 10)

    assert (ids(swept.resumed), ids(swept.dead)) == (["t1"], [])
    assert (ids(ended.resumed), ids(ended.dead)) == ([], ["t1"])
    assert await store.claim(ask(now=NOW + 100)) == ()


async def test_one_given_back_unworked_keeps_its_attempt(store: SqliteTasks) -> None:
    await store.submit((new(1),))
    taken = await _claimed(store)
    await store.finish(Ending(lease=lease(taken), now=NOW, state="queued"))

    assert (await _claimed(store)).attempts == 1


async def test_a_retry_waits_for_its_time(store: SqliteTasks) -> None:
    await store.submit((new(1),))
    taken = await _claimed(store)
    later = Ending(lease=lease(taken), now=NOW, state="waiting", run_at=NOW + 7)
    await store.finish(later)

    assert await store.claim(ask(now=NOW + 6)) == ()
    assert (await _claimed(store, now=NOW + 7)).attempts == 2


async def test_what_follows_is_kept_with_the_end_or_not_at_all(
    store: SqliteTasks,
) -> None:
    await store.submit((new(1),))
    held = lease(await _claimed(store))
    after = replace(new(2), kind="action", parent_id="t1")
    done = Ending(lease=held, now=NOW, state="done", follow_ups=(after,))
    stale = replace(done, lease=replace(held, token=99), follow_ups=(new(3),))

    assert not await store.finish(stale)
    assert await store.get("t3") is None
    assert await store.finish(done)
    assert ids((await store.find(TaskQuery(parent_id="t1"))).tasks) == ["t2"]


# Cancelling, trying again, forgetting -------------------------------------------------


async def test_cancel_ends_what_waits_and_asks_who_works(store: SqliteTasks) -> None:
    await store.submit((new(1), new(2)))
    held = lease(await _claimed(store))
    waiting = await store.cancel("t2", NOW)
    working = await store.cancel("t1", NOW)

    assert waiting is not None
    assert working is not None
    assert (waiting.state, working.state) == ("cancelled", "leased")
    assert await store.renew((held,), NOW + 1, 30.0) == ("cancel",)
    await store.finish(Ending(lease=held, now=NOW, state="waiting", run_at=NOW))
    ended = await store.get("t1")
    assert ended is not None
    assert ended.state == "cancelled"
    assert await store.cancel("nobody", NOW) is None


async def test_retry_gives_a_dead_one_all_its_attempts_again(
    store: SqliteTasks,
) -> None:
    await store.submit((replace(new(1), max_attempts=1),))
    await _claimed(store)
    await store.sweep(NOW + 31, 10)
    again = await store.retry("t1", NOW + 40)

    assert again is not None
    assert (again.state, again.attempts) == ("queued", 0)
    assert ids(await store.claim(ask(now=NOW + 40))) == ["t1"]


async def test_what_came_of_it_is_kept_as_long_as_was_said(store: SqliteTasks) -> None:
    await store.submit((replace(new(1), keep_s=100.0),))
    held = lease(await _claimed(store))
    await store.finish(Ending(lease=held, now=NOW, state="done", result=b"r"))

    assert (await store.sweep(NOW + 99, 10)).removed == 0
    assert (await store.sweep(NOW + 100, 10)).removed == 1
    assert await store.get("t1") is None


# Reading ------------------------------------------------------------------------------


async def test_pages_hold_still_while_new_ones_come(store: SqliteTasks) -> None:
    await store.submit(tuple(new(number) for number in range(5)))
    first = await store.find(TaskQuery(limit=2))
    await store.submit((new(9),))
    second = await store.find(TaskQuery(limit=2, cursor=first.cursor))
    last = await store.find(TaskQuery(limit=2, cursor=second.cursor))

    pages = [ids(page.tasks) for page in (first, second, last)]
    assert pages == [["t4", "t3"], ["t2", "t1"], ["t0"]]
    assert last.cursor is None


async def test_a_cursor_that_is_none_is_refused(store: SqliteTasks) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await store.find(TaskQuery(cursor="t4"))

    assert (refused.value.field, refused.value.got) == ("cursor", "t4")


async def test_filters_narrow_the_list(store: SqliteTasks) -> None:
    await store.submit(
        (
            replace(new(1), priority="high", user="ann"),
            replace(new(2), type="documentation"),
            new(3, tenant="bob"),
        )
    )
    await _claimed(store)

    async def found(query: TaskQuery) -> list[str]:
        return ids((await store.find(query)).tasks)

    assert await found(TaskQuery(states=("leased",))) == ["t1"]
    assert await found(TaskQuery(states=("leased", "queued"))) == ["t3", "t2", "t1"]
    assert await found(TaskQuery(types=("documentation",))) == ["t2"]
    assert await found(TaskQuery(priorities=("normal",))) == ["t3", "t2"]
    assert await found(TaskQuery(tenant="bob")) == ["t3"]
    assert await found(TaskQuery(user="ann")) == ["t1"]
    assert await found(TaskQuery(since=NOW + 1)) == []


async def test_depths_and_age_are_told_by_priority_and_type(
    store: SqliteTasks,
) -> None:
    await store.submit((new(1), new(2), new(3, run_at=NOW + 50)))
    await _claimed(store)
    before, after = await store.stats(NOW + 10), await store.stats(NOW + 50)
    depth = LaneDepth(priority="normal", type="code_review", kind="request")

    assert before.depths == (
        replace(depth, queued=1, scheduled=1, in_work=1, oldest_s=10.0),
    )
    assert after.depths == (replace(depth, queued=2, in_work=1, oldest_s=50.0),)


async def test_listeners_hear_of_every_state(store: SqliteTasks) -> None:
    heard: list[TaskChange] = []
    store.listen(heard.append)
    await store.submit((new(1),))
    held = lease(await _claimed(store))
    await store.advance(held, NOW, "half")
    await store.finish(Ending(lease=held, now=NOW, state="done"))

    states = [(change.state, change.progress) for change in heard]
    assert states == [
        ("queued", None),
        ("leased", None),
        ("running", "half"),
        ("done", "half"),
    ]


# In any order -------------------------------------------------------------------------


class Story:
    """What a worker and its callers do, and what they were told."""

    def __init__(self, store: SqliteTasks) -> None:
        self._store = store
        self.now = NOW
        self.submitted = 0
        self.held: list[Lease] = []
        self.done: set[str] = set()

    async def submit(self) -> None:
        spec = replace(new(self.submitted), created_at=self.now, run_at=self.now)
        await self._store.submit((spec,))
        self.submitted += 1

    async def claim(self) -> None:
        taken = await self._store.claim(ask(2, now=self.now))
        self.held += [lease(task) for task in taken]

    async def finish(self) -> None:
        if self.held:
            first = self.held.pop(0)
            if await self._store.finish(
                Ending(lease=first, now=self.now, state="done")
            ):
                assert first.task_id not in self.done
                self.done.add(first.task_id)

    async def put_off(self) -> None:
        if self.held:
            first, later = self.held.pop(0), self.now + 2.0
            await self._store.finish(
                Ending(lease=first, now=self.now, state="waiting", run_at=later)
            )

    async def cancel(self) -> None:
        await self._store.cancel("t0", self.now)

    async def sweep(self) -> None:
        await self._store.sweep(self.now, 100)

    async def idle(self) -> None:
        self.now += 31.0


_STEPS = st.lists(
    st.sampled_from(
        (
            *(Story.submit, Story.claim, Story.finish, Story.put_off),
            *(Story.cancel, Story.sweep, Story.idle),
        )
    ),
    max_size=40,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=_STEPS)
async def test_in_any_order_nothing_is_lost_or_ended_twice(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[Callable[[Story], Awaitable[None]]],
) -> None:
    """Every task is in one state, the counts agree with the list, an end is an end."""
    store = SqliteTasks(tmp_path_factory.mktemp("tasks"))
    story = Story(store)
    for step in steps:
        story.now += 1.0
        await step(story)
    page = await store.find(TaskQuery(limit=100))
    stats = await store.stats(story.now)
    await store.close()
    states = Counter(task.state for task in page.tasks)
    none = LaneDepth(priority="normal", type="code_review", kind="request")
    depth = stats.depths[0] if stats.depths else none

    assert states.total() == story.submitted
    assert story.done == {t.task_id for t in page.tasks if t.state == "done"}
    assert depth.in_work == states["leased"]
    assert depth.queued + depth.scheduled == states["queued"]
    assert (depth.waiting, depth.dead) == (states["waiting"], states["dead"])
