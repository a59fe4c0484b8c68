"""What goes wrong, where and when: a schedule that depends on the seed alone."""

from collections.abc import Sequence
from random import Random
from typing import Literal, NamedTuple

Kind = Literal["down", "errors_50", "errors_20", "hang", "slow", "limited", "cut"]

KINDS: tuple[Kind, ...] = (
    "down",  # connections are refused
    "errors_50",  # half of the calls get a 500
    "errors_20",
    "hang",  # taken, and never answered
    "slow",  # eight times as slow
    "limited",  # 70 % of the calls get a 429
    "cut",  # half of the streams break off half-way
)

SHORTEST, LONGEST = 0.16, 0.36
"""How long a fault lasts, as a share of the trace."""


class Fault(NamedTuple):
    """One fault of one provider, in seconds after the start."""

    provider: str
    kind: Kind
    start_s: float
    end_s: float


def schedule(providers: Sequence[str], length_s: float, seed: int) -> tuple[Fault, ...]:
    """Every kind once, spread over the trace.

    Each begins somewhere in its own seventh of it, so that two or three overlap.
    Providers take turns; all else is drawn.
    """
    draws = Random(f"faults {seed}")
    kinds = list(KINDS)
    draws.shuffle(kinds)
    order = list(providers)
    draws.shuffle(order)
    faults = []
    for number, kind in enumerate(kinds):
        lasts_s = length_s * draws.uniform(SHORTEST, LONGEST)
        start_s = (number + draws.random()) / len(kinds) * (length_s - lasts_s)
        name = order[number % len(order)]
        faults.append(Fault(name, kind, start_s, start_s + lasts_s))
    return tuple(faults)
