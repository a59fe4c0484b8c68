"""What callers are told of a daemon that is about to end."""

from actors.errors import RESTART_S, Interrupted, Overloaded


def draining() -> Overloaded:
    """For whoever comes now: nothing has been done for them."""
    return Overloaded(
        "the daemon is draining: it takes no new requests and ends",
        retry_after_s=RESTART_S,
    )


def stopped() -> Interrupted:
    """For whoever was inside, and for whom there was no time any more."""
    return Interrupted("the daemon stopped before the answer", retry_after_s=RESTART_S)
