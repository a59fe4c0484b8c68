"""A consensus actor over a small house: real router, real providers, virtual time."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from actors.consensus import (
    ConsensusActor,
    ConsensusHandle,
    ConsensusSettings,
    Desk,
    Tools,
)
from actors.messages.chat import Delta
from actors.messages.consensus import ConsensusAsk, ConsensusInfo
from actors.messages.routing import ErrorInfo, RequestRecord, RouteResult, Started
from actors.runtime import ChildSpec, SupervisorSpec
from daemon.notices import Notices
from tests.support.fake_transport import FakeTransport
from tests.support.small_house import (
    EPOCH,
    MemoryKeeper,
    SmallHouse,
    ended,
    new_id,
    provider,
    request,
    small_house,
)


@dataclass
class ConsensusHouse:
    house: SmallHouse
    handle: ConsensusHandle
    notices: Notices

    async def ask(
        self, ask: ConsensusAsk | None = None, **given: object
    ) -> RouteResult | ErrorInfo:
        asked = request(consensus=ask or ConsensusAsk(), **given)
        return await ended(self.handle.route(asked))

    async def verdict(
        self, method: str = "auto", members: tuple[str, ...] = (), **given: object
    ) -> tuple[RouteResult, ConsensusInfo]:
        """A round that must be decided; options of ``ConsensusAsk`` by their names."""
        options = {k: given.pop(k) for k in ("quorum", "judge") if k in given}
        ask = ConsensusAsk(method=method, members=members, **options)  # type: ignore[arg-type]  # a test's own words
        result = await self.ask(ask, **given)
        assert isinstance(result, RouteResult), result
        assert result.consensus is not None
        return result, result.consensus

    async def error(
        self, ask: ConsensusAsk | None = None, **given: object
    ) -> ErrorInfo:
        result = await self.ask(ask, **given)
        assert isinstance(result, ErrorInfo), result
        return result

    async def stream(
        self, ask: ConsensusAsk
    ) -> tuple[RouteResult | ErrorInfo, list[Delta], list[Started]]:
        deltas: list[Delta] = []
        started: list[Started] = []
        asked = request(stream=True, consensus=ask)
        handle = self.handle.route(asked, deltas.append, started.append)
        return await ended(handle), deltas, started

    def rounds(self) -> list[RequestRecord]:
        """Records of rounds; those of their members are the others."""
        return [r for r in self.house.spool.records if r.consensus is not None]

    def parts(self) -> list[RequestRecord]:
        return [r for r in self.house.spool.records if r.consensus is None]


@asynccontextmanager
async def consensus_house(
    transports: Mapping[str, FakeTransport],
    settings: ConsensusSettings | None = None,
    draw: float = 0.5,
    board: Notices | None = None,
    keeper: MemoryKeeper | None = None,
    *,
    simulated: bool = False,
) -> AsyncIterator[ConsensusHouse]:
    """With the ``keeper`` of an earlier house it is that house after a restart."""
    providers = {name: provider(name, simulated=simulated) for name in transports}
    async with small_house(
        transports, draw=draw, keeper=keeper, providers=providers
    ) as house:
        board = board or Notices(lambda: EPOCH + anyio.current_time())
        desk = Desk(
            settings or ConsensusSettings(),
            Tools(
                router=house.router,
                providers=house.refs,
                aliases={"nick": next(iter(transports))},
                spool=house.spool,
                utc=lambda: EPOCH + anyio.current_time(),
                draw=lambda: draw,
                new_id=new_id,
                on_record=house.finished.append,
                quality=house.desk.quality_of,
                keeper=house.keeper,
                notices=board,
            ),
        )
        child = ChildSpec(id="consensus", factory=lambda: ConsensusActor(desk))
        house.system.start(SupervisorSpec(id="deliberating", children=(child,)))
        handle = ConsensusHandle(house.system.ref("consensus"), desk)
        yield ConsensusHouse(house, handle, board)
