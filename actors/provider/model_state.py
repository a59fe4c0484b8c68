"""One model of a provider: its breaker, its metrics, its calls in flight."""

from dataclasses import dataclass, field

from actors.messages.provider import NO_FIRST_TOKEN, ModelSnapshot, Outcome
from actors.policy.allowance import Allowances
from actors.policy.breaker import Breaker, BreakerConfig, Verdict
from actors.policy.window import RollingWindow, Sample, WindowSummary
from actors.provider.settings import ProviderSettings

BREAKER_FAILURES = frozenset(
    {"connect", "timeout", "server_error", "overloaded", "bad_response"}
)


@dataclass(slots=True)
class ModelState:
    """Breaker and metrics of one model, and its calls in flight."""

    breaker: Breaker
    window: RollingWindow
    in_flight: int = 0
    allowances: Allowances = field(default_factory=Allowances)

    def judge(self, outcome: Outcome, config: BreakerConfig) -> Verdict:
        """What a call's outcome says about the model's health."""
        failure = outcome.failure
        if failure is None:
            return "slow" if self._is_slow(outcome, config) else "success"
        if failure.neutral:
            return "neutral"
        if failure.failure == "rate_limit":
            return "limited"
        return "failure" if failure.failure in BREAKER_FAILURES else "neutral"

    def _is_slow(self, outcome: Outcome, config: BreakerConfig) -> bool:
        tokens = outcome.usage.completion_tokens
        if tokens is None:
            return False
        expected_s = self.window.expected_latency_s(tokens)
        if expected_s is None:
            return False
        limit_s = max(config.slow_floor_s, config.slow_factor * expected_s)
        return outcome.latency_s > limit_s

    def record(self, outcome: Outcome, now: float) -> None:
        """Take a call into the rolling metrics."""
        self.window.record(
            Sample(
                now=now,
                ok=outcome.failure is None,
                latency_s=outcome.latency_s,
                ttft_s=outcome.time_to_first_token_s,
                output_tokens=outcome.usage.completion_tokens,
                prompt_tokens=outcome.usage.prompt_tokens,
                cost_usd=outcome.cost_usd,
                waited_s=(
                    outcome.latency_s
                    if outcome.failure and outcome.failure.code == NO_FIRST_TOKEN
                    else None
                ),
            )
        )

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
            last_call_at=self.window.last_call_at,
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
