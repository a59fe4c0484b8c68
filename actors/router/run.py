"""One request, from its arrival to its record."""

import anyio
import structlog
from msgspec.structs import replace

from actors.errors import (
    Cancelled,
    DeadlineExceeded,
    GitBridgeError,
    InternalError,
    Interrupted,
    NoProvider,
    Overloaded,
)
from actors.messages.chat import Delta
from actors.messages.provider import Attempt, DeltaSink, Failure, Outcome
from actors.messages.routing import (
    Decision,
    ErrorInfo,
    RequestRecord,
    RouteResult,
    Started,
    Target,
)
from actors.policy.admission import Shed
from actors.policy.attempts import Call, GiveUp
from actors.router.desk import Desk, Plan, fill_defaults
from actors.router.messages import StartRoute
from actors.router.records import Ending, Journal
from actors.runtime import Backend, Future

log = structlog.get_logger(actor="router")


class RequestRun:
    """Carries one request. ``run`` never raises, except when the router is stopped."""

    def __init__(
        self,
        desk: Desk,
        start: StartRoute,
        backend: Backend,
    ) -> None:
        self._desk = desk
        self._settings = settings = desk.settings  # they may change meanwhile
        self._request = request = start.request
        self._sink = start.sink
        self._on_start = start.on_start
        self._backend = backend
        self._started = backend.now()
        self._at = desk.tools.utc()
        asked = request.deadline_s or settings.deadline_s
        self._deadline = self._started + min(asked, settings.deadline_s)
        self._journal = Journal()
        self._stopped_by: GitBridgeError | None = None
        self._in_flight: Attempt | None = None
        self._target: Target | None = None
        self._attempt_started = 0.0
        self._back_off: Future[None] | None = None
        self._held: list[Delta] = []
        mode = request.stream_mode or settings.stream_mode
        self._buffered = mode == "buffered"
        self._decision: Decision | None = None

    # ---- from outside

    def cancel(self, *, interrupted: bool) -> None:
        """Stop the upstream call, or the wait before the next one."""
        self._stopped_by = (
            Interrupted("the daemon stopped before the answer")
            if interrupted
            else Cancelled("the caller cancelled the request")
        )
        if self._in_flight is not None and self._target is not None:
            provider = self._desk.tools.providers.get(self._target.provider)
            if provider is not None:
                provider.cancel(self._in_flight.attempt_id)
        if self._back_off is not None and not self._back_off.done():
            self._back_off.set_result(None)

    async def run(self) -> RouteResult | ErrorInfo:
        request, desk = self._request, self._desk
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
        finally:
            desk.admission.release(request.request_id)
        return self._end(error)

    # ---- the steps

    async def _admitted_run(self) -> GitBridgeError | None:
        now = self._backend.now()
        admitted = self._desk.admission.admit(
            self._request.request_id, self._deadline, now
        )
        if isinstance(admitted, Shed):
            return _shed_error(admitted)
        self._desk.budget.on_request(now)
        error = await self._decided_run()
        if isinstance(error, NoProvider) and self._refused_unasked():
            # Breakers opened between the ranking and the asking: look again.
            error = await self._decided_run()
        return error

    async def _decided_run(self) -> GitBridgeError | None:
        now = self._backend.now()
        plan = self._desk.decide(
            self._request, now, self._deadline, buffered=self._buffered
        )
        self._decision = plan.decision
        if plan.attempts is None:
            return plan.error
        return await self._attempt_all(plan)

    def _refused_unasked(self) -> bool:
        """Our own breakers refused everybody who was ranked as fit to be asked."""
        decision = self._decision
        asked = bool(self._journal.attempts) or self._stopped() is not None
        return decision is not None and not decision.degraded and not asked

    async def _attempt_all(self, plan: Plan) -> GitBridgeError | None:
        attempts = plan.attempts
        assert attempts is not None
        step = attempts.first(self._backend.now())
        while isinstance(step, Call):
            if step.delay_s > 0.0:
                await self._wait(step.delay_s)
            if self._stopped() is not None:
                break
            outcome = await self._attempt(step, plan)
            if outcome.failure is None:
                return None
            if self._stopped() is not None:
                break
            step = attempts.after(
                outcome, self._backend.now(), self._desk.tools.draw(), self._desk.budget
            )
            self._tell(step, outcome.failure)
        return step.error if isinstance(step, GiveUp) else self._stopped()

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

    async def _attempt(self, call: Call, plan: Plan) -> Outcome:
        tools = self._desk.tools
        self._target = target = call.target
        provider = tools.providers.get(target.provider)
        attempt = self._in_flight = Attempt(
            attempt_id=tools.new_id(),
            request_id=self._request.request_id,
            model=target.model,
            request=fill_defaults(
                self._settings, target, self._request.chat, plan.max_tokens
            ),
            deadline=self._deadline,
            sink=self._attempt_sink(),
            forced=plan.decision.degraded,
            counted=call.counts,
        )
        self._attempt_started = tools.utc()
        if provider is None:
            outcome = _gone(attempt, target)
        else:
            outcome = await provider.attempt(attempt)
        self._in_flight = None
        self._journal.add(outcome, self._attempt_started)
        if self._buffered and outcome.failure is not None:
            self._held.clear()
            outcome = replace(outcome, emitted=False)
        return outcome

    def _attempt_sink(self) -> DeltaSink | None:
        if not self._request.stream:
            return None
        return self._held.append if self._buffered else self._pass_on

    def _pass_on(self, delta: Delta) -> None:
        """Straight to the caller, who is told before the first piece whose it is."""
        sink = self._sink
        if sink is None:
            return
        if self._on_start is not None and self._target is not None:
            on_start, self._on_start = self._on_start, None
            on_start(self._started_event(self._target, delta.model))
        sink(delta)

    def _started_event(self, target: Target, model: str | None) -> Started:
        providers = self._desk.tools.providers
        provider = providers.get(target.provider)
        decision = self._decision
        return Started(
            provider=target.provider,
            model=model or target.model,
            decision_id=decision.decision_id if decision else "",
            attempts=len(self._journal.attempts) + (not self._buffered),
            simulated=provider.snapshot().simulated if provider else False,
        )

    def _tell(self, step: Call | GiveUp, failure: Failure) -> None:
        if self._target is not None:
            following = step if isinstance(step, Call) else None
            log.warning(
                "attempt_failed",
                request_id=self._request.request_id,
                decision_id=self._decision.decision_id if self._decision else None,
                provider=self._target.provider,
                model=self._target.model,
                failure=failure.failure,
                status=failure.status,
                message=failure.message,
                next_provider=following.target.provider if following else None,
                delay_s=round(following.delay_s, 3) if following else None,
            )

    # ---- the end

    def _end(self, error: GitBridgeError | None) -> RouteResult | ErrorInfo:
        if error is None:
            for delta in self._held:
                self._pass_on(delta)
        ending = self._ending(error)
        self._write(ending.record())
        return ending.reply()

    def _ending(self, error: GitBridgeError | None) -> Ending:
        tools = self._desk.tools
        decision = self._decision or Decision(
            decision_id=tools.new_id(),
            strategy=self._desk.strategy,
            weights=self._desk.weights,
            candidates=(),
            reason="ended before it was ranked",
        )
        return Ending(
            request=self._request,
            decision=decision,
            journal=self._journal,
            at=self._at,
            latency_s=self._backend.now() - self._started,
            error=error,
        )

    def _interrupted(self) -> None:
        attempt, target = self._in_flight, self._target
        if attempt is not None and target is not None:
            lost = Outcome(
                attempt_id=attempt.attempt_id,
                provider=target.provider,
                model=target.model,
                latency_s=self._backend.now() - self._started,
                failure=Failure(
                    failure="cancelled", message="the daemon stopped", owner="us"
                ),
            )
            self._journal.add(lost, self._attempt_started)
        ending = self._ending(Interrupted("the daemon stopped before the answer"))
        self._write(ending.record())

    def _write(self, record: RequestRecord) -> None:
        tools = self._desk.tools
        try:
            tools.spool.append(record)
        except OSError as error:
            # The answer leaves all the same; the spool raises the condition itself.
            log.error(  # noqa: TRY400 - the system's words say it all
                "record_not_written", request_id=record.request_id, error=str(error)
            )
        tools.on_record(record)


def _shed_error(shed: Shed) -> GitBridgeError:
    if shed.reason == "deadline":
        return DeadlineExceeded("the deadline had passed before the request came")
    return Overloaded(
        "too many requests are in flight", retry_after_s=shed.retry_after_s
    )


def _gone(attempt: Attempt, target: Target) -> Outcome:
    return Outcome(
        attempt_id=attempt.attempt_id,
        provider=target.provider,
        model=target.model,
        latency_s=0.0,
        failure=Failure(
            failure="internal",
            message=f"{target.provider} was removed",
            owner="us",
            neutral=True,
        ),
        called=False,
    )
