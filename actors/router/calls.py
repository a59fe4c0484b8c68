"""The upstream calls of one request: made, handed on, written down."""

from collections.abc import Callable

import structlog
from msgspec.structs import replace

from actors.errors import GitBridgeError
from actors.messages.chat import ChatRequest, ContinuesAs, Delta
from actors.messages.provider import Attempt, DeltaSink, Failure, Outcome
from actors.messages.routing import AttemptKind, Started, Target
from actors.policy.attempts import Call
from actors.policy.pool import GoingOn
from actors.router.desk import Desk, Plan, fill_defaults
from actors.router.messages import StartRoute
from actors.router.places import Places
from actors.router.race import Leg, Race, Spawn
from actors.router.records import Journal
from actors.router.resumption import Resumption, Takeover
from actors.runtime import Backend

log = structlog.get_logger(actor="router")


class Calls:
    """Makes one call at a time, or two where a hedge is wanted.

    Attributes:
        legs: The calls that are not in the journal yet, in the order they began.
    """

    def __init__(
        self,
        desk: Desk,
        start: StartRoute,
        journal: Journal,
        backend: Backend,
        spawn: Spawn,
        *,
        deadline: float,
        places: Places,
    ) -> None:
        self._desk = desk
        self._settings = desk.settings  # they may change meanwhile
        self._request = start.request
        self._sink = start.sink
        self._on_start = start.on_start
        self._journal = journal
        self._places = places
        self._backend = backend
        self._spawn = spawn
        self._deadline = deadline
        self._plan: Plan | None = None
        self._target: Target | None = None  # whose deltas are handed on
        self._held: list[Delta] = []
        self._stopped = False
        self._passed_on = 0
        self._began = backend.now()
        self._resumption: Resumption | None = None
        self.legs: list[Leg] = []

    def cancel(self) -> None:
        """Stop what is under way; no hedge begins any more."""
        self._stopped = True
        self._drop_all()

    def _drop_all(self, *, lost: bool = False) -> None:
        for leg in self.legs:
            if leg.provider is not None:
                leg.provider.cancel(leg.attempt.attempt_id, lost=lost)

    def abandon(self) -> None:
        """The caller has been told that the router ended: nothing may follow that."""
        self._sink = None
        self.cancel()

    async def attempt(self, call: Call, plan: Plan) -> Outcome:
        """Make a call, in the journal when this returns; and its hedge, if it has one.

        Returns:
            The outcome that counts: the answer, or the last failure.
        """
        self._plan = plan
        if plan.mode == "resume" and self._request.stream:
            return await self._resumable(call, plan)
        return await self._made(call, plan, self._pass_on)

    async def _made(self, call: Call, plan: Plan, hand_on: DeltaSink) -> Outcome:
        after_s = plan.decision.hedge_after_s
        if after_s is not None:
            return await self._raced(call, plan, after_s)
        leg, before = self._leg(call, plan, hand_on), self._passed_on
        leg.outcome = await self.send(leg)
        leg.emitted = self._passed_on > before
        self._journal.waited_s += leg.outcome.latency_s
        return self._ended(leg, plan)

    def _leg(
        self,
        call: Call,
        plan: Plan,
        hand_on: DeltaSink,
        asked: Callable[[ChatRequest], ChatRequest] | None = None,
    ) -> Leg:
        tools, target = self._desk.tools, call.target
        chat = fill_defaults(
            self._settings, target, self._request.chat, plan.max_tokens
        )
        held: list[Delta] = []
        sink: DeltaSink | None = None
        if self._request.stream:
            sink = held.append if plan.mode == "buffered" else hand_on
        elif self._settings.stream_upstream and chat.embed is None:
            sink = _nobody  # the whole answer is what counts
        attempt = Attempt(
            attempt_id=tools.new_id(),
            request_id=self._request.request_id,
            model=target.model,
            request=chat if asked is None else asked(chat),
            deadline=self._deadline,
            sink=sink,
            forced=plan.decision.degraded,
            counted=call.counts,
            first_token_s=None if sink is None else self._first_token_s(call, plan),
            timeouts=plan.timeouts,
        )
        provider = tools.providers.get(target.provider)
        if self._journal.attempts and not call.hedge:
            # Repeats and failovers use up what hedges may add to all calls.
            self._desk.hedges.charge(self._backend.now())
        if plan.purse is not None:
            plan.purse.reserve(attempt.attempt_id, target)
        leg = Leg(attempt, target, provider, self._kind(call), tools.utc(), held)
        self.legs.append(leg)
        if not call.hedge:
            self._target = target
        return leg

    def _first_token_s(self, call: Call, plan: Plan) -> float | None:
        if call.hedge or plan.attempts is None:
            return None
        return plan.attempts.first_token_s(self._backend.now(), self._desk.budget)

    def _kind(self, call: Call) -> AttemptKind:
        if call.hedge:
            return "hedge"
        if self._broken is not None:
            return "resume"
        if not self._journal.attempts:
            return "first"
        return "retry" if call.repeat else "failover"

    async def send(self, leg: Leg) -> Outcome:
        """Make the call, and give its place back."""
        name = leg.target.provider
        if leg.kind == "hedge":
            self._places.take(name)
        try:
            if leg.provider is None:
                return _not_made(leg, f"{name} was removed")
            if not await self._admitted(leg):
                return _not_made(leg, "the daily budget was taken meanwhile")
            return await leg.provider.attempt(leg.attempt)
        finally:
            self._places.free(name)

    async def _admitted(self, leg: Leg) -> bool:
        purse = None if self._plan is None else self._plan.purse
        if purse is None:
            return True
        return await purse.admitted(leg.attempt.attempt_id, leg.target)

    def _ended(self, leg: Leg, plan: Plan) -> Outcome:
        """Write a call down; what it means for the plan."""
        outcome = leg.outcome
        assert outcome is not None
        self.legs.remove(leg)
        self._write_down(leg, outcome, plan)
        if plan.mode != "buffered":
            # An actor that crashed cannot say any more what it had handed on.
            told = outcome.failure is not None and leg.emitted
            return replace(outcome, emitted=True) if told else outcome
        if outcome.failure is None:
            self._held = leg.held
            return outcome
        return replace(outcome, emitted=False)

    def _write_down(self, leg: Leg, outcome: Outcome, plan: Plan | None) -> None:
        purse = None if plan is None else plan.purse
        held = purse.settle(leg.attempt.attempt_id, outcome) if purse else None
        self._journal.add(outcome, leg.started_at, leg.kind, held)

    def write_down_lost(self) -> None:
        """The daemon stops in the middle: what was under way may have cost money."""
        stopped = Failure(failure="cancelled", message="the daemon stopped", owner="us")
        for leg in self.legs:
            since_s = self._desk.tools.utc() - leg.started_at
            lost = leg.without_answer(stopped, called=True)
            lost = replace(lost, latency_s=max(0.0, since_s))
            self._write_down(leg, leg.outcome or lost, self._plan)

    # ---- going on with a stream that broke

    @property
    def _broken(self) -> Outcome | None:
        return self._resumption.broken if self._resumption else None

    def going_on(self) -> GoingOn | None:
        """Who may go on with what the caller has; ``None``: nothing is to be gone on."""
        return self._fitness if self._broken is not None else None

    def _fitness(self, target: Target) -> int | None:
        known = self._resumes_as(target)
        if known is None or self._resumption is None:
            return None
        return int(self._resumption.way(target, known) == "none")

    def _resumes_as(self, target: Target) -> ContinuesAs | None:
        provider = self._desk.tools.providers.get(target.provider)
        return None if provider is None else provider.resumes_as(target.model)

    def shown(self, error: GitBridgeError) -> GitBridgeError:
        """What the caller is told at the end."""
        return error if self._resumption is None else self._resumption.shown(error)

    async def _resumable(self, call: Call, plan: Plan) -> Outcome:
        resumption = self._resumption
        if resumption is None:
            resumption = self._resumption = Resumption(self._desk.refused_prefixes)
        if resumption.broken is None:
            outcome = await self._made(call, plan, self._hear)
            self._note_first_token(outcome)
        else:
            outcome = await self._taken_over(call, plan, resumption)
        if outcome.failure is None:
            self._journal.answered = resumption.whole(outcome)
        elif outcome.emitted and resumption.broke(outcome):
            return replace(outcome, emitted=False)
        return outcome

    async def _taken_over(
        self, call: Call, plan: Plan, resumption: Resumption
    ) -> Outcome:
        target = call.target
        way = resumption.way(target, self._resumes_as(target))
        takeover = Takeover(
            resumption.splice(way), self._hear, lambda: self._drop_all(lost=True)
        )
        leg = self._leg(
            call, plan, takeover.take, lambda chat: resumption.request(chat, way)
        )
        outcome = await self.send(leg)
        if outcome.failure is None:
            takeover.finish()
        leg.outcome = resumption.judged(outcome, target, way, takeover.diverged)
        self._journal.waited_s += outcome.latency_s
        return self._ended(leg, plan)

    def _note_first_token(self, outcome: Outcome) -> None:
        if outcome.failure is not None and outcome.time_to_first_token_s is not None:
            before = self._backend.now() - self._began - outcome.latency_s
            first_s = max(0.0, before) + outcome.time_to_first_token_s
            self._journal.first_token_s = first_s

    def _hear(self, delta: Delta) -> None:
        """Hand a piece on, and remember that the caller has it."""
        if self._resumption is not None:
            self._resumption.heard(delta)
        self._pass_on(delta)

    # ---- two calls at once

    async def _raced(self, call: Call, plan: Plan, after_s: float) -> Outcome:
        race = Race(self, self._backend, self._spawn)
        began = self._backend.now()
        leg = await race.run(self._leg(call, plan, race.from_first), after_s)
        self._journal.waited_s += self._backend.now() - began
        outcome = leg.outcome
        for each in tuple(self.legs):
            if each is leg:
                outcome = self._ended(each, plan)
            else:
                self._beside(each, plan)
        assert outcome is not None
        self._target = leg.target
        if outcome.failure is None:  # both may have answered in the same moment
            self._journal.answered = outcome
            self._held = leg.held
        return outcome

    def _beside(self, leg: Leg, plan: Plan) -> None:
        """Write down the call that did not give the answer."""
        outcome = self._ended(leg, plan)
        failure = outcome.failure
        if failure is None or plan.attempts is None:
            return
        plan.attempts.beside(outcome, self._backend.now())
        if leg.kind == "hedge" and not outcome.called:
            self._desk.budget.give_back()
            self._desk.hedges.give_back()
        if failure.failure != "cancelled":
            decision_id = plan.decision.decision_id
            tell_failure(self._request.request_id, decision_id, outcome, None)

    def second(self, race: Race) -> Leg | None:
        """The hedge that a race may begin now."""
        plan, desk = self._plan, self._desk
        if plan is None or plan.attempts is None or self._stopped:
            return None
        call = plan.attempts.hedge(
            self._backend.now(), desk.budget, desk.hedges, self._places.room
        )
        return None if call is None else self._leg(call, plan, race.from_second)

    def drop(self, leg: Leg) -> None:
        """Another call won."""
        if leg.provider is not None:
            leg.provider.cancel(leg.attempt.attempt_id, lost=True)

    def hand_on(self, leg: Leg, delta: Delta) -> None:
        """A piece of the call that won."""
        self._target = leg.target
        leg.emitted = True
        self._hear(delta)

    # ---- to the caller

    def hand_on_held(self) -> None:
        """The answer is whole: what was held back goes to the caller."""
        for delta in self._held:
            self._pass_on(delta)

    def _pass_on(self, delta: Delta) -> None:
        """Straight to the caller, who is told before the first piece whose it is."""
        sink = self._sink
        if sink is None:
            return
        if self._on_start is not None and self._target is not None:
            on_start, self._on_start = self._on_start, None
            on_start(self._started_event(self._target, delta.model))
        self._passed_on += 1
        sink(delta)

    def _started_event(self, target: Target, model: str | None) -> Started:
        provider = self._desk.tools.providers.get(target.provider)
        return Started(
            provider=target.provider,
            model=model or target.model,
            decision_id=self._plan.decision.decision_id if self._plan else "",
            attempts=len(self._journal.attempts) + len(self.legs),
            simulated=provider.snapshot().simulated if provider else False,
        )


def _nobody(_: Delta) -> None:
    """Where the pieces of an answer go that is only wanted whole."""


def tell_failure(
    request_id: str, decision_id: str | None, outcome: Outcome, following: Call | None
) -> None:
    """Log a call that failed, and what follows it, if anything does."""
    failure = outcome.failure
    if failure is None:
        return
    log.warning(
        "attempt_failed",
        request_id=request_id,
        decision_id=decision_id,
        provider=outcome.provider,
        model=outcome.model,
        failure=failure.failure,
        status=failure.status,
        message=failure.message,
        next_provider=following.target.provider if following else None,
        delay_s=round(following.delay_s, 3) if following else None,
    )


def _not_made(leg: Leg, why: str) -> Outcome:
    failure = Failure(failure="internal", message=why, owner="us", neutral=True)
    return leg.without_answer(failure, called=False)
