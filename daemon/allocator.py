"""Has the C library give freed memory back to the system."""

import ctypes

_M_TRIM_THRESHOLD = -1
_KEPT_BYTES = 1 << 20


def return_freed_memory() -> None:
    """Keep at most a mebibyte of freed memory at the end of the heap.

    Left alone, glibc raises that to twice the largest block ever freed: one message of
    16 MiB, and the process stays tens of mebibytes larger. Elsewhere this does nothing.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    except (AttributeError, OSError, TypeError):  # not glibc
        return
