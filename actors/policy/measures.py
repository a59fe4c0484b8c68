"""What one candidate is expected to cost, to take, and how likely it is to answer.

Formulas and their sources are those of the scoring module; nothing here compares
candidates. What follows from a snapshot alone is worked out once for it (``Measured``):
cost and latency are linear in the tokens of a request, so a request only multiplies.
"""

import math
from decimal import Decimal
from functools import lru_cache

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Target
from actors.policy.round_robin import SMALLEST_WEIGHT

# With a plain Beta(1, 1) the bound of a model never called is .13, below the gate, and
# it would never be called; with Beta(5, 1) it is .65.
_PRIOR_SUCCESSES = 5.0
_PRIOR_FAILURES = 1.0
_FADE_S = 120.0  # evidence without newer calls fades, or a bad name would last for ever
_BOUND_SDS = 1.28  # one-sided 90 %
_FULL_HEADROOM = 0.2
_MAX_FAILURE_SHARE = 0.95
_SHORTEST_S = 1e-6
_PER_MILLION = -6
_FRESH = 0.5
_NEVER = math.inf

FADE_STEP_S = 5.0
"""Fading is looked at once in so many seconds: within 4 % of what it is in between."""


class Measured:
    """A candidate with everything that scores are made of, as of some loop time.

    Attributes:
        code: Why it cannot be chosen now: a code of ``Exclusion``, or empty.
        state: 1 closed, 0.5 half-open with its permit free, 0 open; 0.5 also while open
            for slowness, when it answers all the same.
        trial: Half-open: one real call may go there, and decides.
        slow: Open for slowness: to be left alone while another one is well.
        alpha, beta: Posterior of success with prior and fading.
        availability: state x lower bound of the success rate x headroom, in [0, 1].
        freshness: How much the measurements still count, in (0, 1]: 1 just now.
        priced: Both prices are known.
        retries: 1 / (1 - p_fail): calls paid for one answer.
        input_usd, output_usd: US dollars per token, retries included; 0 if unknown.
        timed: It is known how long it takes.
        speed_weight: How much of the performance score its latency takes away.
        lead_s, token_s: Seconds before and per output token, under the present load.
        weight: Its share of the turns.
        state_note, speed_note: What is odd about the figures, in words.
        until: Loop time from which on it has to be measured anew.
    """

    __slots__ = (
        "_output_price",
        "_price",
        "alpha",
        "availability",
        "beta",
        "code",
        "freshness",
        "input_usd",
        "lead_s",
        "output_usd",
        "priced",
        "rest",
        "retries",
        "slow",
        "snapshot",
        "speed_note",
        "speed_weight",
        "state",
        "state_note",
        "target",
        "timed",
        "token_s",
        "trial",
        "until",
        "weight",
    )

    def __init__(self, snapshot: ModelSnapshot, now: float) -> None:
        self.snapshot = snapshot
        self.target = target_of(snapshot.provider, snapshot.model)
        self._price: Decimal | None = None  # of one token
        self._output_price: Decimal | None = None
        self.rest = False  # only when none of the preferred can answer
        self.weight = max(SMALLEST_WEIGHT, snapshot.weight)
        self._measure_state(snapshot, now)
        self._measure_success(snapshot, now)
        self._measure_price(snapshot)
        self._measure_speed(snapshot)
        self.code = _obstacle(self, now)
        self.state_note = _state_note(self)
        self.speed_note = _speed_note(self)

    @property
    def plain(self) -> bool:
        """Nothing speaks against it, whoever else is there."""
        return not self.code and not self.slow and not self.weak

    @property
    def weak(self) -> bool:
        """Hardly ever answers: to be left alone while another one is well."""
        return self.availability < GATE_LOW and not self.trial

    def reliability(self) -> float:
        """Lower bound of the success rate, max(0, mu - 1.28 sd), in [0, 1]."""
        total = self.alpha + self.beta
        mean = self.alpha / total
        deviation = math.sqrt(mean * (1.0 - mean) / (total + 1.0))
        return max(0.0, mean - _BOUND_SDS * deviation)

    def latency_s(self, output_tokens: float) -> float | None:
        """Predicted seconds for this many output tokens; ``None`` if not known."""
        return self.lead_s + self.token_s * output_tokens if self.timed else None

    def charge(
        self, prompt_tokens: int, output_tokens: float, cached_tokens: int = 0
    ) -> float | None:
        """Expected US dollars of one answer, retries included; ``None`` unpriced."""
        if not self.priced:
            return None
        full = self.input_usd * prompt_tokens + self.output_usd * output_tokens
        return full - self.saving_usd(cached_tokens)

    def cost_usd(
        self, prompt_tokens: int, output_tokens: float, cached_tokens: int = 0
    ) -> Decimal | None:
        """See ``expected_cost``, which this is but for the time it takes."""
        price, output_price = self._price, self._output_price
        if price is None or output_price is None:
            return None
        if cached_tokens:
            snapshot = self.snapshot
            return expected_cost(snapshot, prompt_tokens, output_tokens, cached_tokens)
        return price * prompt_tokens + output_price * round(output_tokens)

    def saving_usd(self, cached_tokens: int) -> float:
        """US dollars that a prompt with so many cached tokens costs less there."""
        cached = self.snapshot.cached_input_price
        if cached is None or not cached_tokens or not self.priced:
            return 0.0
        cached_usd = float(cached) * 1e-6 * self.retries
        return max(0.0, self.input_usd - cached_usd) * cached_tokens

    def _measure_state(self, snapshot: ModelSnapshot, now: float) -> None:
        state = breaker_state(snapshot, now)
        self.trial = state == 0.5
        self.slow = state == 0.0 and snapshot.breaker_cause == "slow"
        self.state = 0.5 if self.slow else state
        self.until = (now // FADE_STEP_S + 1.0) * FADE_STEP_S
        if snapshot.last_call_at is None:
            self.until = _NEVER
        for change_at in (snapshot.breaker_open_until, snapshot.blocked_until):
            if now < change_at < self.until:
                self.until = change_at

    def _measure_success(self, snapshot: ModelSnapshot, now: float) -> None:
        self.freshness = weight = _freshness(snapshot, now)
        self.alpha = _PRIOR_SUCCESSES + weight * (snapshot.success_alpha - 1.0)
        self.beta = _PRIOR_FAILURES + weight * (snapshot.success_beta - 1.0)
        self.availability = self.state * self.reliability() * _headroom(snapshot)

    def _measure_price(self, snapshot: ModelSnapshot) -> None:
        failing = self.beta / (self.alpha + self.beta)
        self.retries = 1.0 / (1.0 - min(_MAX_FAILURE_SHARE, failing))
        price, output_price = snapshot.input_price, snapshot.output_price
        self.priced = price is not None and output_price is not None
        self.input_usd = self.output_usd = 0.0
        if price is not None and output_price is not None:
            self.input_usd = float(price) * 1e-6 * self.retries
            self.output_usd = float(output_price) * 1e-6 * self.retries
            self._price = price.scaleb(_PER_MILLION)
            self._output_price = output_price.scaleb(_PER_MILLION)

    def _measure_speed(self, snapshot: ModelSnapshot) -> None:
        limit = snapshot.concurrency_limit
        inside = snapshot.provider_in_flight
        load = 1.0 if limit is None else max(1.0, inside / max(1, limit))
        per_token, average = snapshot.seconds_per_token, snapshot.latency_avg_s
        self.timed = True
        self.token_s = 0.0
        if per_token is not None:
            first_s = snapshot.time_to_first_token_s or 0.0
            self.lead_s = max(first_s, _SHORTEST_S) * load
            self.token_s = per_token * load
        elif average is not None:
            self.lead_s = max(average, _SHORTEST_S) * load
        else:
            self.lead_s = 0.0
            self.timed = False
        # One call gets to know it; more at once, while none has come back, are a risk.
        waiting = snapshot.in_flight
        self.speed_weight = self.freshness if self.timed else waiting / (waiting + 1)


GATE_LOW = 0.2
"""Below this availability a candidate is left alone while another has ``GATE_HIGH``."""

GATE_HIGH = 0.5


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
    snapshot: ModelSnapshot,
    prompt_tokens: int,
    output_tokens: float,
    cached_tokens: int = 0,
) -> Decimal | None:
    """US dollars of one call at base prices (no tier); ``None`` if unknown."""
    price, output_price = snapshot.input_price, snapshot.output_price
    if price is None or output_price is None:
        return None
    total = price * prompt_tokens + output_price * round(output_tokens)
    cached_price = snapshot.cached_input_price
    if cached_tokens and cached_price is not None and cached_price < price:
        total -= (price - cached_price) * cached_tokens
    return total.scaleb(_PER_MILLION)


