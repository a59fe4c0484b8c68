"""A ranking by the book: every formula in full, for each candidate, at every request.

Slow and plain on purpose: what the kept columns answer is compared with it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Target
from actors.policy.measures import FADE_STEP_S
from actors.policy.rank_input import RankInput

SEVERITY = (
    "rate_limited",
    "at_capacity",
    "slow",
    "unavailable",
    "unhealthy",
    "breaker_open",
    "auth",
)


@dataclass
class Reference:
    """``scores`` and ``values`` (cost, performance, availability) by target."""

    order: list[Target] = field(default_factory=list)
    scores: dict[Target, float] = field(default_factory=dict)
    values: dict[Target, tuple[float, float, float]] = field(default_factory=dict)
    soft: list[tuple[Target, str]] = field(default_factory=list)
    hard: list[tuple[Target, str]] = field(default_factory=list)
    degraded: bool = False


class One:
    """One candidate, by the definitions of the scoring module."""

    def __init__(self, snapshot: ModelSnapshot, place: int, ask: RankInput) -> None:
        self.s = s = snapshot
        self.ask = ask
        self.target = Target(s.provider, s.model)
        self.rest = ask.preferred is not None and place >= ask.preferred
        state = 1.0
        if s.breaker == "open":
            state = 0.5 if ask.now >= s.breaker_open_until else 0.0
        elif s.breaker == "half_open":
            state = 0.5 if s.probe_permit_free else 0.0
        self.trial = state == 0.5
        self.slow = state == 0.0 and s.breaker_cause == "slow"
        self.state = 0.5 if self.slow else state
        looked_at = math.floor(ask.now / FADE_STEP_S) * FADE_STEP_S
        last = s.last_call_at
        age_s = 0.0 if last is None else max(0.0, looked_at - last)
        self.freshness = math.exp(-age_s / 120.0)
        self.won = 5.0 + self.freshness * (s.success_alpha - 1.0)
        self.lost = 1.0 + self.freshness * (s.success_beta - 1.0)

    def reliability(self) -> float:
        n = self.won + self.lost
        mu = self.won / n
        return max(0.0, mu - 1.28 * math.sqrt(mu * (1.0 - mu) / (n + 1.0)))

    def availability(self) -> float:
        room = 1.0
        if self.s.concurrency_limit is not None:
            free = 1.0 - self.s.provider_in_flight / self.s.concurrency_limit
            room = min(1.0, max(0.0, free / 0.2))
        return self.state * self.reliability() * room

    def tokens(self) -> float:
        known = self.ask.output_tokens
        return known.get(self.target, self.ask.expected_output_tokens)

    def charge(self) -> float | None:
        s, ask = self.s, self.ask
        if s.input_price is None or s.output_price is None:
            return None
        price = float(s.input_price)
        usd = price * ask.prompt_tokens_estimate + float(s.output_price) * self.tokens()
        if ask.cached is not None and ask.cached.target == self.target:
            cached = min(ask.cached.tokens, ask.prompt_tokens_estimate)
            if s.cached_input_price is not None:
                usd -= max(0.0, price - float(s.cached_input_price)) * cached
        failing = min(0.95, self.lost / (self.won + self.lost))
        return usd / 1e6 / (1.0 - failing)

    def latency_s(self) -> float | None:
        s = self.s
        if s.seconds_per_token is not None:
            first_s = max(s.time_to_first_token_s or 0.0, 1e-6)
            idle_s = first_s + s.seconds_per_token * self.tokens()
        elif s.latency_avg_s is not None:
            idle_s = max(s.latency_avg_s, 1e-6)
        else:
            return None
        limit = s.concurrency_limit
        return idle_s * (
            1.0 if limit is None else max(1.0, s.provider_in_flight / limit)
        )

    def never(self) -> str:
        s, ask = self.s, self.ask
        needed = ask.prompt_tokens_estimate + ask.max_output_tokens
        if not s.model:
            return "no_model"
        if s.context_window is not None and needed > s.context_window:
            return "context"
        if ask.budget_usd is None:
            return ""
        if s.input_price is None or s.output_price is None:
            return "budget"
        usd = s.input_price * ask.prompt_tokens_estimate
        usd += s.output_price * round(self.tokens())
        return "budget" if usd / 10**6 > ask.budget_usd else ""

    def not_now(self) -> str:
        s = self.s
        for code, holds in {
            "auth": s.auth_refused,
            "breaker_open": self.state == 0.0,
            "unhealthy": s.healthy is False,
            "rate_limited": s.blocked_until > self.ask.now,
            "at_capacity": s.concurrency_limit is not None
            and s.provider_in_flight >= s.concurrency_limit,
        }.items():
            if holds:
                return code
        return ""

    def tight(self) -> bool:
        window = self.s.context_window
        needed = self.ask.prompt_tokens_upper + self.ask.max_output_tokens
        return window is not None and needed > window

    def work(self) -> float:
        latency_s = self.latency_s()
        each = 1.0 if latency_s is None else latency_s * self.freshness
        return each * (self.s.in_flight + 1)


def reference(candidates: list[ModelSnapshot], ask: RankInput) -> Reference:
    result = Reference()
    everybody = [One(s, place, ask) for place, s in enumerate(candidates)]
    able = [one for one in everybody if not one.never()]
    result.hard = [(one.target, one.never()) for one in everybody if one.never()]
    soft = [(one, one.not_now()) for one in able if one.not_now()]
    eligible = [one for one in able if not one.not_now()]
    eligible, slow = gate(eligible, lambda one: one.slow)
    eligible, weak = gate(
        eligible, lambda one: one.availability() < 0.2 and not one.trial
    )
    soft += [(one, "slow") for one in slow] + [(one, "unavailable") for one in weak]
    soft.sort(
        key=lambda pair: (
            pair[0].rest,
            SEVERITY.index(pair[1]),
            pair[0].s.blocked_until if pair[1] == "rate_limited" else 0.0,
            -pair[0].reliability(),
        )
    )
    if eligible:
        result.soft = [(one.target, code) for one, code in soft]
        score(result, eligible, ask)
        result.order = [one.target for one in choose(result, eligible, ask)]
    elif soft:
        score(result, [one for one, _ in soft], ask)
        result.order = [one.target for one, _ in soft]
        result.degraded = SEVERITY.index(soft[0][1]) >= 3
    return result


def gate(
    eligible: list[One], doubtful: Callable[[One], bool]
) -> tuple[list[One], list[One]]:
    sure = [one for one in eligible if not doubtful(one)]
    if max((one.availability() for one in sure), default=0.0) < 0.5:
        return eligible, []
    return sure, [one for one in eligible if doubtful(one)]


def score(result: Reference, pool: list[One], ask: RankInput) -> None:
    if ask.strategy in {"priority", "round_robin"}:
        for place, one in enumerate(pool):
            result.scores[one.target] = 1.0 - place / len(pool)
        return
    charges = [c for one in pool if (c := one.charge()) is not None]
    latencies = [s for one in pool if (s := one.latency_s()) is not None]
    best_quality = max(ask.quality.get(one.target, 1.0) for one in pool)
    weights = {
        "cost": (1.0, 0.0, 0.0),
        "performance": (0.0, 1.0, 0.0),
        "availability": (0.0, 0.0, 1.0),
    }.get(
        ask.strategy,
        (ask.weights.cost, ask.weights.performance, ask.weights.availability),
    )
    for one in pool:
        charge, latency_s = one.charge(), one.latency_s()
        if not charges:
            cost = 0.5
        elif charge is None:
            dearest = (min(charges) + 1e-6) / (max(charges) * 1.1 + 1e-6)
            cost = min(dearest, 1 / 1.1)
        else:
            cost = (min(charges) + 1e-6) / (charge + 1e-6)
        speed = 1.0 - one.s.in_flight / (one.s.in_flight + 1)
        if latency_s is not None:
            speed = 1.0 - one.freshness * (1.0 - min(latencies) / latency_s)
        speed *= ask.quality.get(one.target, 1.0) / best_quality
        values = (cost, speed, one.availability())
        result.values[one.target] = values
        result.scores[one.target] = sum(
            weight / sum(weights) * value
            for weight, value in zip(weights, values, strict=True)
        )


def choose(result: Reference, pool: list[One], ask: RankInput) -> list[One]:
    heeds_window = ask.strategy != "priority"

    def standing(one: One) -> tuple[bool, bool]:
        return one.rest, heeds_window and one.tight()

    scores = result.scores
    order = sorted(pool, key=lambda one: (standing(one), -scores[one.target]))
    if ask.strategy in {"priority", "round_robin"}:
        return order
    leading = [one for one in order if standing(one) == standing(order[0])]
    first = pick(result, leading, ask)
    return [first, *(one for one in order if one is not first)]


def pick(result: Reference, leading: list[One], ask: RankInput) -> One:
    best = result.scores[leading[0].target]
    tied = [one for one in leading if result.scores[one.target] >= best - 0.02]
    for one in tied:
        if ask.cached is not None and one.target == ask.cached.target:
            return one
    share = 0.0 if ask.strategy == "cost" else ask.exploration
    targets = {one.target for one in leading}
    at_home = ask.cached is not None and ask.cached.target in targets
    if ask.draw < share and len(leading) > 1 and not at_home:
        return leading[1 + int(ask.draw / share * (len(leading) - 1))]
    if len(tied) == 1:
        return tied[0]
    chance = max(0.0, ask.draw - share) / (1.0 - share)
    left, right = divmod(int(chance * len(tied) * (len(tied) - 1)), len(tied) - 1)
    pair = sorted((left, right + (right >= left)))
    return min((tied[n] for n in pair), key=One.work)
