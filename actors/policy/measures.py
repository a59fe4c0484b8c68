"""What one candidate is expected to cost, to take, and how likely it is to answer.

Formulas and their sources are those of the scoring module; nothing here compares
candidates.
"""

import math
from decimal import Decimal
from functools import lru_cache

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Target

# With a plain Beta(1, 1) the bound of a model never called is .13, below the gate, and
# it would never be called; with Beta(5, 1) it is .65.
_PRIOR_SUCCESSES = 5.0
_PRIOR_FAILURES = 1.0
_FADE_S = 120.0  # evidence without newer calls fades, or a bad name would last for ever
_BOUND_SDS = 1.28  # one-sided 90 %
_FULL_HEADROOM = 0.2
_MAX_FAILURE_SHARE = 0.95
_PER_MILLION = -6


class Measured:
    """A candidate with everything that scores are made of.

    Attributes:
        state: 1 closed, 0.5 half-open with its permit free, 0 open; 0.5 also while open
            for slowness, when it answers all the same.
        trial: Half-open: one real call may go there, and decides.
        slow: Open for slowness: to be left alone while another one is well.
        alpha, beta: Posterior of success with prior and fading.
        availability: state x lower bound of the success rate x headroom, in [0, 1].
        cost_usd: Expected US dollars of one call, ``None`` without a price.
        charge: The same with retries, cost / (1 - p_fail), as a float.
        freshness: How much the measurements still count, in (0, 1]: 1 just now.
        latency_s: Predicted seconds for the expected output, under the present load.
    """

    __slots__ = (
        "alpha",
        "availability",
        "beta",
        "charge",
        "cost_usd",
        "freshness",
        "latency_s",
        "rest",
        "slow",
        "snapshot",
        "state",
        "target",
        "tight",
        "trial",
    )

    def __init__(self, snapshot: ModelSnapshot, now: float) -> None:
        self.snapshot = snapshot
        self.target = target_of(snapshot.provider, snapshot.model)
        self.state = breaker_state(snapshot, now)
        self.trial = self.state == 0.5
        self.slow = self.state == 0.0 and snapshot.breaker_cause == "slow"
        if self.slow:
            self.state = 0.5
        self.rest = False  # only when none of the preferred can answer
        self.tight = False  # the window may turn out too small
        self.freshness = _freshness(snapshot, now)
        self.alpha, self.beta = _posterior(snapshot, self.freshness)
        self.availability = self.state * self.reliability() * _headroom(snapshot)
        self.cost_usd: Decimal | None = None
        self.charge: float | None = None
        self.latency_s: float | None = None

    def reliability(self) -> float:
        """Lower bound of the success rate, max(0, mu - 1.28 sd), in [0, 1]."""
        total = self.alpha + self.beta
        mean = self.alpha / total
        deviation = math.sqrt(mean * (1.0 - mean) / (total + 1.0))
        return max(0.0, mean - _BOUND_SDS * deviation)

    def predict(self, prompt_tokens: int, output_tokens: int) -> None:
        """Fill in cost and latency for a request of this size."""
        self.latency_s = _latency_s(self.snapshot, output_tokens)
        self.cost_usd = expected_cost(self.snapshot, prompt_tokens, output_tokens)
        if self.cost_usd is not None:
            failing = min(_MAX_FAILURE_SHARE, self.beta / (self.alpha + self.beta))
            self.charge = float(self.cost_usd) / (1.0 - failing)


@lru_cache(maxsize=4096)
def target_of(provider: str, model: str) -> Target:
    """The target with these names; one that has been hashed before, mostly."""
    return Target(provider, model)


def breaker_state(snapshot: ModelSnapshot, now: float) -> float:
    """1 closed; 0.5 half-open (or due to be) with its permit free; 0 otherwise."""
    if snapshot.breaker == "closed":
        return 1.0
    if snapshot.breaker == "open":
        return 0.5 if now >= snapshot.breaker_open_until else 0.0
    return 0.5 if snapshot.probe_permit_free else 0.0


def expected_cost(
    snapshot: ModelSnapshot, prompt_tokens: int, output_tokens: int
) -> Decimal | None:
    """US dollars of one call at base prices (no cache, no tier); ``None`` if unknown."""
    if snapshot.input_price is None or snapshot.output_price is None:
        return None
    total = snapshot.input_price * prompt_tokens + snapshot.output_price * output_tokens
    return total.scaleb(_PER_MILLION)


def _freshness(snapshot: ModelSnapshot, now: float) -> float:
    if snapshot.last_call_at is None:
        return 1.0
    return math.exp(-max(0.0, now - snapshot.last_call_at) / _FADE_S)


def _posterior(snapshot: ModelSnapshot, weight: float) -> tuple[float, float]:
    return (
        _PRIOR_SUCCESSES + weight * (snapshot.success_alpha - 1.0),
        _PRIOR_FAILURES + weight * (snapshot.success_beta - 1.0),
    )


def _headroom(snapshot: ModelSnapshot) -> float:
    limit = snapshot.concurrency_limit
    if limit is None:
        return 1.0
    free = 1.0 - snapshot.in_flight / max(1, limit)
    return max(0.0, min(1.0, free / _FULL_HEADROOM))


def _latency_s(snapshot: ModelSnapshot, output_tokens: int) -> float | None:
    per_token = snapshot.seconds_per_token
    if per_token is not None:
        idle_s = (snapshot.time_to_first_token_s or 0.0) + per_token * output_tokens
    elif snapshot.latency_avg_s is not None:
        idle_s = snapshot.latency_avg_s
    else:
        return None
    limit = snapshot.concurrency_limit
    load = 1.0 if limit is None else max(1.0, snapshot.in_flight / max(1, limit))
    return max(idle_s, 1e-6) * load
