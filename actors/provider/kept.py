"""Figures of a provider that outlive its actor, and how they are kept."""

from dataclasses import dataclass, field
from decimal import Decimal

from msgspec import Struct

from actors.messages.provider import Outcome, ProviderTotals
from actors.policy.breaker import BreakerState
from actors.policy.limits import LimiterState
from actors.policy.window import WindowState, WindowSummary


class ModelDump(Struct, frozen=True):
    """One model's breaker and window as kept over a restart."""

    breaker: BreakerState
    window: WindowState


class ProviderDump(Struct, frozen=True):
    """A provider's state as kept over a restart."""

    models: dict[str, ModelDump]
    totals: ProviderTotals
    limits: LimiterState = LimiterState()


@dataclass(slots=True)
class Totals:
    """Mutable twin of ``ProviderTotals``."""

    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = field(default_factory=Decimal)
    unpriced_calls: int = 0
    last_request_at: float | None = None

    def published(self) -> ProviderTotals:
        return ProviderTotals(
            requests=self.requests,
            failures=self.failures,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cost_usd=self.cost_usd,
            unpriced_calls=self.unpriced_calls,
            last_request_at=self.last_request_at,
        )

    def restore(self, kept: ProviderTotals) -> None:
        self.requests = kept.requests
        self.failures = kept.failures
        self.prompt_tokens = kept.prompt_tokens
        self.completion_tokens = kept.completion_tokens
        self.cost_usd = kept.cost_usd
        self.unpriced_calls = kept.unpriced_calls
        self.last_request_at = kept.last_request_at

    def absorb(self, kept: ProviderTotals, final: ProviderTotals) -> None:
        """Add what lies between two totals of another actor of this provider."""
        self.requests += final.requests - kept.requests
        self.failures += final.failures - kept.failures
        self.prompt_tokens += final.prompt_tokens - kept.prompt_tokens
        self.completion_tokens += final.completion_tokens - kept.completion_tokens
        self.cost_usd += final.cost_usd - kept.cost_usd
        self.unpriced_calls += final.unpriced_calls - kept.unpriced_calls
        times = [t for t in (self.last_request_at, final.last_request_at) if t]
        self.last_request_at = max(times, default=None)

    def count(self, outcome: Outcome, *, at: float) -> None:
        """Count a call; whoever is at fault, it failed if it brought no answer.

        As in the ledger, what was cancelled counts neither way.
        """
        failure = outcome.failure
        self.requests += 1
        self.failures += failure is not None and failure.failure != "cancelled"
        self.prompt_tokens += outcome.usage.prompt_tokens or 0
        self.completion_tokens += outcome.usage.completion_tokens or 0
        if outcome.cost_usd is None:
            self.unpriced_calls += 1
        else:
            self.cost_usd += outcome.cost_usd
        self.last_request_at = at


def mean_cost(windows: list[WindowSummary]) -> Decimal | None:
    """USD per 1,000 tokens over the models' windows, weighed by their calls."""
    known = [
        (w.cost_per_1k_tokens_usd, w.calls)
        for w in windows
        if w.cost_per_1k_tokens_usd is not None
    ]
    if len(known) == 1:
        return known[0][0]
    calls = sum(count for _, count in known)
    if calls == 0:
        return None
    return sum((cost * count for cost, count in known), Decimal(0)) / calls
