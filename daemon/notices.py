"""The notice board: what happens, told to whoever listens while it happens.

Whoever wants to publish is handed a ``NoticeBoard`` (``House.notices``), asks ``wants``
and only then makes a body. A body with a field ``user`` is somebody's own; bodies on
the topics in ``OWN`` are for administrators and for that user, all others for everybody.
The words of an answer are for that user alone.
"""

from collections import deque
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from actors.errors import ErrorKind
from actors.messages.consensus import ConsensusMethod
from actors.messages.notices import Notice, Topic
from actors.messages.progress import MemberAnswered
from actors.messages.provider import CostSource
from actors.messages.routing import Door, RequestRecord, Strategy

HELD: Final = 256
"""How many notices wait for a listener that does not take them."""

OWN: Final = frozenset[Topic](("requests", "tasks", "consensus"))
"""Topics of which a user is told what is their own."""

_NOBODY: Final = object()


class RequestFinished(Struct, frozen=True, kw_only=True):
    """A request has ended and is recorded; fields as in the history."""

    request_id: str
    decision_id: str
    door: Door
    strategy: Strategy
    outcome: Literal["ok"] | ErrorKind
    requested_model: str | None
    provider: str | None
    model: str | None
    task_type: str | None
    user: str | None
    stream: bool
    attempts: int
    latency_s: float
    overhead_s: float
    time_to_first_token_s: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: Decimal | None
    cost_source: CostSource
    error_message: str | None
    simulated: bool


class RoundFinished(Struct, frozen=True, kw_only=True):
    """A round of consensus has ended; fields as in ``ConsensusInfo``."""

    request_id: str
    decision_id: str
    outcome: Literal["ok"] | ErrorKind
    method: ConsensusMethod
    rule: str
    agreement: float
    confidence: float | None
    members: tuple[str, ...]
    user: str | None
    latency_s: float
    cost_usd: Decimal | None
    simulated: bool


class Listening:
    """One listener and what waits for it: at most ``HELD``, the oldest is dropped.

    Attributes:
        lost: How many were dropped since the last ``take``.
    """

    def __init__(
        self,
        topics: Collection[Topic],
        user: str | None,
        *,
        everything: bool,
        on_news: Callable[[], object],
        leave: Callable[["Listening"], None],
        about: str | None = None,
        held: int = HELD,
    ) -> None:
        self.topics = frozenset(topics)
        self.lost = 0
        self._user = user
        self._everything = everything
        self._on_news = on_news
        self._leave = leave
        self._about = about
        self._held = deque[Notice](maxlen=held)

    def offer(self, notice: Notice) -> None:
        """Hold it, where it is for this listener; the first one since then is news."""
        if not self._may_see(notice):
            return
        if len(self._held) == self._held.maxlen:
            self.lost += 1
        self._held.append(self._without_words(notice))
        if len(self._held) == 1:
            self._on_news()

    def _may_see(self, notice: Notice) -> bool:
        if notice.topic not in self.topics:
            return False
        if self._about not in {None, getattr(notice.body, "request_id", None)}:
            return False
        if self._everything or notice.topic not in OWN:
            return True
        return getattr(notice.body, "user", _NOBODY) == self._user

    def _without_words(self, notice: Notice) -> Notice:
        body = notice.body
        if not isinstance(body, MemberAnswered) or body.user == self._user:
            return notice
        return replace(notice, body=replace(body, answer=None))

    def take(self) -> tuple[list[Notice], int]:
        """What waits, the oldest first, and how many were dropped before the first."""
        notices, lost = list(self._held), self.lost
        self._held.clear()
        self.lost = 0
        return notices, lost

    def close(self) -> None:
        """Listen no more."""
        self._leave(self)


class Notices:
    """The one ``NoticeBoard`` of the daemon.

    Args:
        utc: UTC epoch seconds.
    """

    def __init__(self, utc: Callable[[], float]) -> None:
        self._utc = utc
        self._listening: dict[Listening, None] = {}
        self._wanted: frozenset[Topic] = frozenset()
        self._number = 0

    def listen(
        self,
        topics: Collection[Topic],
        on_news: Callable[[], object],
        *,
        user: str | None,
        everything: bool,
        about: str | None = None,
    ) -> Listening:
        """Begin to hold what is told from now on.

        Args:
            topics: Of which.
            on_news: Called when there is something to be taken after there was nothing;
                in the middle of somebody else's work, so it may only schedule.
            user: Whose requests and tasks are to be told.
            everything: Everybody's are, for an administrator.
            about: The id of the only request to be told of.
        """
        listening = Listening(
            topics,
            user,
            everything=everything,
            on_news=on_news,
            leave=self._left,
            about=about,
        )
        self._listening[listening] = None
        self._count()
        return listening

    def _left(self, listening: Listening) -> None:
        self._listening.pop(listening, None)
        self._count()

    def _count(self) -> None:
        self._wanted = frozenset(t for each in self._listening for t in each.topics)

    @property
    def listeners(self) -> int:
        return len(self._listening)

    def wants(self, topic: Topic) -> bool:
        """See ``NoticeBoard``."""
        return topic in self._wanted

    def tell(self, topic: Topic, name: str, body: Struct) -> None:
        """See ``NoticeBoard``."""
        if topic not in self._wanted:
            return
        self._number += 1
        notice = Notice(
            number=self._number, topic=topic, name=name, at=self._utc(), body=body
        )
        for listening in tuple(self._listening):
            listening.offer(notice)

    def request_finished(self, record: RequestRecord) -> None:
        """Tell of a request, and of the round of consensus that it was."""
        if "requests" in self._wanted:
            self.tell("requests", "request_finished", _finished(record))
        if record.consensus is not None and "consensus" in self._wanted:
            self.tell("consensus", "round_finished", _round(record))


def _finished(record: RequestRecord) -> RequestFinished:
    return RequestFinished(
        request_id=record.request_id,
        decision_id=record.decision.decision_id,
        door=record.door,
        strategy=record.decision.strategy,
        outcome=record.outcome,
        requested_model=record.requested_model,
        provider=record.provider,
        model=record.model,
        task_type=record.task_type,
        user=record.user,
        stream=record.stream,
        attempts=len(record.attempts),
        latency_s=record.latency_s,
        overhead_s=record.overhead_s,
        time_to_first_token_s=record.time_to_first_token_s,
        prompt_tokens=record.usage.prompt_tokens,
        completion_tokens=record.usage.completion_tokens,
        cost_usd=record.cost_usd,
        cost_source=record.cost_source,
        error_message=record.error_message,
        simulated=record.simulated,
    )


def _round(record: RequestRecord) -> RoundFinished:
    found = record.consensus
    assert found is not None, "the caller has looked"
    return RoundFinished(
        request_id=record.request_id,
        decision_id=record.decision.decision_id,
        outcome=record.outcome,
        method=found.method,
        rule=found.rule,
        agreement=found.agreement,
        confidence=found.confidence,
        members=tuple(ballot.member for ballot in found.ballots),
        user=record.user,
        latency_s=record.latency_s,
        cost_usd=record.cost_usd,
        simulated=record.simulated,
    )
