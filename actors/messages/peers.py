"""What daemons that share one Redis say to each other, and what is shown of it.

What another daemon says is not trusted: it is bounded here, and whatever does not fit is
as if it had not been said.
"""

from typing import Annotated

from msgspec import Meta, Struct

BEAT_VERSION = 1
MAX_OPINIONS = 64
MAX_BEAT_BYTES = 32 * 1024

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class OpenBreaker(Struct, frozen=True):
    """Somebody's breaker of this model is not closed."""

    provider: Name
    model: Name


class Beat(Struct, frozen=True, kw_only=True):
    """One daemon's word about itself, said anew every second or so.

    ``started_at`` is UTC epoch seconds of its own clock; ``tasks`` are those that it
    works on now.
    """

    id: Name
    name: Name
    version: Name
    started_at: Annotated[float, Meta(ge=0, le=1e11)]
    in_flight: Count = 0
    tasks: Count = 0
    open: Annotated[tuple[OpenBreaker, ...], Meta(max_length=MAX_OPINIONS)] = ()
    v: int = BEAT_VERSION


class PeerRow(Struct, frozen=True, kw_only=True):
    """Another daemon as ``status`` shows it.

    ``last_seen_s`` is how long ago it was heard of, by the server's clock; one that is
    not ``alive`` has not been heard of for some time.
    """

    id: str
    name: str
    version: str
    started_at: float
    uptime_s: float
    in_flight: int
    tasks: int
    last_seen_s: float
    alive: bool
