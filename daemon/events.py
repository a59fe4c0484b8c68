"""What the actors tell, turned into log lines, metrics and health logs."""

import structlog

from actors.messages.lifecycle import ActorExited, ActorRestarted
from actors.messages.provider import BreakerTransition, ProbeResult
from actors.messages.routing import AttemptRecord, RecordSpool, RequestRecord
from daemon.health_log import HealthLog
from daemon.probe_record import probe_record
from daemon.telemetry import Telemetry

log = structlog.get_logger()


class EventTeller:
    """Hears of everything; never blocks or raises into an actor."""

    def __init__(
        self, telemetry: Telemetry, health_log: HealthLog, records: RecordSpool
    ) -> None:
        self.telemetry = telemetry
        self.health_log = health_log
        self._records = records
        self._healthy: dict[str, bool] = {}

    def request_finished(self, record: RequestRecord) -> None:
        """The one line per request, and its counts."""
        self.telemetry.on_record(record)
        tell = log.info if record.outcome in {"ok", "cancelled"} else log.warning
        usage, last = record.usage, last_attempt(record)
        tell(
            "request_finished",
            actor="router",
            request_id=record.request_id,
            decision_id=record.decision.decision_id,
            outcome=record.outcome,
            error=record.error_message,
            provider=record.provider or (last.provider if last else None),
            model=record.model or (last.model if last else None),
            strategy=record.decision.strategy,
            attempts=len(record.attempts),
            latency_s=round(record.latency_s, 6),
            overhead_s=round(record.overhead_s, 6),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost_usd=record.cost_usd,
            cost_source=record.cost_source,
            task_type=record.task_type,
            user=record.user,
            door=record.door,
            stream=record.stream,
            simulated=record.simulated,
        )

    def provider_event(self, event: BreakerTransition | ProbeResult) -> None:
        if isinstance(event, BreakerTransition):
            self._breaker_changed(event)
        else:
            self._probed(event)

    def _breaker_changed(self, event: BreakerTransition) -> None:
        self.telemetry.on_transition(event)
        tell = log.warning if event.after == "open" else log.info
        tell(
            "breaker_changed",
            actor=f"provider:{event.provider}",
            provider=event.provider,
            model=event.model,
            before=event.before,
            after=event.after,
            reason=event.reason,
        )

    def _probed(self, event: ProbeResult) -> None:
        self.health_log.append(event)
        if event.outcome is not None:
            self._records.append(probe_record(event, event.outcome))
        if self._healthy.get(event.provider) == event.healthy:
            return
        self._healthy[event.provider] = event.healthy
        failure = event.failure
        tell = log.info if event.healthy else log.warning
        tell(
            "provider_healthy" if event.healthy else "provider_unhealthy",
            actor=f"provider:{event.provider}",
            provider=event.provider,
            latency_s=event.latency_s,
            failure=failure.failure if failure else None,
            message=failure.message if failure else None,
            simulated=event.simulated,
        )

    def provider_gone(self, provider: str) -> None:
        """Whoever comes under that name again is news again."""
        self._healthy.pop(provider, None)

    def actor_event(self, event: ActorExited | ActorRestarted) -> None:
        if isinstance(event, ActorRestarted):
            self.telemetry.restarts.add((event.actor,))
            log.warning(
                "actor_restarted",
                actor=event.actor,
                restarts=event.restarts,
                error=event.error,
            )
        elif event.reason == "crashed":
            log.error("actor_crashed", actor=event.actor, error=event.error)
        else:
            log.debug("actor_exited", actor=event.actor, reason=event.reason)

    def actor_crash(self, actor: str, error: BaseException) -> None:
        log.error("actor_crash_trace", actor=actor, exc_info=error)


def last_attempt(record: RequestRecord) -> AttemptRecord | None:
    """The call that answered the request, or the one it failed with."""
    return record.attempts[-1] if record.attempts else None
