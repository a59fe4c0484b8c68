"""What is told, as it happens, to whoever listens: for subscribers of the daemon."""

from typing import Literal, Protocol, get_args

from msgspec import Struct

Topic = Literal["requests", "tasks", "consensus", "breakers", "conditions"]
TOPICS: tuple[Topic, ...] = get_args(Topic)


class Notice(Struct, frozen=True, kw_only=True):
    """Event: something happened. ``at`` is UTC epoch seconds, ``name`` in past tense.

    ``number`` grows with each notice of this process. A listener gets those of its
    topics that it may see, so a gap is no loss: what it lost is counted for it.
    """

    number: int
    topic: Topic
    name: str
    at: float
    body: Struct


class NoticeBoard(Protocol):
    """Where notices are put up. Costs nothing while nobody listens."""

    def wants(self, topic: Topic) -> bool:
        """Somebody listens: it is worth making a body."""

    def tell(self, topic: Topic, name: str, body: Struct) -> None:
        """Put one up; never blocks or raises, and a slow listener loses its oldest."""
