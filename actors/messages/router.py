"""The router as others hold it, and what it tells them."""

from typing import Literal, Protocol

from msgspec import Struct

from actors.messages.routing import (
    Priority,
    RequestRecord,
    RouteRef,
    Strategy,
    Weights,
)

QueueResult = Literal["served", "overloaded", "queue_full", "deadline", "left"]


class QueueExit(Struct, frozen=True, gc=False):
    """Event: a request no longer waits for a place.

    It got one (``served``), was shed (``overloaded``, ``queue_full``, ``deadline``), or
    went by itself (``left``: its caller did, or there is something else to try).
    """

    priority: Priority
    waited_s: float
    result: QueueResult


class RouterRef(RouteRef, Protocol):
    """The typed handle on the router actor."""

    def strategy(self) -> tuple[Strategy, Weights]: ...

    def overridden(self) -> bool:
        """Strategy or weights are not those of the configuration."""

    def overrides(self) -> tuple[Strategy | None, Weights | None]:
        """What was set at run time; ``None`` is as configured."""

    async def set_strategy(self, strategy: Strategy | None) -> None:
        """Change it for all later requests; ``None`` drops the override."""

    async def set_weights(self, weights: Weights | None) -> None: ...


class RecordSpool(Protocol):
    """Where records go before the answer leaves; survives ``kill -9``."""

    def append(self, record: RequestRecord) -> None:
        """Write the record with one system call.

        Raises:
            OSError: The record is not on disk; the answer leaves all the same.
        """
