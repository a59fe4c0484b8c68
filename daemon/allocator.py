"""Has the C library give freed memory back to the system."""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_ARENA_MAX = -8
_KEPT_BYTES = 1 << 20


def return_freed_memory() -> None:
    """One heap for all threads, and at most a mebibyte of freed memory at its end.

    Left alone, glibc raises that to twice the largest block ever freed: one message of
    16 MiB, and the process stays tens of mebibytes larger. A heap for each thread serves
    programs whose threads run at the same time; here each would hold some of what the
    others need. Must be called before there are threads; elsewhere than on glibc it
    does nothing.
    """
    try:
        library = ctypes.CDLL(None)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_ARENA_MAX, 1)
    except (AttributeError, OSError, TypeError):  # not glibc
        return
