"""``kill -9`` at every step: what was answered is in the ledger exactly once.

``GITBRIDGE_KILLS`` sets how often the process is killed at random times.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.storage.spool import Spool
from daemon.storage.store import Store
from tests.support.crash_child import POINTS
from tests.support.stored import Stored

KILLS = int(os.environ.get("GITBRIDGE_KILLS", "8"))
ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + KILLS)]


async def child(
    folder: Path, point: str, nth: int, first: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.crash_child"),
        *(str(folder), point, str(nth), str(first)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )


async def died(process: asyncio.subprocess.Process) -> list[str]:
    """The ids it answered before it was killed."""
    output, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    return [line for line in output.decode().split("\n")[:-1] if line]


@pytest.fixture
async def after(tmp_path: Path) -> AsyncIterator[Stored]:
    """What the next process finds; it is made at the first use of ``fold``."""
    spool = Spool(tmp_path / "spool")
    made = Stored(tmp_path, spool, Store(tmp_path, spool))
    yield made
    await made.store.close()


async def assert_exactly_once(after: Stored, answered: list[str]) -> None:
    """Everything answered is in there once; at most what came last is in beyond it."""
    after.spool = Spool(after.folder / "spool")
    after.store = Store(after.folder, after.spool)
    await after.fold()
    ids = await after.all_ids()
    totals = await after.store.totals()

    assert len(ids) == len(set(ids))
    assert set(answered) <= set(ids)
    assert after.logged() == ids
    assert totals["openai"].requests == len(ids)
    assert totals["openai"].cost_usd == len(ids) * Decimal("0.000125")
    assert list((after.folder / "spool").glob("*.spool")) == []
    assert not (after.folder / "spool" / "damaged").exists()


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_a_step(
    tmp_path: Path, after: Stored, point: str, nth: int
) -> None:
    answered = await died(await child(tmp_path, point, nth, 0))
    survivor = await died(await child(tmp_path, "after append", 5, 1000))
    answered += survivor
    await assert_exactly_once(after, answered)


async def test_killed_again_and_again_at_any_time(
    tmp_path: Path, after: Stored
) -> None:
    draw = random.Random(11)
    answered: list[str] = []
    for round_number in range(KILLS):
        process = await child(tmp_path, "never", 0, round_number * 1_000_000)
        assert process.stdout is not None
        answered.append((await process.stdout.readline()).decode().strip())
        await asyncio.sleep(draw.uniform(0.0, 0.15))  # noqa: TID251 - real time
        process.kill()
        answered += await died(process)

    assert len(answered) > 2 * KILLS  # a busy machine answers few
    await assert_exactly_once(after, answered)
