"""What the doors hold of the consensus actor: rounds are begun like requests."""

from functools import partial

from actors.consensus.desk import Desk
from actors.consensus.messages import (
    CancelRound,
    ConsensusMessage,
    LearnRound,
    StartRound,
)
from actors.consensus.settings import ConsensusSettings
from actors.messages.provider import DeltaSink
from actors.messages.routing import RequestRecord, RouteRequest, StartSink
from actors.pending import Pending
from actors.runtime import ActorRef


class ConsensusHandle:
    """Begins rounds over the actor's mailbox."""

    def __init__(self, ref: ActorRef[ConsensusMessage], desk: Desk) -> None:
        self._ref = ref
        self._desk = desk

    def configure(self, settings: ConsensusSettings) -> None:
        """Begin rounds by these from now on; those in progress go on as they began."""
        self._desk.settings = settings

    def learn(self, record: RequestRecord, score: float) -> None:
        """A round's answer got this score in [0, 1]."""
        self._ref.tell(LearnRound(record, score))

    def route(
        self,
        request: RouteRequest,
        sink: DeltaSink | None = None,
        on_start: StartSink | None = None,
    ) -> Pending[ConsensusMessage]:
        """A round about this request, whose ``consensus`` says how."""
        return Pending(
            self._ref,
            StartRound(request, sink, on_start),
            partial(CancelRound, request.request_id),
            self._desk.settings.deadline_s,
        )
