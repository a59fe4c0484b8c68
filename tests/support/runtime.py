"""An actor that does what its messages say, and what tests ask about its life."""

from collections.abc import Callable

from typing_extensions import override

from actors.messages.lifecycle import ActorExited, ActorRestarted
from actors.runtime import Actor, ActorSystem, ChildSpec, Reply, SupervisorSpec
from actors.runtime.restart import RestartPolicy

Order = Callable[["Puppet", Reply], object]


class Boom(Exception):
    """What puppets raise when told to."""


class Puppet(Actor[Order]):
    """Obeys orders: each message is a function of the puppet and the reply.

    ``log`` is shared by all lives of all puppets of a test; ``start`` and ``stop`` are
    orders to carry out in ``on_start`` and ``on_stop``.
    """

    def __init__(
        self, log: list[str], start: "Hook | None" = None, stop: "Hook | None" = None
    ) -> None:
        self.log = log
        self.count = 0
        self._start = start
        self._stop = stop

    @override
    def on_start(self) -> None:
        self.log.append(f"start {self.context.name}")
        if self._start is not None:
            self._start(self)

    @override
    def handle(self, message: Order, reply: Reply) -> None:
        message(self, reply)

    @override
    def on_stop(self) -> None:
        self.log.append(f"stop {self.context.name}")
        if self._stop is not None:
            self._stop(self)


Hook = Callable[[Puppet], object]


class Stage:
    """A log, the events of a system, and puppets that write to them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.events: list[ActorExited | ActorRestarted] = []
        self.crashes: list[tuple[str, BaseException]] = []

    def system(self) -> ActorSystem:
        return ActorSystem(
            on_event=self.events.append,
            on_crash=lambda name, error: self.crashes.append((name, error)),
        )

    def child(
        self,
        name: str,
        *,
        start: Hook | None = None,
        stop: Hook | None = None,
        restart: RestartPolicy = "permanent",
        shutdown_s: float = 5.0,
    ) -> ChildSpec:
        return ChildSpec(
            id=name,
            factory=lambda: Puppet(self.log, start, stop),
            restart=restart,
            shutdown_s=shutdown_s,
        )

    def exits(self) -> list[tuple[str, str]]:
        """Names and reasons of all ends so far."""
        return [(e.actor, e.reason) for e in self.events if isinstance(e, ActorExited)]

    def restarts(self) -> list[str]:
        return [e.actor for e in self.events if isinstance(e, ActorRestarted)]


def root(*children: ChildSpec | SupervisorSpec) -> SupervisorSpec:
    """A one_for_one supervisor with the usual intensity."""
    return SupervisorSpec(id="root", children=children)


def crash(_: Puppet, __: Reply) -> None:
    msg = "told to"
    raise Boom(msg)


def answer(value: object) -> Order:
    return lambda _, reply: reply.send(value)


def note(text: str) -> Order:
    return lambda puppet, _: puppet.log.append(text)


def ignore(_: Puppet, __: Reply) -> None:
    """Leave an ask unanswered."""
