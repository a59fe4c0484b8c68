"""How fast durable tasks are kept and taken, and how that grows with how many wait.

    .venv/bin/python -m benchmarks.task_store [--waiting 1000,10000,100000] [--json]

Every figure is of the store alone, each call on the disk when it returns, one after the
other: the worst case, since calls that wait together share one commit. ``growth`` is the
time of a claim among the most waiting tasks over that among the fewest, within one run.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import anyio
import msgspec

from actors.messages.tasks import ClaimAsk, Ending, Lease, NewTask
from daemon.storage.tasks.sqlite import SqliteTasks

START = 1_800_000_000.0
GROUP = 1000
CLAIMS = 200


class Sizes(msgspec.Struct, frozen=True):
    """Microseconds: the median of ``CLAIMS`` claims of one task, and of their ends."""

    waiting: int
    claim_us: float
    finish_us: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What came out; ``submitted_per_s`` in groups of a thousand."""

    store: str
    submitted_per_s: float
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


async def keep(store: SqliteTasks, first: int, last: int) -> None:
    for begin in range(first, last, GROUP):
        end = min(begin + GROUP, last)
        await store.submit([new(number) for number in range(begin, end)])


async def take(store: SqliteTasks, waiting: int) -> Sizes:
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


async def measure(folder: Path, waiting: tuple[int, ...]) -> Figures:
    store = SqliteTasks(folder)
    await store.open()
    kept, spent, sizes = 0, 0.0, []
    for size in waiting:
        wanted = size + CLAIMS * len(sizes)  # those that were taken are gone
        begun = time.perf_counter()
        await keep(store, kept, wanted)
        spent += time.perf_counter() - begun
        kept = wanted
        os.sync()  # else claims wait behind what was written to get here
        sizes.append(await take(store, size))
    await store.close()
    return Figures(
        store="sqlite",
        submitted_per_s=kept / spent,
        sizes=tuple(sizes),
        growth=sizes[-1].claim_us / sizes[0].claim_us,
    )


def told(figures: Figures) -> str:
    lines = [f"{figures.store}: {figures.submitted_per_s:,.0f} tasks kept a second"]
    lines += [
        f"{size.waiting:>9,} waiting: claim {size.claim_us:,.0f} µs,"
        f" finish {size.finish_us:,.0f} µs"
        for size in figures.sizes
    ]
    return "\n".join((*lines, f"growth of a claim: {figures.growth:.2f}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", default="1000,10000,100000")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    waiting = tuple(sorted(int(size) for size in options.waiting.split(",")))
    with tempfile.TemporaryDirectory() as folder:
        figures = anyio.run(measure, Path(folder), waiting)
    print(msgspec.json.encode(figures).decode() if options.json else told(figures))


if __name__ == "__main__":
    main()
