"""Every store of tasks does what ``TaskStore`` says: one behaviour, whatever is behind it."""

import anyio
import pytest
from msgspec.structs import replace

from actors.errors import InvalidRequest
from actors.messages.routing import Priority
from actors.messages.tasks import (
    ClaimAsk,
    Ending,
    LaneDepth,
    Task,
    TaskChange,
    TaskQuery,
    TaskStore,
)
from tests.support.tasks import ANY, NOW, ask, ids, lease, new


async def _claimed(store: TaskStore, *, now: float = NOW) -> Task:
    (task,) = await store.claim(ask(now=now))
    return task


# Keeping ------------------------------------------------------------------------------


async def test_the_same_key_is_the_same_task(store: TaskStore) -> None:
    await store.submit((replace(new(1), key="k", digest=b"a"),))
    (second,) = await store.submit((replace(new(2), key="k", digest=b"a"),))

    assert (second.existing, second.task.task_id) == (True, "t1")
    assert await store.get("t2") is None


async def test_keys_of_two_tenants_do_not_meet(store: TaskStore) -> None:
    await store.submit((replace(new(1), key="k"),))
    (other,) = await store.submit((replace(new(2, tenant="bob"), key="k"),))

    assert not other.existing


async def test_a_key_used_for_something_else_keeps_nothing_of_its_batch(
    store: TaskStore,
) -> None:
    await store.submit((replace(new(1), key="k", digest=b"a"),))
    with pytest.raises(InvalidRequest) as refused:
        await store.submit((new(2), replace(new(3), key="k", digest=b"b")))

    assert (refused.value.field, refused.value.got) == ("idempotency_key", "k")
    assert await store.get("t2") is None


# Claiming -----------------------------------------------------------------------------


async def test_each_place_gets_the_first_priority_that_has_any(
    store: TaskStore,
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


async def test_a_noisy_tenant_does_not_hold_up_another(store: TaskStore) -> None:
    await store.submit(tuple(new(number) for number in range(20)))
    await store.submit((new(100, tenant="bob"), new(101, tenant="bob")))
    taken = await store.claim(ask(4))

    assert sorted(task.spec.tenant for task in taken) == ["ann", "ann", "bob", "bob"]


async def test_a_heavier_tenant_gets_more_by_its_weight(store: TaskStore) -> None:
    await store.submit(tuple(replace(new(n), weight=3.0) for n in range(30)))
    await store.submit(tuple(new(100 + n, tenant="bob") for n in range(30)))
    taken = await store.claim(ask(20))

    assert sum(task.spec.tenant == "ann" for task in taken) == 15


async def test_a_full_lane_is_passed_by(store: TaskStore) -> None:
    """Whoever fills it: another worker asks the second time."""
    await store.submit(tuple(replace(new(n), lane="narrow") for n in range(5)))
    await store.submit((replace(new(9), lane="wide"),))
    taken = await store.claim(ask(5, narrow=1))

    assert ids(taken) == ["t0", "t9"]
    assert await store.claim(replace(ask(5, narrow=1), worker="w2")) == ()
    await store.finish(Ending(lease=lease(taken[0]), now=NOW, state="done"))
    assert ids(await store.claim(ask(5, narrow=1))) == ["t1"]


ORDER: tuple[Priority, ...] = ("low", "high", "low", "high")


async def test_two_priorities_of_one_lane_fill_it_together(store: TaskStore) -> None:
    await store.submit(
        tuple(
            replace(new(n), lane="narrow", priority=priority)
            for n, priority in enumerate(ORDER)
        )
    )

    assert ids(await store.claim(ask(4, narrow=3))) == ["t1", "t3", "t0"]


async def test_nothing_is_taken_before_its_time(store: TaskStore) -> None:
    await store.submit((new(1, run_at=NOW + 60),))

    assert await store.claim(ask()) == ()
    assert await store.next_due(NOW) == NOW + 60
    assert ids(await store.claim(ask(now=NOW + 60))) == ["t1"]


async def test_one_whose_deadline_passed_is_failed_not_taken(
    store: TaskStore,
) -> None:
    await store.submit((replace(new(1), deadline_at=NOW + 1), new(2)))

    assert ids(await store.claim(ask(2, now=NOW + 1))) == ["t2"]
    ended = await store.get("t1")
    assert ended is not None
    assert ended.error is not None
    assert (ended.state, ended.error.kind) == ("failed", "deadline_exceeded")


# Leases -------------------------------------------------------------------------------


async def test_an_older_token_changes_nothing(store: TaskStore) -> None:
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


async def test_a_renewed_lease_is_not_taken_over(store: TaskStore) -> None:
    await store.submit((new(1),))
    held = lease(await _claimed(store))
    await store.renew((held,), NOW + 29, 30.0)

    assert await store.claim(ask(now=NOW + 58)) == ()
    assert ids(await store.claim(ask(now=NOW + 59))) == ["t1"]


async def test_who_never_comes_back_is_dead_after_its_attempts(
    store: TaskStore,
) -> None:
    await store.submit((replace(new(1), max_attempts=2),))
    await _claimed(store)
    swept = await store.sweep(NOW + 31, 10)
    await _claimed(store, now=NOW + 31)
    ended = await store.sweep(NOW + 62, 10)

    assert (ids(swept.resumed), ids(swept.dead)) == (["t1"], [])
    assert (ids(ended.resumed), ids(ended.dead)) == ([], ["t1"])
    assert await store.claim(ask(now=NOW + 100)) == ()


async def test_one_given_back_unworked_keeps_its_attempt(store: TaskStore) -> None:
    await store.submit((new(1),))
    taken = await _claimed(store)
    await store.finish(Ending(lease=lease(taken), now=NOW, state="queued"))

    assert (await _claimed(store)).attempts == 1


async def test_a_retry_waits_for_its_time(store: TaskStore) -> None:
    await store.submit((new(1),))
    taken = await _claimed(store)
    later = Ending(lease=lease(taken), now=NOW, state="waiting", run_at=NOW + 7)
    await store.finish(later)

    assert await store.claim(ask(now=NOW + 6)) == ()
    assert (await _claimed(store, now=NOW + 7)).attempts == 2


async def test_what_follows_is_kept_with_the_end_or_not_at_all(
    store: TaskStore,
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


async def test_cancel_ends_what_waits_and_asks_who_works(store: TaskStore) -> None:
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
    store: TaskStore,
) -> None:
    await store.submit((replace(new(1), max_attempts=1),))
    await _claimed(store)
    await store.sweep(NOW + 31, 10)
    again = await store.retry("t1", NOW + 40)

    assert again is not None
    assert (again.state, again.attempts) == ("queued", 0)
    assert ids(await store.claim(ask(now=NOW + 40))) == ["t1"]


async def test_what_came_of_it_is_kept_as_long_as_was_said(store: TaskStore) -> None:
    await store.submit((replace(new(1), keep_s=100.0),))
    held = lease(await _claimed(store))
    await store.finish(Ending(lease=held, now=NOW, state="done", result=b"r"))

    assert (await store.sweep(NOW + 99, 10)).removed == 0
    assert (await store.sweep(NOW + 100, 10)).removed == 1
    assert await store.get("t1") is None


# Reading ------------------------------------------------------------------------------


async def test_pages_hold_still_while_new_ones_come(store: TaskStore) -> None:
    await store.submit(tuple(new(number) for number in range(5)))
    first = await store.find(TaskQuery(limit=2))
    await store.submit((new(9),))
    second = await store.find(TaskQuery(limit=2, cursor=first.cursor))
    last = await store.find(TaskQuery(limit=2, cursor=second.cursor))

    pages = [ids(page.tasks) for page in (first, second, last)]
    assert pages == [["t4", "t3"], ["t2", "t1"], ["t0"]]
    assert last.cursor is None


async def test_a_cursor_that_is_none_is_refused(store: TaskStore) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await store.find(TaskQuery(cursor="t4"))

    assert (refused.value.field, refused.value.got) == ("cursor", "t4")


async def test_filters_narrow_the_list(store: TaskStore) -> None:
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
    store: TaskStore,
) -> None:
    await store.submit((new(1), new(2), new(3, run_at=NOW + 50)))
    await _claimed(store)
    before, after = await store.stats(NOW + 10), await store.stats(NOW + 50)
    depth = LaneDepth(priority="normal", type="code_review", kind="request")

    assert before.depths == (
        replace(depth, queued=1, scheduled=1, in_work=1, oldest_s=10.0),
    )
    assert after.depths == (replace(depth, queued=2, in_work=1, oldest_s=50.0),)


