"""What other rules of choosing would have meant for the requests that are recorded."""

from decimal import Decimal

from msgspec import Struct

from actors.messages.routing import Strategy, Weights


class Change(Struct, frozen=True, kw_only=True):
    """The other rules; ``None`` is as each decision had it."""

    strategy: Strategy | None = None
    weights: Weights | None = None


class Estimate(Struct, frozen=True, kw_only=True):
    """One figure as it was and as it would have been, a mean over ``requests``.

    ``difference`` is estimated less recorded, with its 95 % interval ``low`` to
    ``high``. All are ``None`` without a request of which both are known.
    """

    requests: int
    recorded: float | None = None
    estimated: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None


class Move(Struct, frozen=True, kw_only=True):
    """So many requests would have gone elsewhere first."""

    before: str
    after: str
    requests: int


class WhatIf(Struct, frozen=True, kw_only=True):
    """The account of a replay.

    ``replayed`` of ``requests`` could be decided again, ``changed`` of them would have
    gone elsewhere first; ``left_out`` says of the others why, with their number. Means
    a request: ``cost_usd`` US dollars, ``latency_s`` seconds, ``first_try`` the share
    whose first call answered. ``total_cost_difference_usd`` is over all replayed
    requests of known cost.
    """

    change: Change
    requests: int
    replayed: int
    changed: int
    cost_usd: Estimate
    latency_s: Estimate
    first_try: Estimate
    total_cost_difference_usd: Decimal | None
    moves: tuple[Move, ...]
    left_out: dict[str, int]
    assumptions: tuple[str, ...]
