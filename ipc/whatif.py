"""What other rules would have meant for the requests that are recorded."""

from typing import Annotated

from msgspec import Meta, Struct, structs

from actors.messages.routing import Weights
from actors.messages.whatif import Change
from ipc import fields
from ipc.route import parse_strategy

Weight = Annotated[float, Meta(ge=0, le=1e9)]


class WhatIfParams(Struct, frozen=True, forbid_unknown_fields=True):
    """The other strategy, or other weights of the hybrid one, or both.

    ``since`` as in ``usage``; ``limit`` is how many of the newest requests to replay.
    """

    strategy: str | None = None
    cost: Weight | None = None
    performance: Weight | None = None
    availability: Weight | None = None
    since: float | str | None = None
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 10_000

    def __post_init__(self) -> None:
        if self.strategy is not None:
            structs.force_setattr(self, "strategy", parse_strategy(self.strategy))
        given = (self.cost, self.performance, self.availability)
        if self.strategy is None and all(weight is None for weight in given):
            raise fields.missing("strategy", "a strategy, or weights")
        if all(not weight for weight in given) and any(w is not None for w in given):
            raise fields.wrong("cost", self.cost, "at least one weight above zero")
        if self.strategy not in {None, "hybrid"} and any(w is not None for w in given):
            wanted = "hybrid, whose weights these are, or no strategy"
            raise fields.wrong("strategy", self.strategy, wanted)

    def change(self) -> Change:
        """A weight that is left out, where another is said, is none."""
        given = (self.cost, self.performance, self.availability)
        weights = None
        if any(weight is not None for weight in given):
            cost, performance, availability = (weight or 0.0 for weight in given)
            total = cost + performance + availability
            weights = Weights(cost / total, performance / total, availability / total)
        strategy = None if self.strategy is None else parse_strategy(self.strategy)
        if strategy is None and weights is not None:
            strategy = "hybrid"
        return Change(strategy=strategy, weights=weights)
