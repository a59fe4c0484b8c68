"""How the process itself is: disk, clock, event loop, descriptors, log lines. Pure.

Somebody measures now and then (``Reading``) and hands it in; what is wrong comes out as
findings, with a band between raising and clearing, so that nothing flaps.
"""

from collections import deque
from typing import Final

from msgspec import Struct

from actors.messages.lifecycle import Finding
from daemon.telemetry import Figure

JUMP_S: Final = 2.0
"""The wall clock may differ by so much from the monotonic one between two readings."""

JUMP_TOLD_S: Final = 600.0
DROPPED_TOLD_S: Final = 300.0
"""For how long what happened once is told."""

LATE_S: Final = 0.05
"""Being late by less is how a timer is."""

LAG_WINDOW_S: Final = 60.0
LAG_RAISE_S: Final = 3.0
LAG_CLEAR_S: Final = 1.0
"""How much of the window the event loop may lose, in seconds."""

USED_RAISE: Final = 0.9
USED_CLEAR: Final = 0.8
"""Shares of the descriptors that a process may have."""

FREE_SHARE: Final = 0.05
FREE_BYTES: Final = 1 << 30
FREE_FILES_SHARE: Final = 0.01
"""A disk with less room than the share of its size, or than so much, is nearly full."""

CLEAR_FACTOR: Final = 1.25


class DiskSpace(Struct, frozen=True):
    """What an unprivileged process may use. ``files`` 0: the file system counts none."""

    free_bytes: int
    size_bytes: int
    free_files: int = 0
    files: int = 0


class Descriptors(Struct, frozen=True):
    """Open file descriptors, and how many there may be."""

    used: int
    limit: int


class Reading(Struct, frozen=True, kw_only=True):
    """One measurement.

    ``now`` is the monotonic clock, ``at`` UTC epoch seconds, both read at one moment.
    ``late_s`` is how much later than wanted the event loop woke up. ``disk`` and
    ``descriptors`` are ``None`` where they were not measured this time.
    """

    now: float
    at: float
    late_s: float
    log_lines_dropped: int
    disk: DiskSpace | None = None
    descriptors: Descriptors | None = None


class Band:
    """On at or above ``raise_at``, off below ``clear_at``, as it was in between."""

    def __init__(self, raise_at: float, clear_at: float) -> None:
        self._raise_at = raise_at
        self._clear_at = clear_at
        self.on = False

    def update(self, value: float) -> bool:
        """Whether it is on now."""
        self.on = value >= (self._clear_at if self.on else self._raise_at)
        return self.on


