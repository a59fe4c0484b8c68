"""What the actor's own handle says to it; nobody else builds these."""

from msgspec import Struct

from actors.messages.provider import DeltaSink
from actors.messages.routing import RequestRecord, RouteRequest, StartSink


class StartRound(Struct, frozen=True):
    """Command: carry this round; answered with a ``RouteResult`` or ``ErrorInfo``."""

    request: RouteRequest
    sink: DeltaSink | None = None
    on_start: StartSink | None = None


class CancelRound(Struct, frozen=True):
    """Command: the caller left, or the daemon stops (``interrupted``)."""

    request_id: str
    interrupted: bool = False


class LearnRound(Struct, frozen=True):
    """Event: a round's answer got this score in [0, 1]."""

    record: RequestRecord
    score: float


ConsensusMessage = StartRound | CancelRound | LearnRound
