"""A response cache over a small house: real router and providers, virtual time."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from actors.messages.chat import Delta
from actors.messages.routing import (
    ErrorInfo,
    RequestRecord,
    RouteHandle,
    RouteResult,
    Started,
)
from actors.policy.byte_lru import ByteLru
from actors.response_cache import (
    CacheSettings,
    CacheTools,
    Desk,
    ResponseCacheActor,
    ResponseCacheHandle,
)
from actors.router import RouterSettings
from actors.runtime import ChildSpec, SupervisorSpec
from tests.support.fake_transport import Answer, FakeTransport, stream
from tests.support.small_house import EPOCH, SmallHouse, new_id, request, small_house

OFF = CacheSettings(enabled=False)


def one(*answers: Answer) -> dict[str, FakeTransport]:
    return {"one": FakeTransport(*answers)}


def pieces(*texts: str, pause_s: float = 1.0) -> Answer:
    """A stream with a pause before each piece."""
    return stream(*texts, gap_s=pause_s)


class MemoryAnswers:
    """An ``AnswerStore`` in virtual time; ``wait_s`` is how long each step takes."""

    def __init__(self) -> None:
        self.entries = ByteLru(1_000_000)
        self.wait_s = 0.0
        self.broken = False

    async def get(self, key: bytes) -> bytes | None:
        if self.broken:
            raise RuntimeError("a bug")
        await anyio.sleep(self.wait_s)
        return self.entries.get(key, anyio.current_time())

    async def put(self, key: bytes, value: bytes, ttl_s: float) -> None:
        await anyio.sleep(self.wait_s)
        self.entries.put(key, value, anyio.current_time(), ttl_s)


@dataclass
class Asker:
    """One caller: what it is told, and how it ends."""

    handle: RouteHandle
    deltas: list[Delta] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)
    outcome: RouteResult | ErrorInfo | None = None
    over: anyio.Event = field(default_factory=anyio.Event)

    def end(self, outcome: RouteResult | ErrorInfo) -> None:
        assert self.outcome is None
        self.outcome = outcome
        self.over.set()

    @property
    def text(self) -> str:
        return "".join(delta.content or "" for delta in self.deltas)

    async def answer(self) -> RouteResult:
        await self.over.wait()
        assert isinstance(self.outcome, RouteResult), self.outcome
        return self.outcome

    async def error(self) -> ErrorInfo:
        await self.over.wait()
        assert isinstance(self.outcome, ErrorInfo), self.outcome
        return self.outcome


@dataclass
class CacheHouse:
    house: SmallHouse
    handle: ResponseCacheHandle
    desk: Desk
    answers: MemoryAnswers
    repeats: MemoryAnswers

    def begin(self, **given: object) -> Asker:
        """Ask without waiting for the answer."""
        deltas: list[Delta] = []
        started: list[Started] = []
        asked = request(**given)
        sinks = (deltas.append, started.append) if asked.stream else (None, None)
        asker = Asker(self.handle.route(asked, *sinks), deltas, started)
        asker.handle.begin(asker.end)
        return asker

    async def ask(self, **given: object) -> RouteResult:
        return await self.begin(**given).answer()

    def calls(self) -> int:
        """How many a provider was sent."""
        return sum(
            1
            for transport in self.house.transports.values()
            for sent in transport.requests
            if sent.method == "POST"
        )

    def reused(self) -> list[RequestRecord]:
        return [r for r in self.house.spool.records if r.reused is not None]


@asynccontextmanager
async def cache_house(
    transports: Mapping[str, FakeTransport],
    settings: CacheSettings | None = None,
    *,
    routing: RouterSettings | None = None,
) -> AsyncIterator[CacheHouse]:
    """The cache is on unless said otherwise."""
    async with small_house(transports, settings=routing) as house:
        answers, repeats = MemoryAnswers(), MemoryAnswers()
        desk = Desk(
            settings or CacheSettings(enabled=True),
            CacheTools(
                routes=house.router,
                answers=answers,
                repeats=repeats,
                spool=house.spool,
                utc=lambda: EPOCH + anyio.current_time(),
                new_id=new_id,
                on_record=house.finished.append,
                strategy=house.router.strategy,
            ),
        )
        house.system.start(
            SupervisorSpec(
                id="caching",
                children=(
                    ChildSpec(
                        id="response_cache", factory=lambda: ResponseCacheActor(desk)
                    ),
                ),
            )
        )
        handle = ResponseCacheHandle(house.system.ref("response_cache"), desk)
        yield CacheHouse(house, handle, desk, answers, repeats)
