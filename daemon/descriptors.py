"""File descriptors: how many are open, how many there may be, who gets the last ones."""

import os
import resource
from typing import Final

from daemon.vitals import Descriptors
from ipc.listener import Room

WANTED: Final = 65_536
"""What the system allows to be raised is raised to so many, no further."""

_LEAST_KEPT: Final = 16
_MOST_KEPT: Final = 256


def raise_limit() -> int:
    """Have as many as the system allows; returns how many that are.

    A limit of 1024, as shells and systemd set it, is there for programs that use
    ``select``; this is none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def room_for_clients(limit: int) -> Room:
    """Which descriptors clients may have: the last ones are for providers and files.

    The kernel gives out the lowest number that is free, so one that is high says that
    all below are taken.
    """
    kept = min(max(limit // 10, _LEAST_KEPT), _MOST_KEPT)
    return Room(refuse_from=limit - kept, drop_from=limit - kept // 2)


def open_descriptors() -> Descriptors | None:
    """Of this process. Needs no descriptor itself on Linux from 6.2."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    folder = "/proc/self/fd"
    try:
        # Since Linux 6.2 the folder's size is their number; before, it is 0.
        used = os.stat(folder).st_size or len(os.listdir(folder)) - 1  # noqa: PTH116, PTH208 - a Path costs more than the look
    except OSError:
        return None
    return Descriptors(used, limit)
