"""What is kept of threads."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

ThreadKeeping = Literal["texts", "facts", "nothing"]


class ThreadsConfig(Struct, frozen=True, kw_only=True):
    """``[threads]``. ``facts`` are all but the texts: who, when, how, at what cost.

    ``max_bytes`` is how much of each text is kept, in UTF-8.
    """

    keep: ThreadKeeping = "texts"
    retention_days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0
    max_bytes: Annotated[int, Meta(ge=1024, le=1_048_576)] = 65_536
