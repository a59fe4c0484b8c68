"""Consensus, started when it is first asked for: who never does need not carry it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from actors.messages.notices import NoticeBoard
from actors.messages.provider import DeltaSink
from actors.messages.router import RouterRef
from actors.messages.routing import (
    RequestRecord,
    RouteHandle,
    RouteRequest,
    StartSink,
)
from actors.router.desk import Desk
from actors.runtime import ActorSystem, ChildSpec, SupervisorSpec
from daemon.config import Config, ConsensusConfig

if TYPE_CHECKING:
    from actors.consensus import ConsensusHandle, ConsensusSettings


class Deliberation:
    """A ``RouteRef`` for rounds of consensus.

    Args:
        system: Where the actor lives, under a supervisor of its own: a round that goes
            wrong harms no request.
        config: As loaded.
        router: Whom the members are asked through.
        routing: Whose tools it shares.
        aliases: Further names of providers.
        notices: Where it is told how a round goes.
    """

    def __init__(
        self,
        system: ActorSystem,
        config: Config,
        router: RouterRef,
        routing: Desk,
        aliases: Mapping[str, str],
        *,
        notices: NoticeBoard,
    ) -> None:
        self._system = system
        self._told = config.consensus
        self._router = router
        self._routing = routing
        self._aliases = aliases
        self._notices = notices
        self._handle: ConsensusHandle | None = None

    def configure(self, config: Config) -> None:
        """Begin rounds by this from now on; those in progress go on as they began."""
        self._told = config.consensus
        if self._handle is not None:
            self._handle.configure(_settings(self._told))

    def learn(self, record: RequestRecord, score: float) -> None:
        """A round's answer got this score in [0, 1]."""
        if self._handle is None:
            self._handle = self._start()
        self._handle.learn(record, score)

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None = None,
        on_start: StartSink | None = None,
    ) -> RouteHandle:
        if self._handle is None:
            self._handle = self._start()
        return self._handle.route(request, sink, on_start)

    def _start(self) -> "ConsensusHandle":
        from actors import consensus  # noqa: PLC0415 - 0.8 MB that many never need

        tools = self._routing.tools
        desk = consensus.Desk(
            _settings(self._told),
            consensus.Tools(
                router=self._router,
                providers=tools.providers,
                aliases=self._aliases,
                spool=tools.spool,
                utc=tools.utc,
                draw=tools.draw,
                new_id=tools.new_id,
                on_record=tools.on_record,
                quality=self._routing.quality_of,
                keeper=tools.keeper,
                notices=self._notices,
            ),
        )
        child = ChildSpec(
            id="consensus", factory=lambda: consensus.ConsensusActor(desk)
        )
        self._system.start(SupervisorSpec(id="deliberating", children=(child,)))
        return consensus.ConsensusHandle(self._system.ref("consensus"), desk)


def _settings(told: ConsensusConfig) -> "ConsensusSettings":
    from actors.consensus import ConsensusSettings  # noqa: PLC0415 - see above

    return ConsensusSettings(
        method=told.method,
        members=told.members,
        quorum=told.quorum,
        judge=told.judge,
        deadline_s=told.deadline_s,
        priors=dict(told.priors),
        replace=told.replace,
        embeddings=told.embeddings,
        embeddings_threshold=told.embeddings_threshold or 1.0,
    )
