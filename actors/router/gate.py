"""Places at the providers and in the house, and the requests that wait for one.

Counts the calls that the router has at each provider, which is what it knows without
asking: as many as the provider's snapshot allows, and nobody overtakes who waits. The
provider's own limiter stays the authority. A place that comes free goes to whose turn
it is (``policy.admission``), counted as taken before the waiter hears of it.

While nobody waits all of this is a few look-ups: no task, no timer, no future.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

from actors.messages.provider import ProviderRef, ProviderSnapshot
from actors.messages.router import QueueExit, QueueResult
from actors.messages.routing import Priority
from actors.policy.admission import AdmissionQueue
from actors.policy.waiting_line import Shed, Waiter
from actors.runtime import Backend, Future, TimerHandle

HOUSE: Final = ""
"""The place in the daemon itself, that every request needs while it is worked on."""

PATIENCE_S = 30.0
"""A provider that lets nobody in for longer is not queued for: it says so itself."""

EPSILON_S = 1e-6
"""Waits below this are rounding errors: who waited as told is let in."""

MIN_RETRY_AFTER_S = 1.0
MAX_RETRY_AFTER_S = 30.0
_MEMORY_S = 10.0

Answer = str | Shed | None
"""The place that a waiter got; why it gets none; ``None``: look again."""


class Gate:
    """See the module.

    Args:
        providers: The handles by name; the mapping may change.
        max_inside: Requests that may be worked on at once.
        max_waiting: Requests that may wait at once.
        tell: Hears of everyone who waits no longer; must not block or raise.
    """

    def __init__(
        self,
        providers: Mapping[str, ProviderRef],
        *,
        max_inside: int,
        max_waiting: int,
        tell: Callable[[QueueExit], None],
    ) -> None:
        self._providers = providers
        self._max_inside = max_inside
        self._tell = tell
        self._queue = AdmissionQueue(max_waiting)
        self._taken: dict[str, int] = {HOUSE: 0}
        self._futures: dict[Waiter, Future[Answer]] = {}
        self._granted: dict[Waiter, str] = {}
        self._timers: dict[str, tuple[float, TimerHandle]] = {}  # and when they end
        self._backend: Backend | None = None  # that of whoever waits
        self._served = 0.0  # fading with a time constant of _MEMORY_S
        self._served_at = 0.0

    @property
    def in_flight(self) -> int:
        """Requests that came and are not answered."""
        return self._taken[HOUSE] + self._queue.waiting

    @property
    def waiting(self) -> int:
        return self._queue.waiting

    def depths(self) -> dict[Priority, int]:
        """How many wait, by priority."""
        return self._queue.depths()

    def taken(self, place: str) -> int:
        """How many places there the router's requests have."""
        return self._taken.get(place, 0)

    def configure(self, *, max_inside: int, max_waiting: int) -> None:
        """Have other limits, or other providers: whoever waits decides anew."""
        self._max_inside = max_inside
        self._queue.max_waiting = max_waiting
        if self._backend is not None:
            now = self._backend.now()
            for waiter in tuple(self._futures):
                self.withdraw(waiter, now)

    # ---- places

    def room(self, place: str, now: float) -> bool:
        """One may go there at once: there is a place, and nobody waits for it."""
        if self._queue.waiting and self._queue.wanted(place):
            return False
        return self._open(place, now)

    def take(self, place: str) -> None:
        self._taken[place] = self._taken.get(place, 0) + 1

    def free(self, place: str, now: float) -> None:
        """Give a place back; it goes to whose turn it is."""
        left = self._taken[place] - 1
        if left or place == HOUSE:
            self._taken[place] = left
        else:
            del self._taken[place]  # the provider may be gone for good
        if self._queue.waiting:
            self._pump(place, now)

    def _open(self, place: str, now: float) -> bool:
        if place == HOUSE:
            return self._taken[HOUSE] < self._max_inside
        provider = self._providers.get(place)
        if provider is None:
            return True  # it is gone, and whoever asks it is told so
        snapshot = provider.snapshot()
        limit = snapshot.concurrency_limit
        taken = self._taken.get(place, 0)
        if limit is not None and max(taken, snapshot.in_flight) >= limit:
            return False
        if snapshot.blocked_until > now + PATIENCE_S:
            return True
        return self._opens_at(place, snapshot) <= now + EPSILON_S

    def _opens_at(self, place: str, snapshot: ProviderSnapshot) -> float:
        """When its rate lets the next one in, after those who are on their way there."""
        on_their_way = max(0, self._taken.get(place, 0) - snapshot.in_flight)
        paced_at = (
            snapshot.requests_free_at + on_their_way * snapshot.request_interval_s
        )
        return max(snapshot.blocked_until, paced_at)

    # ---- waiting

    async def wait(self, waiter: Waiter, backend: Backend) -> Answer:
        """Wait for one of its places; the one it gets is taken.

        Cancelling the waiting task, or ``withdraw``, ends the wait at once.
        """
        self._backend, now = backend, backend.now()
        future: Future[Answer] = backend.future()
        self._futures[waiter] = future
        refused = self._queue.join(waiter, now)
        if refused is not None:
            self._answer(refused.waiter, refused, now)
        for place in waiter.places:
            self._pump(place, now)
        timer = backend.call_later(
            max(0.0, waiter.deadline - now), self._expire, waiter, backend
        )
        try:
            answer = await future
        except BaseException:
            self._abandon(waiter, backend.now())
            raise
        finally:
            timer.cancel()
        self._granted.pop(waiter, None)
        return answer

    def withdraw(self, waiter: Waiter, now: float) -> None:
        """Have it wait no longer: ``wait`` returns ``None``, if it still waits."""
        if waiter in self._futures:
            self._queue.leave(waiter)
            self._answer(waiter, None, now)

    def retry_after_s(self, now: float) -> float:
        """When it may be worth coming again: about when those who wait are through."""
        rate = self._served * math.exp((self._served_at - now) / _MEMORY_S) / _MEMORY_S
        wait_s = self._queue.waiting / rate if rate > 0.0 else MAX_RETRY_AFTER_S
        return min(MAX_RETRY_AFTER_S, max(MIN_RETRY_AFTER_S, wait_s))

    def _expire(self, waiter: Waiter, backend: Backend) -> None:
        if waiter in self._futures:
            self._queue.leave(waiter)
            self._answer(waiter, Shed(waiter, "deadline"), backend.now())

    def _abandon(self, waiter: Waiter, now: float) -> None:
        """Its task was cancelled, before or after it got a place."""
        if waiter in self._futures:
            self._queue.leave(waiter)
            self._answer(waiter, None, now)
        place = self._granted.pop(waiter, None)
        if place is not None:
            self.free(place, now)

    def _answer(self, waiter: Waiter, answer: Answer, now: float) -> None:
        future = self._futures.pop(waiter)
        if isinstance(answer, str):
            self.take(answer)
            self._granted[waiter] = answer
            self._count(now)
        if not future.done():  # else its task is being cancelled, and will abandon it
            future.set_result(answer)
        self._tell(QueueExit(waiter.priority, now - waiter.since, _word(answer)))

    def _pump(self, place: str, now: float) -> None:
        while self._queue.wanted(place) and self._open(place, now):
            turn = self._queue.next(place, now)
            for shed in turn.shed:
                self._answer(shed.waiter, shed, now)
            if turn.waiter is not None:
                self._answer(turn.waiter, place, now)
        self._wake_when_it_opens(place, now)

    def _wake_when_it_opens(self, place: str, now: float) -> None:
        """Calls that end free places by themselves; the end of a rate limit does not."""
        provider, backend = self._providers.get(place), self._backend
        if provider is None or backend is None or not self._queue.wanted(place):
            return
        opens_at = self._opens_at(place, provider.snapshot())
        set_for, timer = self._timers.get(place, (math.inf, None))
        if opens_at <= now + EPSILON_S or opens_at >= set_for:
            return
        if (
            timer is not None
        ):  # it opens sooner than it seemed when calls were on the way
            timer.cancel()
        timer = backend.call_later(opens_at - now, self._opens, place)
        self._timers[place] = opens_at, timer

    def _opens(self, place: str) -> None:
        del self._timers[place]
        if self._backend is not None:
            self._pump(place, self._backend.now())

    def _count(self, now: float) -> None:
        faded = math.exp((self._served_at - now) / _MEMORY_S)
        self._served, self._served_at = self._served * faded + 1.0, now


def _word(answer: Answer) -> QueueResult:
    if isinstance(answer, str):
        return "served"
    return "left" if answer is None else answer.reason
