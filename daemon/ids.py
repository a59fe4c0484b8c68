"""The wall clock, and ids that sort by it.

An id has 26 characters: ten for the milliseconds, in Crockford's base 32, and sixteen
for 64 random bits, in base 16, which is made ten times as fast.
"""

import random
import time
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHIFTS: Final = (40, 30, 20, 10, 0)


def utc() -> float:
    """Epoch seconds: for records, logs and ids, never for decisions."""
    return time.time()  # noqa: TID251 - the one place the wall clock is handed out from


def id_maker(
    utc: Callable[[], float], rng: random.Random | None = None
) -> Callable[[], str]:
    """A maker of ids. ``utc`` gives epoch seconds; ids of one process never repeat."""
    source = rng or random.SystemRandom()
    # Ids are no secrets: a generator seeded once by the system is enough, and fast.
    bits = random.Random(source.getrandbits(256)).getrandbits  # noqa: S311 - see above

    moment, prefix = -1, ""

    def new_id() -> str:
        nonlocal moment, prefix
        now = int(utc() * 1000)
        if now != moment:  # many ids are made in one millisecond
            moment, prefix = now, _digits(now)
        return f"{prefix}{bits(64):016X}"

    return new_id


def _digits(milliseconds: int) -> str:
    return "".join([_PAIRS[milliseconds >> shift & 1023] for shift in _SHIFTS])
