"""Supervisors: start children in order, start them again, give up in time."""

from collections import deque
from typing import Literal

from msgspec import Struct

from actors.errors import OurError
from actors.runtime.cell import ActorCell
from actors.runtime.ref import ActorRef, ActorStopped
from actors.runtime.restart import RestartPolicy, add_restart, should_restart
from actors.runtime.tree import (
    Child,
    ChildSpec,
    Exit,
    Host,
    Parent,
    Phase,
    error_text,
)

Strategy = Literal["one_for_one", "rest_for_one"]


class SupervisorSpec(Struct, frozen=True, kw_only=True):
    """A supervisor and its children, in starting order.

    ``one_for_one`` restarts the child that ended; ``rest_for_one`` also those after it.
    More than ``max_restarts`` within ``within_s`` seconds is escalated.
    """

    id: str
    strategy: Strategy = "one_for_one"
    children: "tuple[ChildSpec | SupervisorSpec, ...]" = ()
    max_restarts: int = 5
    within_s: float = 30.0


class RestartsExceeded(OurError):
    """Raised when a supervisor has restarted its children too often and gives up."""


class Supervisor:
    """A supervisor in a running system.

    Attributes:
        name: Its id.
        lives: How often it has been started.
    """

    policy: RestartPolicy = "permanent"

    def __init__(self, spec: SupervisorSpec, host: Host, parent: Parent) -> None:
        self.name = spec.id
        self.lives = 0
        self.wanted = False
        self._spec = spec
        self._host = host
        self._parent = parent
        self._phase: Phase = "down"
        self._children: list[ActorCell | Supervisor] = []
        self._exits: deque[tuple[Child, int, Exit]] = deque()
        self._repairing = False
        self._history: tuple[float, ...] = ()
        try:
            for child in spec.children:
                if isinstance(child, SupervisorSpec):
                    self._adopt(Supervisor(child, host, self))
                else:
                    self._adopt(ActorCell(child, host, self))
        except ValueError:
            host.release(self.names()[1:])  # its own is its parent's to claim
            raise

    @property
    def down(self) -> bool:
        return self._phase == "down"

    @property
    def children(self) -> "tuple[ActorCell | Supervisor, ...]":
        return tuple(self._children)

    def ref(self, name: str) -> ActorRef[object]:
        """The ref of the actor ``name``, anywhere below.

        Raises:
            LookupError: There is none.
        """
        for cell in self.actors():
            if cell.name == name:
                return cell.ref

        msg = f"there is no actor {name} below {self.name}"
        raise LookupError(msg)

    def supervisor(self, name: str) -> "Supervisor":
        """The supervisor ``name``, anywhere below.

        Raises:
            LookupError: There is none.
        """
        for child in self._children:
            if isinstance(child, Supervisor):
                if child.name == name:
                    return child

                try:
                    return child.supervisor(name)
                except LookupError:
                    continue

        msg = f"there is no supervisor {name} below {self.name}"
        raise LookupError(msg)

    def actors(self) -> list[ActorCell]:
        """Every actor below, in starting order."""
        found: list[ActorCell] = []
        for child in self._children:
            if isinstance(child, Supervisor):
                found.extend(child.actors())
            else:
                found.append(child)

        return found

    def names(self) -> list[str]:
        """Its own and all below, in starting order."""
        below = [name for child in self._children for name in child.names()]
        return [self.name, *below]

    def add_child(self, spec: ChildSpec) -> ActorRef[object]:
        """Start one more child, after the others.

        Raises:
            ActorStopped: The supervisor is not running.
            ValueError: The id is taken.
            Exception: Whatever kept it from starting; it is not added then.
        """
        self._check_running()
        cell = ActorCell(spec, self._host, self)
        self._add(cell)
        return cell.ref

    def add_supervisor(self, spec: SupervisorSpec) -> "Supervisor":
        """Start one more supervisor with its children, after the others.

        Raises:
            ActorStopped: This one is not running.
            ValueError: One of its ids is taken.
            Exception: Whatever kept a child from starting; nothing is added then.
        """
        self._check_running()
        supervisor = Supervisor(spec, self._host, self)
        self._add(supervisor)
        return supervisor

    def _check_running(self) -> None:
        if self._phase != "running":
            raise ActorStopped(f"{self.name} is not running")

    def _add(self, child: "ActorCell | Supervisor") -> None:
        try:
            self._adopt(child)
        except ValueError:
            self._host.release(child.names()[1:])
            raise

        error = child.start()
        if error is not None:
            child.wanted = False
            self._forget(child)
            raise error

    async def remove_child(self, name: str) -> None:
        """Stop a child, or a whole supervisor, in an orderly way and forget it.

        Raises:
            LookupError: There is none of this name directly below.
        """
        for child in self._children:
            if child.name == name:
                child.wanted = False
                try:
                    await child.stop()
                finally:
                    self._forget(child)

                return

        msg = f"{self.name} has no child {name}"
        raise LookupError(msg)

    def start(self) -> BaseException | None:
        """Start the children left to right; the first failure cancels the others."""
        self.lives += 1
        self.wanted = True
        self._history = ()
        for child in self._children:
            error = child.start()
            if error is not None:
                self._phase = "ending"
                self._host.spawn(self._wind_down(Exit("crashed", error)), self.name)
                return error

        self._phase = "running"
        return None

    async def stop(self) -> None:
        """Stop the children right to left, each in an orderly way."""
        await self._wind_down(Exit("stopped"))

    async def cancel(self) -> None:
        """Cancel the children right to left."""
        await self._wind_down(Exit("cancelled"))

    def child_exited(self, child: Child, ended: Exit) -> None:
        """Hear of a child's end, from the child. Repairs run one at a time."""
        if self._phase != "running" or ended.reason == "cancelled":
            return

        self._exits.append((child, child.lives, ended))
        if not self._repairing:
            self._repairing = True
            self._host.spawn(self._repair(), self.name)

    async def _repair(self) -> None:
        while self._exits and self._phase == "running":
            child, life, ended = self._exits.popleft()
            if child.wanted and child.down and child.lives == life:
                await self._replace(child, ended)

        self._repairing = False

    async def _replace(self, child: Child, ended: Exit) -> None:
        if not should_restart(child.policy, ended.reason):
            child.wanted = False
            if child.policy == "temporary":
                self._forget(child)

            return

        spec, now = self._spec, self._host.backend.now()
        self._history, allowed = add_restart(
            self._history, now, spec.max_restarts, spec.within_s
        )
        if not allowed:
            await self._wind_down(Exit("crashed", self._exceeded(child, ended)))
            return

        others = self._after(child) if spec.strategy == "rest_for_one" else []
        for other in reversed(others):
            await other.cancel()

        self._start_again([child, *others], ended)

    def _start_again(self, children: list[Child], ended: Exit) -> None:
        for child in children:
            if self._phase != "running":
                return

            if child.wanted and child.down:
                error = child.start()
                if error is not None:
                    return  # which is an exit of its own, with its own repair

                self._host.restarted(child, ended)

    def _after(self, child: Child) -> list[Child]:
        position = next(i for i, c in enumerate(self._children) if c is child)
        return [other for other in self._children[position + 1 :] if other.wanted]

    def _exceeded(self, child: Child, ended: Exit) -> RestartsExceeded:
        spec = self._spec
        last = f": {error_text(ended.error)}" if ended.error else ""
        error = RestartsExceeded(
            f"{self.name} gives up: more than {spec.max_restarts} restarts within"
            f" {spec.within_s:g} s, the last for {child.name}{last}"
        )
        error.__cause__ = ended.error
        return error

    async def _wind_down(self, ended: Exit) -> None:
        if self._phase == "down":
            return

        self._phase = "ending"
        self._exits.clear()
        for child in reversed(self.children):
            if ended.reason == "stopped":
                await child.stop()
            else:
                await child.cancel()

        if self._phase == "ending":
            self._phase = "down"
            self._host.exited(self.name, ended)
            self._parent.child_exited(self, ended)

    def _adopt(self, child: "ActorCell | Supervisor") -> None:
        self._host.claim(child.name)
        self._children.append(child)

    def _forget(self, child: Child) -> None:
        self._children = [other for other in self._children if other is not child]
        self._host.release(child.names())
