"""Has the C library give freed memory back to the system; elsewhere it does nothing."""

import ctypes
from collections.abc import Callable
from time import process_time

import anyio

CHECK_S = 5.0
BUSY_S = 0.05
"""Processor seconds after which there may be something to give back."""

_M_TRIM_THRESHOLD = -1
_M_ARENA_MAX = -8
_KEPT_BYTES = 1 << 20


def limit_freed_memory() -> None:
    """One heap for all threads, and at most a mebibyte of freed memory at its end.

    Left alone, glibc raises that to twice the largest block ever freed: one message of
    16 MiB, and the process stays tens of mebibytes larger. A heap for each thread serves
    programs whose threads run at the same time; here each would hold some of what the
    others need. Must be called before there are threads.
    """
    try:
        library = ctypes.CDLL(None)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_ARENA_MAX, 1)
    except (AttributeError, OSError, TypeError):  # not glibc
        return


def return_freed_memory() -> None:
    """Give back whole pages inside the heap too. Takes some milliseconds."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # not glibc
        return


async def return_memory_when_idle(
    in_flight: Callable[[], int], *, check_s: float = CHECK_S
) -> None:
    """Give memory back after work, at a moment when nobody waits; never ends."""
    used = 0.0
    while True:
        await anyio.sleep(check_s)
        if in_flight() == 0 and process_time() - used >= BUSY_S:
            return_freed_memory()
            used = process_time()
