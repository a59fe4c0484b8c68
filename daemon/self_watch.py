"""Measures the process itself and the machine around it, once a second."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from msgspec import Struct

from daemon.descriptors import open_descriptors
from daemon.ids import utc
from daemon.vitals import Descriptors, DiskSpace, Reading, Vitals

EVERY_S: Final = 1.0


class Around(Struct, frozen=True):
    """The machine around the process; ``None``: it cannot be told."""

    disk: DiskSpace | None
    descriptors: Descriptors | None


class Instruments(Struct, frozen=True):
    """What is measured with; ``look_around`` may take its time, in a thread."""

    monotonic: Callable[[], float]
    utc: Callable[[], float]
    look_around: Callable[[], Around]


def instruments(folder: Path) -> Instruments:
    """The real ones, for the state folder."""

    def look_around() -> Around:
        return Around(disk_space(folder), open_descriptors())

    # Never the event loop's own clock: within one turn of the loop it stands still.
    return Instruments(time.monotonic, utc, look_around)


class SelfWatch:
    """Feeds the vitals.

    Args:
        vitals: What makes sense of it.
        log_lines_dropped: How many were lost since the start.
        tools: What is measured with.
    """

    def __init__(
        self, vitals: Vitals, log_lines_dropped: Callable[[], int], tools: Instruments
    ) -> None:
        self._vitals = vitals
        self._log_lines_dropped = log_lines_dropped
        self._tools = tools

    async def run(self) -> None:
        """Measure again and again; never ends."""
        while True:
            around = await anyio.to_thread.run_sync(self._tools.look_around)
            began = self._tools.monotonic()
            await anyio.sleep(EVERY_S)
            self._measure(began, around)

    def _measure(self, began: float, around: Around) -> None:
        now, at = self._tools.monotonic(), self._tools.utc()
        self._vitals.update(
            Reading(
                now=now,
                at=at,
                late_s=max(0.0, now - began - EVERY_S),
                log_lines_dropped=self._log_lines_dropped(),
                disk=around.disk,
                descriptors=around.descriptors,
            )
        )


def disk_space(folder: Path) -> DiskSpace | None:
    """Of the file system that a folder is on."""
    try:
        seen = os.statvfs(folder)
    except OSError:
        return None
    return DiskSpace(
        free_bytes=seen.f_bavail * seen.f_frsize,
        size_bytes=seen.f_blocks * seen.f_frsize,
        free_files=seen.f_favail,
        files=seen.f_files,
    )
