"""What is Redis's own about the store of tasks there: streams, consumers, slots, clocks."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from msgspec.structs import replace

from actors.errors import InvalidRequest, QueueUnavailable
from actors.messages.tasks import Ending, Task, TaskChange, TaskQuery
from daemon.redis_address import parse_redis_url
from daemon.storage.redis.link import RedisLink
from daemon.storage.redis.scripts import Script
from daemon.storage.redis.tasks.store import RedisTasks
from tests.support.redis_sets import cluster
from tests.support.tasks import NOW, ask, ids, lease, new

if TYPE_CHECKING:
    from collections.abc import Iterable

STREAM = "gitbridge:{tasks}:stream:normal"


class Over(Exception):
    """Enough was heard."""


@pytest.fixture
def store(link: RedisLink) -> RedisTasks:
    return RedisTasks(link)


PENDING = Script(
    "pending", "return redis.call('XPENDING', KEYS[1], 'gitbridge', '-', '+', 100)"
)


async def pending(link: RedisLink) -> list[tuple[bytes, bytes]]:
    """Entry and consumer of what is in work."""
    rows = cast("Iterable[tuple[bytes, ...]]", await link.run(PENDING, (STREAM,)))
    return [(entry, consumer) for entry, consumer, *_ in rows]


async def claimed(store: RedisTasks, *, now: float = NOW) -> Task:
    (task,) = await store.claim(ask(now=now))
    return task


async def test_what_is_in_work_is_pending_and_gone_with_its_end(
    store: RedisTasks, link: RedisLink
) -> None:
    await store.submit((new(1), new(2)))
    task = await claimed(store)
    held = await pending(link)
    await store.finish(
        Ending(lease=lease(task), now=NOW, state="done", result=b"\xff\x00")
    )

    assert [consumer for _, consumer in held] == [b"w"]
    assert await pending(link) == []
    assert await link.call("XLEN", STREAM) == 0
    kept = await store.get("t1")
    assert kept is not None
    assert kept.result == b"\xff\x00"


async def test_an_orphan_is_pending_with_who_took_it_over(
    store: RedisTasks, link: RedisLink
) -> None:
    await store.submit((new(1),))
    await claimed(store)
    taken = await store.claim(replace(ask(now=NOW + 30.0), worker="w2"))

    assert ids(taken) == ["t1"]
    assert [consumer for _, consumer in await pending(link)] == [b"w2"]
    assert await link.call("XLEN", STREAM) == 1


@pytest.mark.parametrize("part", ["all", "seq", "stream:normal", "t:t1", "removals"])
async def test_a_key_of_another_type_is_as_a_store_that_is_away(
    store: RedisTasks, link: RedisLink, part: str
) -> None:
    """A bug would end the daemon, now and at every start."""
    await store.submit((new(1),))
    key = link.key(part, tag="tasks")
    await link.call("DEL", key)
    await link.call("SET", key, "x")
    with pytest.raises(QueueUnavailable, match="cannot be used"):
        await everything(store)
    assert not link.away

    await link.call("DEL", key)
    await store.submit((new(2),))


async def everything(store: RedisTasks) -> None:
    await store.claim(ask())
    await store.submit((new(3),))
    await store.sweep(NOW, 10)


async def test_a_task_that_is_none_is_as_a_store_that_is_away(
    store: RedisTasks, link: RedisLink
) -> None:
    await store.submit((new(1),))
    await link.call("HSET", link.key("t:t1", tag="tasks"), "status", b"\xff")
    with pytest.raises(QueueUnavailable, match="is none"):
        await store.get("t1")


async def test_a_group_that_was_dropped_is_made_again(
    store: RedisTasks, link: RedisLink
) -> None:
    """From the beginning: entries that nobody was given are not lost with it."""
    await store.submit((new(1), new(2)))
    first = await claimed(store)
    await link.call("XGROUP", "DESTROY", STREAM, "gitbridge")
    assert await store.renew((lease(first),), NOW + 1, 30.0) == ("held",)
    second = await claimed(store)
    for task in (first, second):
        assert await store.finish(Ending(lease=lease(task), now=NOW, state="done"))

    assert second.task_id == "t2"
    assert await pending(link) == []
    assert await link.call("XLEN", STREAM) == 0


async def test_entries_that_nobody_works_on_are_cleared_up(
    store: RedisTasks, link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.storage.redis.tasks.store.MEND_IDLE_MS", 0)
    await store.submit((new(1),))
    await claimed(store)
    stray = await link.call("XADD", STREAM, "*", "task", "nobody")
    await link.call(
        *("XREADGROUP", "GROUP", "gitbridge", "gone", "STREAMS", STREAM, ">")
    )
    assert stray in [entry for entry, _ in await pending(link)]
    await store.sweep(NOW, 10)

    assert stray not in [entry for entry, _ in await pending(link)]
    assert await link.call("XLEN", STREAM) == 1


async def test_one_in_work_whose_lease_is_not_known_is_resumed(
    store: RedisTasks, link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody put back an older copy of some keys."""
    monkeypatch.setattr("daemon.storage.redis.tasks.store.MEND_IDLE_MS", 0)
    await store.submit((new(1),))
    await claimed(store)
    await link.call("DEL", "gitbridge:{tasks}:leases")
    assert await store.claim(ask(now=NOW + 31.0)) == ()
    await store.sweep(NOW + 31.0, 10)

    assert ids(await store.claim(ask(now=NOW + 31.0))) == ["t1"]