class Vitals:
    """Everything that was measured, and what is wrong about it.

    Args:
        folder: The state folder's path, for people.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._last: Reading | None = None
        self._disk: DiskSpace | None = None
        self._descriptors: Descriptors | None = None
        self._late: deque[tuple[float, float]] = deque()
        self._lag_band = Band(LAG_RAISE_S, LAG_CLEAR_S)
        self._used_band = Band(USED_RAISE, USED_CLEAR)
        self._full_band = Band(1.0, 1.0 / CLEAR_FACTOR)
        self._jump: tuple[float, float] | None = None  # seconds, until when it is told
        self._dropping_until: float | None = None

    def update(self, reading: Reading) -> None:
        """Take a measurement; ``now`` never goes back."""
        before, self._last = self._last, reading
        if before is not None:
            self._compare_clocks(before, reading)
        dropped_before = before.log_lines_dropped if before is not None else 0
        if reading.log_lines_dropped > dropped_before:
            self._dropping_until = reading.now + DROPPED_TOLD_S
        self._note_lateness(reading)
        if reading.disk is not None:
            self._disk = reading.disk
            self._full_band.update(max(fullness(reading.disk)))
        if reading.descriptors is not None:
            self._descriptors = reading.descriptors
            used = reading.descriptors.used / max(1, reading.descriptors.limit)
            self._used_band.update(used)

    def _compare_clocks(self, before: Reading, reading: Reading) -> None:
        jump_s = (reading.at - before.at) - (reading.now - before.now)
        if abs(jump_s) > JUMP_S:
            self._jump = jump_s, reading.now + JUMP_TOLD_S
        elif self._jump is not None and reading.now >= self._jump[1]:
            self._jump = None

    def _note_lateness(self, reading: Reading) -> None:
        late = self._late
        if reading.late_s >= LATE_S:
            late.append((reading.now, reading.late_s))
        while late and late[0][0] <= reading.now - LAG_WINDOW_S:
            late.popleft()
        self._lag_band.update(self.lag_s)

    @property
    def lag_s(self) -> float:
        """How much of the last minute the event loop could not react in."""
        return sum(late_s for _, late_s in self._late)

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, as of the last measurement."""
        now = self._last.now if self._last is not None else 0.0
        found: list[Finding] = []
        if self._jump is not None:
            found.append(
                Finding(code="clock_jumped", values={"jump": in_words(self._jump[0])})
            )
        if self._lag_band.on:
            found.append(
                Finding(code="event_loop_lag", values={"lag": f"{self.lag_s:.1f} s"})
            )
        if self._last is not None and now < (self._dropping_until or now):
            found.append(
                Finding(
                    code="log_lines_dropped",
                    values={"count": self._last.log_lines_dropped},
                )
            )
        return (*found, *self._short_of())

    def _short_of(self) -> list[Finding]:
        found: list[Finding] = []
        if self._descriptors is not None and self._used_band.on:
            found.append(
                Finding(
                    code="descriptors_nearly_exhausted",
                    values={
                        "used": self._descriptors.used,
                        "limit": self._descriptors.limit,
                    },
                )
            )
        if self._disk is not None and self._full_band.on:
            free, size = left(self._disk)
            found.append(
                Finding(
                    code="disk_nearly_full",
                    values={"folder": self._folder, "free": free, "size": size},
                )
            )
        return found

    def figures(self) -> tuple[Figure, ...]:
        """The same as metrics; what was never measured is left out."""
        figures = [
            Figure(
                "event_loop_lag_seconds",
                "How much of the last minute the event loop could not react in.",
                round(self.lag_s, 6),
            )
        ]
        if self._last is not None:
            dropped = self._last.log_lines_dropped
            text = "Log lines that were lost because their reader stalled."
            figures.append(Figure("log_lines_dropped_total", text, dropped, "counter"))
        if self._disk is not None:
            text = "Room on the state folder's disk."
            figures.append(Figure("state_free_bytes", text, self._disk.free_bytes))
        if self._descriptors is not None:
            text = "Open file descriptors."
            figures.append(Figure("open_descriptors", text, self._descriptors.used))
            text = "How many file descriptors there may be."
            figures.append(Figure("max_descriptors", text, self._descriptors.limit))
        return tuple(figures)


def fullness(disk: DiskSpace) -> tuple[float, float]:
    """Of bytes and of files: how much of what should be free is not; from 1 it is full.

    Nothing is wanted of a file system that does not say.
    """
    wanted = min(disk.size_bytes * FREE_SHARE, FREE_BYTES)
    files = disk.files * FREE_FILES_SHARE
    return _ratio(wanted, disk.free_bytes), _ratio(files, disk.free_files)


def _ratio(wanted: float, free: int) -> float:
    return wanted / free if free > 0 else (2.0 if wanted else 0.0)


def left(disk: DiskSpace) -> tuple[str, str]:
    """What is left, and of how much: bytes, or files where those are scarcer."""
    in_bytes, in_files = fullness(disk)
    if in_files > in_bytes:
        return f"{disk.free_files} files", str(disk.files)
    return size(disk.free_bytes), size(disk.size_bytes)


def size(count: int) -> str:
    """Bytes for people: 512 B, 1.5 MiB."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024.0:
            break
        value, unit = value / 1024.0, larger
    return f"{value:.1f} {unit}" if unit != "B" else f"{count} B"


def in_words(jump_s: float) -> str:
    """``back by 3600.0 s``."""
    return f"{'ahead' if jump_s > 0 else 'back'} by {abs(jump_s):.1f} s"
