"""One request, from its arrival to its record."""

import dataclasses

import anyio
import structlog
from msgspec.structs import replace

from actors.errors import (
    RESTART_S,
    Cancelled,
    DeadlineExceeded,
    GitBridgeError,
    InternalError,
    Interrupted,
    NoProvider,
)
from actors.messages.provider import Outcome, all_simulated
from actors.messages.routing import (
    Decision,
    ErrorInfo,
    RequestRecord,
    RouteResult,
)
from actors.policy.attempts import AttemptPlan, Call, GiveUp, Queue
from actors.policy.waiting_line import Shed
from actors.router.calls import Calls, tell_failure
from actors.router.desk import Desk, Plan
from actors.router.messages import StartRoute
from actors.router.places import Places
from actors.router.purse import count_unreserved
from actors.router.race import Spawn
from actors.router.records import Ending, Journal
from actors.runtime import Backend, Future

log = structlog.get_logger(actor="router")

_NOT_NOW = frozenset({"no_provider", "rate_limited", "provider_error"})
"""Ends of a request that nobody was asked for."""


class RequestRun:
    """Carries one request. ``run`` never raises, except when the router is stopped."""

    def __init__(
        self,
        desk: Desk,
        start: StartRoute,
        backend: Backend,
        spawn: Spawn,
    ) -> None:
        self._desk = desk
        settings = desk.settings
        self._request = request = start.request
        self._backend = backend
        self._started = backend.now()
        self._at = desk.tools.utc()
        asked = request.deadline_s or settings.deadline_s
        self._deadline = self._started + min(asked, settings.deadline_s)
        self._journal = Journal()
        self._stopped_by: GitBridgeError | None = None
        self._plan: Plan | None = None
        self._back_off: Future[None] | None = None
        self._places = Places(
            desk.gate, request, self._deadline, self._journal, backend
        )
        self._calls = Calls(
            desk,
            start,
            self._journal,
            backend,
            spawn,
            deadline=self._deadline,
            places=self._places,
        )

    # ---- from outside

    def cancel(self, *, interrupted: bool) -> None:
        """Stop the upstream call, or the wait before the next one."""
        self._stopped_by = (
            _interrupted()
            if interrupted
            else Cancelled("the caller cancelled the request")
        )
        self._calls.cancel()
        self._places.withdraw()
        self._wake()

    async def run(self) -> RouteResult | ErrorInfo:
        request = self._request
        error: GitBridgeError | None = None
        try:
            error = await self._admitted_run()
        except anyio.get_cancelled_exc_class():
            # The daemon stops: what was spent so far is written down all the same.
            self._interrupted()
            raise
        except Exception:
            log.exception("request_bug", request_id=request.request_id)
            error = InternalError("the daemon failed on this request; see its log")
            self._calls.cancel()
        finally:
            self._places.leave()
            if self._plan is not None and self._plan.purse is not None:
                self._plan.purse.close()
        return self._end(error)

    # ---- the steps

    async def _admitted_run(self) -> GitBridgeError | None:
        refused = await self._enter()
        if refused is not None:
            return refused
        now = self._backend.now()
        self._desk.budget.on_request(now)
        if self._desk.settings.hedge > 0.0:
            self._desk.hedges.on_request(now)
        error = await self._decided_run()
        if isinstance(error, NoProvider) and self._refused_unasked():
            # Breakers opened between the ranking and the asking: look again.
            error = await self._decided_run()
        if error is not None and error.kind in _NOT_NOW and self._refused_unasked():
            error = await self._doubtful_run(error)
        return error

    async def _enter(self) -> GitBridgeError | None:
        """Get a place in the house, after waiting for it when all are taken."""
        if self._backend.now() >= self._deadline:
            return DeadlineExceeded("the deadline had passed before the request came")
        while not self._places.enter():
            shed = await self._places.wait_for_the_house()
            if shed is not None:
                return self._places.error_of(shed)
            if self._stopped() is not None:
                return self._stopped()
        return None

    async def _decided_run(self, *, anyhow: bool = False) -> GitBridgeError | None:
        """Rank and attempt; ``anyhow``: open breakers keep nobody from being asked."""
        now = self._backend.now()
        plan = self._desk.decide(self._request, now, self._deadline)
        if anyhow:
            reason = f"nobody else can be asked: {plan.decision.reason}"
            decision = replace(plan.decision, degraded=True, reason=reason)
            plan = dataclasses.replace(plan, decision=decision)
        self._plan = plan
        if plan.attempts is None:
            return plan.error
        return await self._attempt_all(plan)

    def _refused_unasked(self) -> bool:
        """Our own breakers refused everybody who was ranked as fit to be asked."""
        decision = self._plan.decision if self._plan else None
        asked = bool(self._journal.attempts) or self._stopped() is not None
        return decision is not None and not decision.degraded and not asked

    async def _doubtful_run(self, error: GitBridgeError) -> GitBridgeError | None:
        """Ask whom only an open breaker keeps from it; the first error if nobody is.

        Who was fit has no money or no rate left: the last candidate is never ejected.
        """
        plan = self._plan
        doubtful = await self._decided_run(anyhow=True)
        if self._journal.attempts or self._stopped() is not None:
            return doubtful
        self._plan = plan
        return error

    async def _attempt_all(self, plan: Plan) -> GitBridgeError | None:
        attempts = plan.attempts
        assert attempts is not None
        step: Call | Queue | GiveUp | None = attempts.first(self._backend.now())
        while step is not None and self._stopped() is None:
            if isinstance(step, GiveUp):
                return self._calls.shown(step.error)
            if isinstance(step, Queue):
                step = await self._queue(step, attempts)
            else:
                step = await self._call(step, plan, attempts)
        return self._stopped() if step is not None else None

    async def _queue(self, step: Queue, attempts: AttemptPlan) -> Call | Queue | GiveUp:
        answer = await self._places.wait_for(step.providers)
        if isinstance(answer, Shed):
            return GiveUp(self._places.error_of(answer))
        tools, now = self._desk.tools, self._backend.now()
        return attempts.granted(answer, now, tools.draw(), self._desk.budget)

    async def _call(
        self, step: Call, plan: Plan, attempts: AttemptPlan
    ) -> Call | Queue | GiveUp | None:
        """Make one call; ``None`` when it was answered."""
        tools, budget = self._desk.tools, self._desk.budget
        if step.delay_s > 0.0:
            await self._wait(step.delay_s)
            if self._stopped() is not None:
                return step
        instead = await self._instead(step, plan, attempts)
        if instead is not None:
            return instead
        outcome = await self._calls.attempt(step, plan)
        if outcome.failure is None:
            return None
        if self._stopped() is not None:
            return step
        now, draw = self._backend.now(), tools.draw()
        following = attempts.after(outcome, now, draw, budget, self._calls.going_on())
        self._tell(outcome, following if isinstance(following, Call) else None)
        return following

    async def _instead(
        self, step: Call, plan: Plan, attempts: AttemptPlan
    ) -> Call | Queue | GiveUp | None:
        """What to do in place of a call that cannot be made now; ``None``: make it."""
        if plan.purse is None:
            return self._taken(step, plan, attempts)
        await plan.purse.claim(step.target)
        if self._stopped() is not None:
            return step  # nothing follows, and the purse is closed at the end
        instead = self._taken(step, plan, attempts)
        if instead is not None:
            plan.purse.drop()
        return instead

    def _taken(
        self, step: Call, plan: Plan, attempts: AttemptPlan
    ) -> Call | Queue | GiveUp | None:
        """As ``_instead``, by what is known here.

        What was free, or left of a budget, when it was chosen may be taken by now.
        """
        now, draw, budget = (
            self._backend.now(),
            self._desk.tools.draw,
            self._desk.budget,
        )
        if plan.purse is not None and not plan.purse.affords(step.target):
            return attempts.granted(None, now, draw(), budget)
        if not self._places.take(step.target.provider):
            return attempts.no_place(now, draw(), budget)
        return None

    def _stopped(self) -> GitBridgeError | None:
        return self._stopped_by

    async def _wait(self, delay_s: float) -> None:
        """Wait out a back-off; ``cancel`` ends it early."""
        self._back_off = self._backend.future()
        timer = self._backend.call_later(delay_s, self._wake)
        started = self._backend.now()
        try:
            await self._back_off
        finally:
            timer.cancel()
            self._back_off = None
            self._journal.waited_s += self._backend.now() - started

    def _wake(self) -> None:
        if self._back_off is not None and not self._back_off.done():
            self._back_off.set_result(None)

    def _tell(self, outcome: Outcome, following: Call | None) -> None:
        decision = self._plan.decision if self._plan else None
        tell_failure(
            self._request.request_id,
            decision.decision_id if decision else None,
            outcome,
            following,
        )

    # ---- the end

    def _end(self, error: GitBridgeError | None) -> RouteResult | ErrorInfo:
        if error is None:
            self._calls.hand_on_held()
        ending = self._ending(error)
        answered = self._journal.answered
        if error is None and answered is not None:
            experience = self._desk.experience
            experience.answered(self._request, answered, self._backend.now())
        self._write(ending.record())
        return ending.reply()

    def _ending(self, error: GitBridgeError | None) -> Ending:
        tools = self._desk.tools
        decision = (
            self._plan.decision
            if self._plan
            else Decision(
                decision_id=tools.new_id(),
                strategy=self._desk.strategy,
                weights=self._desk.weights,
                candidates=(),
                reason="ended before it was ranked",
            )
        )
        return Ending(
            request=self._request,
            decision=decision,
            journal=self._journal,
            at=self._at,
            latency_s=self._backend.now() - self._started,
            error=error,
            simulated=self._simulated(),
        )

    def _simulated(self) -> bool:
        if self._journal.attempts:
            return self._journal.simulated
        return all_simulated(self._desk.tools.providers.values())

    def _interrupted(self) -> None:
        self._calls.abandon()
        self._calls.write_down_lost()
        ending = self._ending(_interrupted())
        self._write(ending.record())

    def _write(self, record: RequestRecord) -> None:
        tools, sightings = self._desk.tools, self._desk.sightings
        purse = self._plan.purse if self._plan else None
        if purse is None and self._desk.daily.active:
            count_unreserved(self._desk.daily, record, tools.utc())
        seen = sightings.take()
        if seen:
            record = replace(record, sightings=seen)
        try:
            tools.spool.append(record)
        except OSError as error:
            sightings.give_back(seen)
            # The answer leaves all the same; the spool raises the condition itself.
            log.error(  # noqa: TRY400 - the system's words say it all
                "record_not_written", request_id=record.request_id, error=str(error)
            )
        tools.on_record(record)


def _interrupted() -> Interrupted:
    return Interrupted("the daemon stopped before the answer", retry_after_s=RESTART_S)