async def test_a_number_that_is_none_keeps_nothing(
    store: RedisTasks, link: RedisLink
) -> None:
    with pytest.raises(InvalidRequest, match="weight"):
        await store.submit((new(1), replace(new(2), weight=float("nan"))))

    assert await link.call("KEYS", "gitbridge:{tasks}:*") == []


async def test_nothing_is_left_of_what_was_removed(
    store: RedisTasks, link: RedisLink
) -> None:
    spec = replace(new(1), keep_s=5.0, key="k", user="ann", batch_id="b", parent_id="p")
    await store.submit((spec,))
    task = await claimed(store)
    await store.finish(Ending(lease=lease(task), now=NOW, state="done", result=b"x"))
    await store.sweep(NOW + 5.0, 10)

    keys = cast("list[bytes]", await link.call("KEYS", "gitbridge:{tasks}:*"))
    left = {key.removeprefix(b"gitbridge:{tasks}:") for key in keys}
    assert left == {b"seq", b"virtual", b"stream:normal", b"changes"}


async def test_a_server_that_may_lose_tasks_is_told_of(
    store: RedisTasks, link: RedisLink
) -> None:
    await store.sweep(NOW, 10)
    before = store.doubt
    await link.call("CONFIG", "SET", "appendonly", "no")
    await store.sweep(NOW, 10)

    assert before is None
    assert store.doubt is not None
    assert "append-only" in store.doubt


async def test_one_daemon_hears_of_what_another_changes_and_once_of_its_own(
    store: RedisTasks, link: RedisLink
) -> None:
    """Those of before it first asked are none of its business."""
    other = RedisTasks(link)
    heard, own = list[TaskChange](), list[TaskChange]()
    rounds = 0
    await other.submit((new(1),))

    async def sleep(_: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            await store.submit((new(2),))
            task, _late = await other.claim(ask(2))
            await other.advance(lease(task), NOW, "half")
            await other.cancel("t1", NOW)
        elif rounds == 3:
            raise Over

    store.listen(heard.append)
    store.listen(own.append, own=True)
    with pytest.raises(Over):
        await store.follow(sleep)

    assert [change.task_id for change in own] == ["t2"]
    assert [
        (change.task_id, change.state, change.progress, change.cancel_wanted)
        for change in heard
    ] == [
        ("t2", "queued", None, False),
        ("t1", "running", "half", False),
        ("t1", "running", "half", True),
    ]


async def test_all_of_it_is_in_one_slot_of_a_cluster(tmp_path: Path) -> None:
    with cluster(tmp_path) as (_, url):
        async with RedisLink(parse_redis_url(url)) as link:
            store = RedisTasks(link)
            await store.submit([replace(new(n), user="ann") for n in range(3)])
            first, second = await store.claim(ask(2))
            await store.renew((lease(first),), NOW + 1.0, 30.0)
            await store.finish(Ending(lease=lease(first), now=NOW, state="done"))
            resumed = (await store.sweep(NOW + 60.0, 10)).resumed
            found = await store.find(TaskQuery(user="ann"))
            stats = await store.stats(NOW + 60.0)

    assert ids(resumed) == [second.task_id]
    assert {task.state for task in found.tasks} == {"done", "queued"}
    assert stats.depths[0].queued == 2
