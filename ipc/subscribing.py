"""What ``subscribe`` and ``GET /events`` take, and what listeners are told."""

from typing import Protocol

from msgspec import Struct

from actors.messages.notices import TOPICS, Notice, Topic
from ipc import fields


class SubscribeParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Of which topics to be told; of all, where none are named."""

    topics: tuple[str, ...] = TOPICS

    def __post_init__(self) -> None:
        if not self.topics:
            raise fields.wrong("topics", [], "at least one of " + ", ".join(TOPICS))
        for place, name in enumerate(self.topics):
            fields.choice(name, f"topics[{place}]", TOPICS)

    @property
    def chosen(self) -> tuple[Topic, ...]:
        return tuple(each for each in TOPICS if each in self.topics)


class NoticeParams(Struct, frozen=True, kw_only=True):
    """Something happened; ``id`` is that of the ``subscribe`` that asked for it.

    ``lost`` counts those that were dropped before this one, because they were not read
    in time. The first one says that listening has begun: its ``name`` is ``subscribed``,
    its ``body`` has the ``topics``, and it has no ``number``, ``topic`` and ``at``.
    """

    id: int | str | None
    name: str
    body: object
    number: int | None = None
    topic: Topic | None = None
    at: float | None = None
    lost: int = 0


class Listening(Protocol):
    """What waits for one listener."""

    def take(self) -> tuple[list[Notice], int]:
        """All that waits, the oldest first, and how many were lost before them."""

    def close(self) -> None:
        """Listen no more; harmless when it is over."""


def begun(call_id: int | str | None, params: SubscribeParams) -> NoticeParams:
    """The first notice."""
    return NoticeParams(id=call_id, name="subscribed", body={"topics": params.chosen})


def taken(call_id: int | str | None, listening: Listening) -> list[NoticeParams]:
    """What waits, as it is sent; the first one says what was lost before it."""
    notices, lost = listening.take()
    return [
        NoticeParams(
            id=call_id,
            name=notice.name,
            body=notice.body,
            number=notice.number,
            topic=notice.topic,
            at=notice.at,
            lost=0 if place else lost,
        )
        for place, notice in enumerate(notices)
    ]
