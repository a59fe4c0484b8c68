"""What the places of a tree, its supervisors and its root know of each other."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Literal, Never, Protocol

from msgspec import Struct

from actors.messages.lifecycle import ExitReason
from actors.runtime.actor import Actor
from actors.runtime.backend import Backend
from actors.runtime.mailbox import Overflow
from actors.runtime.restart import RestartPolicy

Phase = Literal["down", "running", "draining", "ending"]


class ChildSpec(Struct, frozen=True, kw_only=True):
    """How to start, restart and stop an actor.

    ``id`` is its name, unique in its system. ``restart``: ``permanent`` always,
    ``transient`` after a crash, ``temporary`` never. ``shutdown_s`` bounds the drain of
    an orderly stop in seconds; 0 cancels at once. ``mailbox`` counts messages.
    """

    id: str
    factory: Callable[[], Actor[Never]]
    restart: RestartPolicy = "permanent"
    shutdown_s: float = 5.0
    mailbox: int = 1024
    overflow: Overflow = "reject"


class Exit(Struct, frozen=True):
    """How a life ended."""

    reason: ExitReason
    error: BaseException | None = None


class Parent(Protocol):
    """Who hears of a child's end."""

    def child_exited(self, child: "Child", ended: Exit) -> None: ...


class Child(Protocol):
    """What supervisors supervise: actors and other supervisors.

    Attributes:
        lives: How often it has been started.
        wanted: It should be running; false once it has ended for good.
    """

    name: str
    policy: RestartPolicy
    lives: int
    wanted: bool

    @property
    def down(self) -> bool: ...

    def names(self) -> list[str]:
        """Its name and those of everything below."""

    def start(self) -> BaseException | None:
        """Start it; return what kept it from starting. It has ended then."""

    async def stop(self) -> None:
        """End it in an orderly way; return when it is down."""

    async def cancel(self) -> None:
        """End it at once; return when it is down."""


class Host(Protocol):
    """What the whole tree shares."""

    @property
    def backend(self) -> Backend: ...

    def exited(self, name: str, ended: Exit, notes: Sequence[str] = ()) -> None:
        """Tell the listener that a life is over."""

    def restarted(self, child: Child, ended: Exit) -> None:
        """Tell the listener that a child runs again, and what had ended it."""

    def spawn(self, coro: Coroutine[object, object, None], name: str) -> None:
        """Run a supervisor's own work."""

    def claim(self, name: str) -> None:
        """Reserve a name; raises ``ValueError`` when it is taken."""

    def release(self, names: list[str]) -> None: ...


def error_text(error: BaseException) -> str:
    """The exception's type and text."""
    return f"{type(error).__name__}: {error}"


def describe(ended: Exit) -> str:
    """How a life ended, for people."""
    if ended.error is None:
        return f"was {ended.reason}"

    return f"{ended.reason} ({error_text(ended.error)})"
