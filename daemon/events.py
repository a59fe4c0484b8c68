"""What the actors tell, turned into log lines, metrics, health logs and notices."""

from typing import TYPE_CHECKING

import structlog

from actors.messages.lifecycle import ActorExited, ActorRestarted
from actors.messages.provider import BreakerTransition, ProbeResult
from actors.messages.router import RecordSpool
from actors.messages.routing import RequestRecord
from daemon.health_log import HealthLog
from daemon.logs import DirectLog
from daemon.notices import Notices
from daemon.probe_record import probe_record
from daemon.request_line import RequestLog
from daemon.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()


class EventTeller:
    """Hears of everything; never blocks or raises into an actor.

    ``on_thread`` is told of requests that belong to a thread.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        health_log: HealthLog,
        records: RecordSpool,
        notices: Notices,
        direct: DirectLog | None = None,
        *,
        on_thread: "Callable[[RequestRecord], None] | None" = None,
    ) -> None:
        self.telemetry = telemetry
        self.health_log = health_log
        self._records = records
        self.notices = notices
        self._log_request = RequestLog(direct)
        self._healthy: dict[str, bool] = {}
        self._on_thread = on_thread

    def request_finished(self, record: RequestRecord) -> None:
        """The one line per request, and its counts."""
        self.telemetry.on_record(record)
        self._log_request(record)
        self.notices.request_finished(record)
        if record.thread is not None and self._on_thread is not None:
            self._on_thread(record)

    def provider_event(self, event: BreakerTransition | ProbeResult) -> None:
        if isinstance(event, BreakerTransition):
            self._breaker_changed(event)
        else:
            self._probed(event)

    def _breaker_changed(self, event: BreakerTransition) -> None:
        self.telemetry.on_transition(event)
        self.notices.tell("breakers", "breaker_changed", event)
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
        failure, actor = event.failure, f"provider:{event.provider}"
        if event.healthy:
            log.info(
                "provider_healthy",
                actor=actor,
                provider=event.provider,
                latency_s=event.latency_s,
                simulated=event.simulated,
            )
        else:
            log.warning(
                "provider_unhealthy",
                actor=actor,
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
