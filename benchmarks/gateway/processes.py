"""What the kernel knows of a process tree: CPU seconds, memory; and of free ports."""

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
QUIET_S = 0.2
"""So long without a tick of CPU counts as idle."""


def tree(pid: int) -> list[int]:
    """The process and everything below it."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        with suppress(OSError):
            for task in Path(f"/proc/{found[-1]}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
    return found


def cpu_s(pid: int) -> float:
    """User and system seconds of the tree, threads and children included."""
    ticks = 0
    for each in tree(pid):
        with suppress(OSError):
            stat = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(stat[11]) + int(stat[12])
    return ticks / TICKS_PER_S


def settled_cpu_s(pid: int, patience_s: float = 4.0) -> float:
    """The same once the tree is idle: work put off (a ledger's) counts too."""
    deadline = time.monotonic() + patience_s
    before = cpu_s(pid)
    while time.monotonic() < deadline:
        time.sleep(QUIET_S)
        now = cpu_s(pid)
        if now - before <= 1 / TICKS_PER_S:
            return now
        before = now
    return before


def rss_mb(pid: int) -> float:
    """Resident megabytes of the tree."""
    kilobytes = 0
    for each in tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{each}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    kilobytes += int(line.split()[1])
    return round(kilobytes / 1024, 1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the tree to stop, then make it."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        for each in tree(process.pid):
            with suppress(OSError):
                os.kill(each, sig)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5.0)
