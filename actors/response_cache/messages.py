"""What the actor's own handle says to it; nobody else builds these."""

from msgspec import Struct

from actors.messages.provider import DeltaSink
from actors.messages.routing import RouteRequest, StartSink


class StartAnswer(Struct, frozen=True):
    """Command: get this answered. Answered with a ``RouteResult`` or ``ErrorInfo``."""

    request: RouteRequest
    sink: DeltaSink | None = None
    on_start: StartSink | None = None


class CancelAnswer(Struct, frozen=True):
    """Command: the caller left, or (``interrupted``) the daemon stops."""

    request_id: str
    interrupted: bool = False


CacheMessage = StartAnswer | CancelAnswer
