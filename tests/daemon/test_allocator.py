"""Memory that was freed goes back to the system."""

import subprocess
import sys

import pytest

SCRIPT = """
from pathlib import Path
from daemon.allocator import return_freed_memory

def resident_kb():
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(rollup.split("Rss:")[1].split()[0])

return_freed_memory()
bytearray(16 << 20)  # raises glibc's own threshold, were it not for the call above
before = resident_kb()
pieces = [bytes(100_000) for _ in range(300)]
del pieces
print(resident_kb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_blocks_are_not_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )

    assert int(done.stdout) < 4096
