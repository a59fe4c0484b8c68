"""The provider actor: a mailbox around ``ProviderState`` and its running calls."""

from typing import assert_never

import structlog
from msgspec import Struct
from typing_extensions import override

from actors.messages.provider import (
    Attempt,
    BreakerTransition,
    CancelAttempt,
    CheckHealth,
    Failure,
    GetSnapshot,
    Outcome,
    ProviderSnapshot,
)
from actors.policy.tokens import estimate_prompt_tokens
from actors.provider.call import UpstreamCall
from actors.provider.handle import SnapshotCell
from actors.provider.probe import probe_completion, probe_models
from actors.provider.settings import ProviderSettings, ProviderTools
from actors.provider.state import ProviderState
from actors.runtime import Actor, Reply, TaskHandle

SAVE_INTERVAL_S = 5.0
"""How much of its windows and breakers an actor may forget when it dies."""

log = structlog.get_logger()


class ProbeDue(Struct, frozen=True):
    """Timer: the health loop's next turn."""


class SaveDue(Struct, frozen=True):
    """Timer: keep what changed."""


class Crash(Struct, frozen=True):
    """Command for fault injection: fail as a bug would."""


Message = (
    Attempt | CancelAttempt | CheckHealth | GetSnapshot | ProbeDue | SaveDue | Crash
)


class ProviderActor(Actor[Message]):
    """Owns one provider's health loop, breakers, windows and calls in flight."""

    def __init__(
        self, settings: ProviderSettings, tools: ProviderTools, cell: SnapshotCell
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._cell = cell
        self._restarts = cell.starts()
        self._state = ProviderState(settings, tools.prices, self._on_transition)
        self._calls: dict[str, UpstreamCall] = {}
        self._probe_waiters: list[Reply] = []
        self._probe_task: TaskHandle | None = None
        self._saved_version = 0

    # ---- life

    @override
    def on_start(self) -> None:
        now = self.context.now()
        kept = self._tools.keeper.load(self._settings.name)
        if kept is not None and not self._state.restore(kept, now):
            log.warning("provider_state_unreadable", provider=self._settings.name)
        self._cell.bind(lambda: self._state.version, self._snapshot)
        if self._settings.probe != "none":
            self.context.call_later(0.0, ProbeDue())
        self.context.call_later(SAVE_INTERVAL_S, SaveDue())

    @override
    def on_stop(self) -> None:
        self._save()
        self._snapshot_last()

    def _snapshot_last(self) -> None:
        self._cell.get()
        self._cell.freeze()

    @override
    def handle(self, message: Message, reply: Reply) -> None:
        match message:
            case Attempt():
                self._attempt(message, reply)
            case CancelAttempt():
                self._cancel(message)
            case CheckHealth():
                self._probe_waiters.append(reply)
                self._start_probe(message.model)
            case GetSnapshot():
                reply.send(self._cell.get())
            case _:
                self._on_timer(message)

    def _on_timer(self, message: ProbeDue | SaveDue | Crash) -> None:
        match message:
            case ProbeDue():
                self._start_probe(None)
                # Spread out, so that many providers are not probed in one breath.
                spread = 0.9 + 0.2 * self._tools.draw()
                delay_s = self._settings.probe_interval_s * spread
                self.context.call_later(delay_s, ProbeDue())
            case SaveDue():
                self._save()
                self.context.call_later(SAVE_INTERVAL_S, SaveDue())
            case Crash():
                raise RuntimeError("told to crash")
            case _:
                assert_never(message)

    # ---- attempts

    def _attempt(self, attempt: Attempt, reply: Reply) -> None:
        tokens = 0
        if self._settings.limits.tokens_per_minute is not None:
            tokens = estimate_prompt_tokens(attempt.request, self._settings.kind)
        failure = self._state.admit(
            attempt.attempt_id,
            attempt.model,
            tokens,
            self.context.now(),
            forced=attempt.forced,
        )
        if failure is not None:
            reply.send(self._not_called(attempt, failure))
            return
        call = UpstreamCall(attempt, self._settings, self._tools, self.context.backend)
        self._calls[attempt.attempt_id] = call
        call.task = self.context.spawn(self._run(call, attempt, reply), name="call")

    async def _run(self, call: UpstreamCall, attempt: Attempt, reply: Reply) -> None:
        outcome = await call.run()
        del self._calls[attempt.attempt_id]
        self._state.settle(
            outcome,
            counted=attempt.counted,
            now=self.context.now(),
            at=self._tools.utc(),
            draw=self._tools.draw(),
        )
        reply.send(outcome)

    def _not_called(self, attempt: Attempt, failure: Failure) -> Outcome:
        return Outcome(
            attempt_id=attempt.attempt_id,
            provider=self._settings.name,
            model=attempt.model,
            latency_s=0.0,
            failure=failure,
            called=False,
        )

    def _cancel(self, message: CancelAttempt) -> None:
        call = self._calls.get(message.attempt_id)
        if call is not None:
            call.stop("cancelled")

    # ---- health

    def _start_probe(self, model: str | None) -> None:
        if self._probe_task is None:
            self._probe_task = self.context.spawn(self._probe(model), name="probe")

    async def _probe(self, model: str | None) -> None:
        settings, backend = self._settings, self.context.backend
        task = self._probe_task
        if settings.probe == "completion" and task is not None:
            result = await probe_completion(
                settings, self._tools, backend, model or settings.default_model, task
            )
        else:
            result = await probe_models(settings, self._tools, backend)
        self._probe_task = None
        self._state.probed(result, self.context.now())
        self._tools.on_event(result)
        waiters, self._probe_waiters = self._probe_waiters, []
        for waiter in waiters:
            waiter.send(result)

    def _on_transition(self, transition: BreakerTransition) -> None:
        self._tools.on_event(transition)

    # ---- telling and keeping

    def _snapshot(self) -> ProviderSnapshot:
        return self._state.snapshot(self.context.now(), self._restarts)

    def _save(self) -> None:
        if self._state.version != self._saved_version:
            self._saved_version = self._state.version
            dump = self._state.dump(self.context.now())
            self._tools.keeper.save(self._settings.name, dump)
