"""What the dialect of a pretend provider has to do.

Written from the providers' documentation and on purpose apart from ``actors.wire``: a
mistake there must not be mirrored here.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from msgspec import Struct

from daemon.simulator.answer import Answer, Ask, Refusal
from daemon.simulator.behaviour import Behaviour

EPOCH = 1_763_900_000
"""When the first request seems to have been made, in UTC epoch seconds."""


class Ids(Struct, frozen=True):
    """Identifies one exchange: ``number`` counts requests, ``token`` is 32 hex digits."""

    number: int
    token: str

    @property
    def created(self) -> int:
        return EPOCH + self.number


class Allowance(Struct, frozen=True):
    """What the rate limit leaves, for the headers that tell."""

    limit: int = 10_000
    remaining: int = 9_999
    reset_s: float = 0.006


class Event(Struct, frozen=True):
    """One event of a stream as it goes over the wire; ``token`` if it holds one."""

    data: bytes
    token: bool = False


class SimDialect(Protocol):
    """One provider's wire format, from the server's side."""

    @property
    def chat_path(self) -> str: ...

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The caller's key, if it sends one."""

    def no_key(self) -> Refusal: ...

    def wrong_key(self, key: str) -> Refusal: ...

    def parse(
        self, behaviour: Behaviour, body: bytes, headers: Mapping[str, str], /
    ) -> Ask:
        """Raises ``Refusal`` for what the real provider refuses."""

    def plain(self, ask: Ask, answer: Answer, ids: Ids) -> dict[str, object]: ...

    def stream(self, ask: Ask, answer: Answer, ids: Ids) -> Iterator[Event]: ...

    def finished(self, event: Event) -> bool:
        """Whether this event tells the finish reason, or comes after one that does."""

    def error(self, refusal: Refusal, ids: Ids, /) -> dict[str, object]: ...

    def error_headers(self, refusal: Refusal) -> dict[str, str]: ...

    def error_event(self, refusal: Refusal, ids: Ids) -> bytes: ...

    def headers(self, ids: Ids, allowance: Allowance) -> dict[str, str]: ...

    def models(self, behaviour: Behaviour) -> dict[str, object]: ...
