"""Commands that an earlier attempt at a task has left running.

A daemon that is killed cannot end what it has started. Every command, and what it starts
in turn, carries the task's id in its environment: by that it is found in ``/proc``, and
ended before the command is run again. Where there is no ``/proc`` nothing is found.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

VARIABLE: Final = "GITBRIDGE_TASK_ID"
_PROC: Final = Path("/proc")
_LOOK_S: Final = 0.05


async def end_orphans(task_id: str, within_s: float) -> bool:
    """Kill whatever runs for this task; false when some of it is there all the same."""
    with anyio.move_on_after(within_s):
        while await anyio.to_thread.run_sync(_kill, task_id):  # noqa: ASYNC110 - /proc tells nobody
            await anyio.sleep(_LOOK_S)
        return True
    return False


def _kill(task_id: str) -> int:
    """How many there were."""
    mark = f"{VARIABLE}={task_id}".encode()
    found = 0
    for pid in _processes():
        # Held by a descriptor, so that what is killed is what was looked at.
        with suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                if mark in _environment(pid):
                    found += 1
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)
    return found


def _processes() -> Iterator[int]:
    with suppress(OSError):
        names = [each.name for each in _PROC.iterdir()]
        yield from (int(name) for name in names if name.isdecimal())


def _environment(pid: int) -> list[bytes]:
    """Empty for one that has ended, even before anybody has asked how."""
    return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
