"""Rates that several daemons keep together: the seam at which a call takes its part.

Whoever shares nothing has none of this; the provider's own limiter holds beside it.
"""

from typing import Protocol

from msgspec import Struct

from actors.policy.limits import LimitConfig


class Part(Struct, frozen=True):
    """What a call got: ``wait_s`` 0.0 is its part of the rates, ``inf`` never.

    ``closed_s``: for so long there is room for no call at all, not even the smallest.
    """

    wait_s: float
    closed_s: float = 0.0


TAKEN = Part(0.0)


class RateShare(Protocol):
    """Asked by a provider's actor, which lets a call go only with its part."""

    async def take(
        self, provider: str, limits: LimitConfig, call_id: str, tokens: int
    ) -> Part:
        """Take one request and so many tokens, or nothing. Bounded; never raises."""

    def settle(self, call_id: str, tokens_used: int | None, *, called: bool) -> None:
        """A call with its part has ended; ``None`` leaves what was taken.

        One that was not ``called`` after all gives everything back. Unknown ids change
        nothing.
        """


def limits_rates(limits: LimitConfig) -> bool:
    """There is a rate to be shared."""
    return (
        limits.requests_per_minute is not None or limits.tokens_per_minute is not None
    )
