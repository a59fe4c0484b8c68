"""A call and, when it takes too long, a second one beside it: the first answer wins.

A stream's first content decides, otherwise the whole answer. The loser is cancelled at
once, and what it cost is known when ``run`` returns. One that fails while the other runs
changes nothing; when it was the first, before its hedge began, there is no hedge: what
follows a failure is not the race's business.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from actors.messages.chat import Delta
from actors.messages.provider import Attempt, Failure, Outcome, ProviderRef
from actors.messages.routing import AttemptKind, Target
from actors.runtime import Backend, Future, TaskHandle

log = structlog.get_logger(actor="router")


@dataclass(slots=True, eq=False)
class Leg:
    """One upstream call of a request. ``started_at`` is UTC epoch seconds.

    ``provider`` has the call for good: another may have that name by the time it ends.
    ``held`` are the pieces of an answer that is only handed on when it is whole;
    ``emitted`` says that the caller has been handed one.
    """

    attempt: Attempt
    target: Target
    provider: ProviderRef | None
    kind: AttemptKind
    started_at: float
    held: list[Delta] = field(default_factory=list)
    outcome: Outcome | None = None
    dropped: bool = False
    emitted: bool = False

    def without_answer(self, failure: Failure, *, called: bool) -> Outcome:
        """The outcome of a call that the provider's actor says nothing of."""
        return Outcome(
            attempt_id=self.attempt.attempt_id,
            provider=self.target.provider,
            model=self.target.model,
            latency_s=0.0,
            failure=failure,
            called=called,
        )


class Caller(Protocol):
    """What a race needs of the request that runs it."""

    async def send(self, leg: Leg) -> Outcome:
        """Make the call; never raises for a failed one."""

    def drop(self, leg: Leg) -> None:
        """Stop the call: another one won."""

    def second(self, race: "Race") -> Leg | None:
        """The hedge to begin now, if one may."""

    def hand_on(self, leg: Leg, delta: Delta) -> None:
        """A piece of the answer of the leg that won."""


Spawn = Callable[[Coroutine[object, object, object]], TaskHandle]


class Race:
    """One call, and perhaps its hedge.

    Attributes:
        first, second: The legs; ``second`` is ``None`` until it was needed.
    """

    def __init__(self, caller: Caller, backend: Backend, spawn: Spawn) -> None:
        self._caller = caller
        self._backend = backend
        self._spawn = spawn
        self._winner: Leg | None = None
        self._awaited: Future[None] | None = None
        self._task: TaskHandle | None = None
        self._last: Leg  # to end
        self.first: Leg | None = None
        self.second: Leg | None = None

    def from_first(self, delta: Delta) -> None:
        """The sink of the first leg, if it is handed on piece by piece."""
        self._take(self.first, delta)

    def from_second(self, delta: Delta) -> None:
        """The sink of the second leg, likewise."""
        self._take(self.second, delta)

    def _take(self, leg: Leg | None, delta: Delta) -> None:
        if leg is None:
            return
        if self._winner is None:
            self._win(leg)
        if self._winner is leg:
            self._caller.hand_on(leg, delta)

    async def run(self, first: Leg, after_s: float) -> Leg:
        """Make the call, and the other one ``after_s`` seconds later.

        Returns:
            The leg whose outcome counts: the one that answered, or that failed last.
        """
        self.first = self._last = first
        timer = self._backend.call_later(after_s, self._begin_second)
        try:
            first.outcome = outcome = await self._caller.send(first)
            timer.cancel()
            self._last = first
            if self.second is not None:
                if outcome.failure is None and self._winner is None:
                    self._win(first)
                await self._end_of_second(self.second)
        finally:
            timer.cancel()
            if self._task is not None and not self._task.done():
                self._task.cancel()
        return self._winner if self._winner is not None else self._last

    async def _end_of_second(self, second: Leg) -> None:
        if second.outcome is None:
            self._awaited = self._backend.future()
            await self._awaited

    def _begin_second(self) -> None:
        if self._winner is not None or self.second is not None:
            return
        self.second = self._caller.second(self)
        if self.second is not None:
            self._task = self._spawn(self._run_second(self.second))

    async def _run_second(self, second: Leg) -> None:
        second.outcome = await self._sent(second)
        self._last = second
        if second.outcome.failure is None and self._winner is None:
            self._win(second)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    async def _sent(self, leg: Leg) -> Outcome:
        if leg.dropped:  # before its first step
            lost = Failure(
                failure="cancelled",
                message="another call of this request answered first",
                owner="us",
                neutral=True,
            )
            return leg.without_answer(lost, called=False)
        try:
            return await self._caller.send(leg)
        except Exception:
            log.exception("request_bug", request_id=leg.attempt.request_id)
            ours = Failure(
                failure="internal", message="the hedge failed", owner="us", neutral=True
            )
            return leg.without_answer(ours, called=True)

    def _win(self, leg: Leg) -> None:
        self._winner = leg
        other = self.second if leg is self.first else self.first
        if other is not None and other.outcome is None:
            other.dropped = True
            self._caller.drop(other)
