"""The places that one request has: in the house, and at the providers it calls."""

from actors.errors import DeadlineExceeded, GitBridgeError, Overloaded
from actors.messages.routing import RouteRequest
from actors.policy.amounts import lasting
from actors.policy.waiting_line import Shed, Waiter
from actors.router.gate import HOUSE, Answer, Gate
from actors.router.records import Journal
from actors.runtime import Backend


class Places:
    """Takes them, waits for them, and gives every one back exactly once."""

    __slots__ = (
        "_backend",
        "_deadline",
        "_gate",
        "_granted",
        "_held",
        "_inside",
        "_journal",
        "_request",
        "_waiter",
    )

    def __init__(
        self,
        gate: Gate,
        request: RouteRequest,
        deadline: float,
        journal: Journal,
        backend: Backend,
    ) -> None:
        self._gate = gate
        self._request = request
        self._deadline = deadline
        self._journal = journal
        self._backend = backend
        self._inside = False
        self._held: list[str] = []  # by provider; two while a call is hedged
        self._granted: str | None = None  # one of them, which no call uses yet
        self._waiter: Waiter | None = None

    def enter(self) -> bool:
        """Get a place in the house, if there is one."""
        if not self._inside and self._gate.room(HOUSE, self._backend.now()):
            self._gate.take(HOUSE)
            self._inside = True
        return self._inside

    def leave(self) -> None:
        """Give back whatever it has."""
        if not self._inside and not self._held:
            return
        held, self._held, self._granted = self._held, [], None
        if self._inside:
            self._inside = False
            held.append(HOUSE)
        now = self._backend.now()
        for place in held:
            self._gate.free(place, now)

    def room(self, provider: str) -> bool:
        """There is a place there for one more call."""
        return self._gate.room(provider, self._backend.now())

    def take(self, provider: str) -> bool:
        """Have a place there: the one that was waited for, or one that is free."""
        granted, self._granted = self._granted, None
        if granted == provider:
            return True
        if granted is not None:
            self.free(granted)
        if not self.room(provider):
            return False
        self._gate.take(provider)
        self._held.append(provider)
        return True

    def free(self, provider: str) -> None:
        """A call there has ended."""
        if provider in self._held:
            self._held.remove(provider)
            self._gate.free(provider, self._backend.now())

    async def wait_for_the_house(self) -> Shed | None:
        """Wait for a place in the house; ``None`` may also mean: look again."""
        answer = await self._line_up(frozenset((HOUSE,)))
        self._inside = answer == HOUSE
        return answer if isinstance(answer, Shed) else None

    async def wait_for(self, providers: frozenset[str]) -> Answer:
        """Wait for a place at one of them, keeping nobody out meanwhile."""
        self.leave()
        answer = await self._line_up(providers)
        self._gate.take(HOUSE)  # it was inside, and goes on
        self._inside = True
        self._granted = answer if isinstance(answer, str) else None
        if self._granted is not None:
            self._held.append(self._granted)
        return answer

    def withdraw(self) -> None:
        """Wait no longer."""
        if self._waiter is not None:
            self._gate.withdraw(self._waiter, self._backend.now())

    async def _line_up(self, places: frozenset[str]) -> Answer:
        request, started = self._request, self._backend.now()
        self._waiter = Waiter(
            request_id=request.request_id,
            places=places,
            deadline=self._deadline,
            since=started,
            priority=request.priority,
            user=request.user,
            durable=request.durable,
        )
        try:
            return await self._gate.wait(self._waiter, self._backend)
        finally:
            self._waiter = None
            self._journal.queued_for(self._backend.now() - started)

    def error_of(self, shed: Shed) -> GitBridgeError:
        """What the caller is told who got no place."""
        now = self._backend.now()
        names = sorted(shed.waiter.places - {HOUSE})
        where = f"at {', '.join(names)}" if names else "in the daemon"
        if shed.reason == "deadline":
            said = f"the deadline passed while waiting for a place {where}"
            return DeadlineExceeded(said)
        if shed.reason == "queue_full":
            said = f"too many requests wait for a place {where}"
        else:
            waited_s = now - shed.waiter.since
            said = f"overloaded: waited {lasting(waited_s)} for a place {where}"
        return Overloaded(said, retry_after_s=self._gate.retry_after_s(now))
