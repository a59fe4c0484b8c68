"""Memory that was freed goes back to the system."""

import subprocess
import sys

import anyio
import pytest

from daemon import allocator

RESIDENT = """
from pathlib import Path
from daemon import allocator

def resident_kb():
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(rollup.split("Rss:")[1].split()[0])

"""
AT_THE_END = """
allocator.limit_freed_memory()
bytearray(16 << 20)  # raises glibc's own threshold, were it not for the call above
before = resident_kb()
pieces = [bytes(100_000) for _ in range(300)]
del pieces
print(resident_kb() - before)
"""
IN_THE_MIDDLE = """
before = resident_kb()
pieces = [bytes(2000) for _ in range(15_000)]
kept = pieces[::50]
del pieces
allocator.return_freed_memory()
print(resident_kb() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("script", [AT_THE_END, IN_THE_MIDDLE])
def test_freed_blocks_are_not_kept(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT + script],
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(done.stdout) < 8192


async def test_memory_is_returned_when_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    returned = anyio.Event()
    asked: list[int] = []

    def in_flight() -> int:
        asked.append(1)
        return len(asked) < 3

    monkeypatch.setattr(allocator, "return_freed_memory", returned.set)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(
                lambda: allocator.return_memory_when_idle(in_flight, check_s=0.0)
            )
            await returned.wait()
            group.cancel_scope.cancel()

    assert len(asked) == 3


async def test_nothing_is_done_while_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter([1.0, 1.0, 1.01, 1.02, 1.03])
    returned: list[float] = []
    monkeypatch.setattr(allocator, "process_time", lambda: next(now, 1.04))
    monkeypatch.setattr(allocator, "return_freed_memory", lambda: returned.append(1))
    with anyio.move_on_after(0.05):
        await allocator.return_memory_when_idle(lambda: 0, check_s=0.0)

    assert returned == [1]
