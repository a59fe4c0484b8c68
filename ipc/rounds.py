"""What rounds of consensus came to: what ``consensus.report`` is asked."""

from typing import Annotated

from msgspec import Meta, Struct


class RoundsParams(Struct, frozen=True, forbid_unknown_fields=True):
    """``since`` as in ``usage``; ``limit`` is how many of the newest requests to read."""

    since: float | str | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000
