"""How fast durable tasks are kept and taken, and how that grows with how many wait.

    .venv/bin/python -m benchmarks.task_store [--store sqlite|redis] [--json]
        [--waiting 1000,10000,100000]

Every figure is of the store alone, each call on the disk when it returns (in Redis:
``appendfsync always``, a server of its own on a unix socket), one after the other: the
worst case, since calls that wait together share one commit. ``worked_per_s`` is of
``WORKERS`` that claim and finish at once. ``growth`` is the time of a claim among the
most waiting tasks over that among the fewest, within one run.
"""

import argparse
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import median

import anyio
import msgspec

from actors.messages.tasks import ClaimAsk, Ending, Lease, NewTask, TaskStore
from daemon.redis_address import parse_redis_url
from daemon.storage.tasks.sqlite import SqliteTasks

START = 1_800_000_000.0
GROUP = 1000
CLAIMS = 200
WORKERS = 32
WORKED = 3200


class Sizes(msgspec.Struct, frozen=True):
    """Microseconds: the median of ``CLAIMS`` claims of one task, and of their ends."""

    waiting: int
    claim_us: float
    finish_us: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What came out.

    ``submitted_per_s`` in groups of a thousand; ``worked_per_s`` claimed eight at a time,
    as by daemons of eight places.
    """

    store: str
    submitted_per_s: float
    worked_per_s: float
    sizes: tuple[Sizes, ...]
    growth: float


def new(number: int) -> NewTask:
    return NewTask(
        task_id=f"task-{number:08d}",
        kind="request",
        type=("code_review", "documentation", "analysis")[number % 3],
        lane=("code_review", "documentation", "analysis")[number % 3],
        payload=b"x" * 500,
        tenant=f"tenant-{number % 20}",
        created_at=START,
        run_at=START,
    )


@asynccontextmanager
async def in_sqlite(folder: Path) -> AsyncIterator[TaskStore]:
    store = SqliteTasks(folder)
    yield store
    await store.close()


@asynccontextmanager
async def in_redis(folder: Path) -> AsyncIterator[TaskStore]:
    from daemon.storage.redis.link import RedisLink  # noqa: PLC0415 - where wanted
    from daemon.storage.redis.tasks.store import RedisTasks  # noqa: PLC0415
    from tests.support.redis_server import redis_server  # noqa: PLC0415

    with redis_server(folder / "redis") as server:
        address = parse_redis_url(server.url)
        async with RedisLink(address, timeout_s=30.0, connections=WORKERS) as link:
            yield RedisTasks(link)


STORES: dict[str, Callable[[Path], AbstractAsyncContextManager[TaskStore]]] = {
    "sqlite": in_sqlite,
    "redis": in_redis,
}


async def keep(store: TaskStore, first: int, last: int) -> None:
    for begin in range(first, last, GROUP):
        end = min(begin + GROUP, last)
        await store.submit([new(number) for number in range(begin, end)])


async def take(store: TaskStore, waiting: int) -> Sizes:
    """Claim and finish some, one at a time."""
    claims, ends = [], []
    ask = ClaimAsk(
        worker="w", now=START, lease_s=60.0, slots=(("high", "normal", "low"),)
    )
    for _ in range(CLAIMS):
        begun = time.perf_counter()
        (task,) = await store.claim(ask)
        claimed = time.perf_counter()
        lease = Lease(task.task_id, task.token)
        await store.finish(Ending(lease=lease, now=START, state="done", result=b"x"))
        claims.append(claimed - begun)
        ends.append(time.perf_counter() - claimed)
    return Sizes(waiting, median(claims) * 1e6, median(ends) * 1e6)


async def work(store: TaskStore) -> float:
    """How many a second several workers claim and finish, eight at a time."""
    left = WORKED

    async def worker(name: str) -> None:
        nonlocal left
        slots = (("high", "normal", "low"),) * 8
        while left > 0:
            left -= len(slots)
            ask = ClaimAsk(worker=name, now=START, lease_s=60.0, slots=slots)
            tasks = await store.claim(ask)
            async with anyio.create_task_group() as ends:
                for task in tasks:
                    lease = Lease(task.task_id, task.token)
                    ending = Ending(lease=lease, now=START, state="done", result=b"x")
                    ends.start_soon(store.finish, ending)

    begun = time.perf_counter()
    async with anyio.create_task_group() as group:
        for number in range(WORKERS):
            group.start_soon(worker, f"w{number}")
    return WORKED / (time.perf_counter() - begun)


async def measure(name: str, folder: Path, waiting: tuple[int, ...]) -> Figures:
    async with STORES[name](folder) as store:
        await store.open()
        return await _measure(name, store, waiting)


async def _measure(name: str, store: TaskStore, waiting: tuple[int, ...]) -> Figures:
    kept, spent, sizes = 0, 0.0, []
    for size in waiting:
        wanted = size + CLAIMS * len(sizes)  # those that were taken are gone
        begun = time.perf_counter()
        await keep(store, kept, wanted)
        spent += time.perf_counter() - begun
        kept = wanted
        os.sync()  # else claims wait behind what was written to get here
        sizes.append(await take(store, size))
    await keep(store, kept, kept + WORKED)
    return Figures(
        store=name,
        submitted_per_s=kept / spent,
        worked_per_s=await work(store),
        sizes=tuple(sizes),
        growth=sizes[-1].claim_us / sizes[0].claim_us,
    )


def told(figures: Figures) -> str:
    kept, worked = figures.submitted_per_s, figures.worked_per_s
    lines = [
        f"{figures.store}: {kept:,.0f} tasks kept a second",
        f"{worked:,.0f} claimed and ended a second by {WORKERS} workers at once",
    ]
    lines += [
        f"{size.waiting:>9,} waiting: claim {size.claim_us:,.0f} µs,"
        f" finish {size.finish_us:,.0f} µs"
        for size in figures.sizes
    ]
    return "\n".join((*lines, f"growth of a claim: {figures.growth:.2f}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", default="1000,10000,100000")
    parser.add_argument("--store", choices=STORES, default="sqlite")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    waiting = tuple(sorted(int(size) for size in options.waiting.split(",")))
    with tempfile.TemporaryDirectory() as folder:
        figures = anyio.run(
            *(measure, options.store, Path(folder), waiting),
            backend_options={"use_uvloop": True},  # as the daemon
        )
    print(msgspec.json.encode(figures).decode() if options.json else told(figures))


if __name__ == "__main__":
    main()
