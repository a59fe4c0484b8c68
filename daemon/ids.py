"""The wall clock, and ids that sort by it.

An id has 26 characters: 48 bits of milliseconds and 80 random ones.
"""

import random
import time
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_PAIRS: Final = [a + b for a in _ALPHABET for b in _ALPHABET]


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

    def new_id() -> str:
        number = (int(utc() * 1000) << 80 | bits(80)) & ((1 << 130) - 1)
        return "".join(
            [_PAIRS[number >> shift & 1023] for shift in range(120, -10, -10)]
        )

    return new_id
