"""Memory ten seconds after 1,000 priced requests, and the time until it is ready.

A real daemon with three pretend providers, asked over every door; measured from outside.
Run: ``python benchmarks/footprint.py [--starts N] [--settle S]``; exits with 1 when a
goal is missed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.support.footprint import Footprint, Memory, measure

MEMORY_GOAL_MB = 60.0
READY_GOAL_S = 0.6
MEBIBYTE = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--settle", type=float, default=10.0, metavar="S")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = uvloop.run(
            measure(Path(folder), starts=given.starts, settle_s=given.settle)
        )
    show(found, given.settle)
    good = in_mebibytes(found.after.resident) <= MEMORY_GOAL_MB
    return 0 if good and found.ready_s <= READY_GOAL_S else 1


def show(found: Footprint, settle_s: float) -> None:
    starts = ", ".join(f"{s * 1000:.0f}" for s in sorted(found.starts_s))
    print(f"{'':42}{'measured':>14}{'goal':>12}")
    print(
        f"{'ready after exec, median of ' + str(len(found.starts_s)):42}"
        f"{found.ready_s * 1000:>11.0f} ms{READY_GOAL_S * 1000:>9.0f} ms"
    )
    print(f"{'  each, ms':42}{starts:>14}")
    print(f"{'  first start, empty state folder':42}{found.first_s * 1000:>11.0f} ms")
    show_memory("idle", found.idle, None)
    label = f"{settle_s:g} s after {found.priced} priced requests"
    show_memory(label, found.after, MEMORY_GOAL_MB)


def show_memory(label: str, memory: Memory, goal_mb: float | None) -> None:
    goal = "" if goal_mb is None else f"{goal_mb:>8.0f} MiB"
    resident, shared = in_mebibytes(memory.resident), in_mebibytes(memory.proportional)
    print(f"{label + ', RSS':42}{resident:>10.1f} MiB{goal}")
    print(f"{label + ', PSS':42}{shared:>10.1f} MiB")


def in_mebibytes(size: int) -> float:
    return size / MEBIBYTE


if __name__ == "__main__":
    sys.exit(main())
