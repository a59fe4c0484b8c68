"""What callers are told of a daemon that is about to end."""

from typing import Final

from actors.errors import Interrupted, Overloaded

RETRY_AFTER_S: Final = 1.0
"""A guess at when the next daemon may be there."""


def draining() -> Overloaded:
    """For whoever comes now: nothing has been done for them."""
    return Overloaded(
        "the daemon is draining: it takes no new requests and ends",
        retry_after_s=RETRY_AFTER_S,
    )


def stopped() -> Interrupted:
    """For whoever was inside, and for whom there was no time any more."""
    return Interrupted(
        "the daemon stopped before the answer", retry_after_s=RETRY_AFTER_S
    )
