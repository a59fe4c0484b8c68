"""One model of a provider: its breaker, its metrics, its calls in flight."""

from dataclasses import dataclass

from actors.messages.provider import ModelSnapshot
from actors.policy.breaker import Breaker
from actors.policy.window import RollingWindow, WindowSummary
from actors.provider.settings import ProviderSettings


@dataclass(slots=True)
class ModelState:
    """Breaker and metrics of one model, and its calls in flight."""

    breaker: Breaker
    window: RollingWindow
    in_flight: int = 0

    def published(
        self, settings: ProviderSettings, name: str, seen: WindowSummary, now: float
    ) -> ModelSnapshot:
        """What is told of it; the provider adds what holds for all of its models."""
        breaker = self.breaker
        return ModelSnapshot(
            provider=settings.name,
            model=name,
            breaker=breaker.phase,
            breaker_cause=breaker.cause,
            breaker_open_until=breaker.open_until,
            probe_permit_free=breaker.permit_free(now),
            in_flight=self.in_flight,
            calls=seen.calls,
            failures=seen.failures,
            success_rate=seen.success_rate,
            success_alpha=seen.alpha,
            success_beta=seen.beta,
            last_call_at=_last_call_at(seen, now),
            latency_avg_s=seen.latency_avg_s,
            latency_p50_s=seen.latency_p50_s,
            latency_p95_s=seen.latency_p95_s,
            time_to_first_token_s=seen.ttft_ewma_s,
            ttft_p95_s=seen.ttft_p95_s,
            ttft_samples=seen.ttft_samples,
            ttft_prompt_tokens=seen.ttft_prompt_tokens,
            seconds_per_token=seen.seconds_per_token,
            consecutive_failures=breaker.consecutive_failures,
            weight=settings.weight,
        )


def _last_call_at(seen: WindowSummary, now: float) -> float | None:
    return None if seen.last_call_age_s is None else now - seen.last_call_age_s
