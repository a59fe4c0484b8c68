"""Answers that are given again: from the cache, to several at once, to a repeat."""

from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct

CacheUse = Literal["on", "off", "refresh"]
"""What a request wants of the cache: its answers, nothing, or to renew what is there."""

ReuseKind = Literal["cached", "joined", "repeated"]
"""Kept from before, of a call that was under way, or of the same idempotency key."""


class Reused(Struct, frozen=True, gc=False, kw_only=True):
    """Whose answer was given again.

    Attributes:
        kind: How it came.
        request_id: The request that was answered by a provider.
        age_s: How long ago that was; ``None`` while it is under way.
        saved_usd: What that answer had cost; ``None`` where it is not known.
    """

    kind: ReuseKind
    request_id: str
    age_s: float | None = None
    saved_usd: Decimal | None = None


class AnswerStore(Protocol):
    """Keeps answers as bytes, under keys of 32 bytes, for a time.

    What holds for all stores: neither method raises, nor takes longer than a fraction of
    a second; what cannot be had is not there, and what cannot be kept is not kept. An
    entry may go before its time where there is no room. Several daemons may share one.
    """

    async def get(self, key: bytes) -> bytes | None:
        """What is kept there; ``None``: nothing, or no more."""

    async def put(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """Keep it for so long, in place of what was there; for no time: forget it."""
