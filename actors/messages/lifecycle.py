"""Starting, stopping and dying."""

from typing import Literal, Protocol

from msgspec import Struct

ExitReason = Literal["stopped", "crashed", "cancelled"]


class ActorExited(Struct, frozen=True, kw_only=True):
    """Event: an actor ended. ``error`` is the exception's type and text."""

    actor: str
    reason: ExitReason
    error: str | None = None


class ActorRestarted(Struct, frozen=True, kw_only=True):
    """Event: a supervisor started an actor again."""

    actor: str
    restarts: int
    error: str | None = None


class Condition(Struct, frozen=True, kw_only=True):
    """Something an operator should know: what, how bad, since when, what to do."""

    code: str
    severity: Literal["info", "warning", "error"]
    text: str
    since: float
    advice: str
    provider: str | None = None


class StateKeeper(Protocol):
    """Keeps an actor's last dump over its own and the process's restarts."""

    def load(self, key: str) -> bytes | None: ...

    def save(self, key: str, state: bytes) -> None: ...