async def test_listeners_hear_of_every_state(store: TaskStore) -> None:
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


# At once -------------------------------------------------------------------------------


async def test_workers_at_once_never_have_one_task_twice(store: TaskStore) -> None:
    """Nor end one twice, whoever changes it meanwhile."""
    await store.submit(
        [replace(new(n), lane="narrow" if n % 3 else "") for n in range(60)]
    )
    ends: list[str] = []

    async def work(name: str) -> None:
        for _ in range(40):
            for task in await store.claim(replace(ask(2, narrow=5), worker=name)):
                held = lease(task)
                await store.advance(held, NOW, name)
                assert await store.renew((held,), NOW + 1.0, 30.0) != ("lost",)
                done = Ending(lease=held, now=NOW, state="done", result=name.encode())
                ends.extend([task.task_id] * await store.finish(done))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(work, f"w{number}")
        group.start_soon(store.sweep, NOW, 100)

    assert sorted(ends) == sorted(f"t{n}" for n in range(60))
    (depth,) = (await store.stats(NOW)).depths or (None,)
    assert depth is None or (depth.queued, depth.in_work) == (0, 0)


async def test_one_cancelled_while_it_is_ended_is_one_or_the_other(
    store: TaskStore,
) -> None:
    await store.submit([new(n) for n in range(10)])
    taken = await store.claim(ask(10))

    async def finish(task: Task) -> None:
        again = Ending(lease=lease(task), now=NOW, state="waiting", run_at=NOW + 9.0)
        assert await store.finish(again)

    async with anyio.create_task_group() as group:
        for task in taken:
            group.start_soon(finish, task)
            group.start_soon(store.cancel, task.task_id, NOW)

    states = {task.state for task in (await store.find(TaskQuery())).tasks}
    assert states == {"cancelled"}
