"""Starting, stopping and dying."""

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

ExitReason = Literal["stopped", "crashed", "cancelled"]
Severity = Literal["info", "warning", "error"]


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
    """Something an operator should know: what, how bad, since when, what to do.

    ``since`` is UTC epoch seconds. ``provider`` and ``model`` say whom it is about, where
    it is about somebody.
    """

    code: str
    severity: Severity
    title: str
    text: str
    since: float
    advice: str
    provider: str | None = None
    model: str | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """What a part of the daemon finds wrong now; a catalogue says the rest about it.

    ``values`` fill the places in the text of that ``code``. ``subject`` tells apart what
    is found about several things of one kind, such as files.
    """

    code: str
    values: Mapping[str, object] = {}
    provider: str | None = None
    model: str | None = None
    subject: str = ""


class StateKeeper(Protocol):
    """Keeps an actor's last dump over its own and the process's restarts."""

    def load(self, key: str) -> bytes | None: ...

    def save(self, key: str, state: bytes) -> None: ...
