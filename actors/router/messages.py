"""What the router's own handle says to it; nobody else builds these."""

from msgspec import Struct

from actors.messages.provider import DeltaSink
from actors.messages.routing import RouteRequest, StartSink, Strategy, Weights


class StartRoute(Struct, frozen=True):
    """Command: get this answered. Answered with a ``RouteResult`` or ``ErrorInfo``."""

    request: RouteRequest
    sink: DeltaSink | None = None
    on_start: StartSink | None = None


class CancelRoute(Struct, frozen=True):
    """Command: the caller left, or (``interrupted``) the daemon stops."""

    request_id: str
    interrupted: bool = False


class SetOverrides(Struct, frozen=True, kw_only=True):
    """Command: change strategy or weights; ``None`` goes back to the configuration."""

    strategy: Strategy | None = None
    weights: Weights | None = None
    change_strategy: bool = False
    change_weights: bool = False


RouterMessage = StartRoute | CancelRoute | SetOverrides
