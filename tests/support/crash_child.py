"""A process that appends and folds until it kills itself at a chosen point.

``python -m tests.support.crash_child FOLDER POINT NTH FIRST``: an id is printed once its
record was appended, which is when a daemon would let the answer go.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from daemon.storage import store as store_module
from daemon.storage.spool import Spool
from daemon.storage.sqlite import Database
from daemon.storage.store import Store
from daemon.storage.usage_log import UsageLog
from tests.support.records import record

POINTS: dict[str, tuple[object, str, bool]] = {
    # name: where, function, whether to die before it rather than after it
    "before append": (Spool, "append", True),
    "after append": (Spool, "append", False),
    "after rolling": (Spool, "roll", False),
    "after reading": (store_module, "read_batch", False),
    "in the transaction": (store_module, "attempt_rows", False),
    "before the commit": (Store, "_insert", True),
    "at the commit": (Database, "_commit", True),
    "after the commit": (Spool, "done", True),
    "after removing": (Spool, "done", False),
    "after making a log": (UsageLog, "_prepare", False),
    "before writing a log": (UsageLog, "_append", True),
    "after writing a log": (UsageLog, "_append", False),
    "after exporting": (Spool, "next_place", True),
}


def arm(point: str, nth: int) -> None:
    """Kill this process at the nth time it gets there."""
    where, name, before = POINTS[point]
    original = getattr(where, name)
    left = [nth]

    def die() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def deadly(*arguments: Any, **named: Any) -> Any:
        if before:
            die()
        result = original(*arguments, **named)
        if not before:
            die()
        return result

    setattr(where, name, deadly)


async def run(folder: Path, first: int) -> None:
    spool = Spool(folder / "spool")
    store = Store(folder, spool)
    number = first
    while True:
        for _ in range(3):
            spool.append(record(number))
            os.write(1, f"r{number}\n".encode())
            number += 1
        folded = await store.fold(2, {"last": str(number).encode()})
        while folded.more:
            folded = await store.fold(2, {}, roll=False)


if __name__ == "__main__":
    folder, point, nth, first = sys.argv[1:]
    if point in POINTS:
        arm(point, int(nth))
    asyncio.run(run(Path(folder), int(first)))