def _obstacle(item: Measured, now: float) -> str:
    """What stands in its way now, the gravest first."""
    snapshot = item.snapshot
    code = ""
    if snapshot.auth_refused:
        code = "auth"
    elif item.state == 0.0:
        code = "breaker_open"
    elif snapshot.healthy is False:
        code = "unhealthy"
    elif snapshot.blocked_until > now:
        code = "rate_limited"
    elif (limit := snapshot.concurrency_limit) is not None:
        code = "at_capacity" if snapshot.provider_in_flight >= limit else ""
    return code


def _state_note(item: Measured) -> str | None:
    if item.trial:
        return "half-open: one call may try"
    return "no calls yet: prior only" if item.snapshot.success_rate is None else None


def _speed_note(item: Measured) -> str | None:
    if not item.timed:
        return "latency unknown: counted as the fastest known, to get to know it"
    return None if item.freshness > _FRESH else "measured long ago: counts less"


def _freshness(snapshot: ModelSnapshot, now: float) -> float:
    if snapshot.last_call_at is None:
        return 1.0
    seen_at = now // FADE_STEP_S * FADE_STEP_S
    return math.exp(-max(0.0, seen_at - snapshot.last_call_at) / _FADE_S)


def _headroom(snapshot: ModelSnapshot) -> float:
    limit = snapshot.concurrency_limit
    if limit is None:
        return 1.0
    free = 1.0 - snapshot.provider_in_flight / max(1, limit)
    return max(0.0, min(1.0, free / _FULL_HEADROOM))
