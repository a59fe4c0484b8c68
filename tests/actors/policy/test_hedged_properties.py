"""Two calls at once, whatever becomes of either: the budgets and the rules hold."""

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import event, given, settings, strategies as st
from msgspec import Struct

from actors.errors import FailureClass
from actors.messages.provider import Failure, ModelSnapshot, Outcome
from actors.messages.routing import Target
from actors.policy.attempts import (
    AttemptPlan,
    Call,
    GiveUp,
    Queue,
    RetryBudget,
    RetryConfig,
)
from actors.policy.retry_rules import Size

TARGETS = tuple(Target(name, f"m{name}") for name in "abcd")


class Luck(Struct, frozen=True):
    """How one call ends, and whether another is begun beside it; in seconds."""

    kind: FailureClass
    took_s: float
    after_s: float | None
    called: bool
    cost: Decimal | None
    hedged: bool
    draw: float


class Given(Struct, frozen=True):
    """A request and the daemon it comes to. Prices in US dollars a call."""

    ranked: tuple[Target, ...]
    prices: dict[Target, int]
    max_attempts: int
    deadline: float
    budget_usd: Decimal | None
    extra: int
    share: int
    ordered: bool

    def plan(self) -> AttemptPlan:
        known = {
            target: ModelSnapshot(
                provider=target.provider,
                model=target.model,
                input_price=Decimal(price),
                output_price=Decimal(0),
            )
            for target, price in self.prices.items()
        }
        return AttemptPlan(
            RetryConfig(max_attempts=self.max_attempts),
            self.ranked,
            deadline=self.deadline,
            ordered=self.ordered,
            known=known,
            size=Size(prompt_tokens=1_000_000),
            budget_usd=self.budget_usd,
        )


class Daemon:
    """Makes the calls a plan names, and objects where one must not be made."""

    def __init__(self, request: Given) -> None:
        self.request = request
        self.plan = request.plan()
        self.budget = RetryBudget(min_per_s=0.0, burst=float(request.extra))
        self.share = RetryBudget(min_per_s=0.0, burst=float(request.share))
        self.now = 0.0
        self.begun = self.made = self.hedges = 0
        self.spent = Decimal(0)
        self.not_before: dict[Target, float] = {}

    def price(self, target: Target) -> Decimal:
        return Decimal(self.request.prices[target])

    def begin(self, call: Call, beside: Target | None = None) -> None:
        """What must hold when a call begins."""
        self.begun += 1
        assert self.now < self.request.deadline
        assert self.now >= self.not_before.get(call.target, 0.0) - 1e-9
        assert self.made + (beside is not None) < self.request.max_attempts
        if beside is not None:
            assert call.target.provider != beside.provider
        first = self.begun == 1  # that one the ranking let through
        if self.request.budget_usd is not None and not first:
            under_way = self.price(beside) if beside else Decimal(0)
            expected = self.spent + under_way + self.price(call.target)
            assert expected <= self.request.budget_usd

    def end(self, call: Call, luck: Luck) -> Outcome:
        if luck.called:
            self.made += 1
            cost = luck.cost
            self.spent += self.price(call.target) if cost is None else cost
        if luck.after_s is not None:
            until = self.now + luck.after_s
            known = self.not_before.get(call.target, 0.0)
            self.not_before[call.target] = max(known, until)
        failure = Failure(
            failure=luck.kind,
            message="no",
            owner="provider",
            retry_after_s=luck.after_s,
        )
        return Outcome(
            attempt_id="1",
            provider=call.target.provider,
            model=call.target.model,
            latency_s=luck.took_s,
            failure=failure,
            called=luck.called,
            cost_usd=luck.cost if luck.called else None,
        )

    def step(self, call: Call, luck: Luck, other: Luck) -> Call | Queue | GiveUp:
        """Make a call, perhaps a hedge, and say how both failed."""
        self.now += call.delay_s
        self.begin(call)
        self.now += luck.took_s / 2
        hedge = self.hedge() if luck.hedged else None
        if hedge is not None:
            self.begin(hedge, beside=call.target)
            self.now += other.took_s / 2
            self.beside(hedge, other)
        self.now += luck.took_s / 2
        outcome = self.end(call, luck)
        return self.plan.after(outcome, self.now, luck.draw, self.budget)

    def hedge(self) -> Call | None:
        before = self.budget.left(self.now), self.share.left(self.now)
        hedge = self.plan.hedge(self.now, self.budget, self.share)
        after = self.budget.left(self.now), self.share.left(self.now)
        taken = 1.0 if hedge else 0.0
        assert (before[0] - after[0], before[1] - after[1]) == (taken, taken)
        self.hedges += hedge is not None
        return hedge

    def beside(self, hedge: Call, luck: Luck) -> None:
        self.plan.beside(self.end(hedge, luck), self.now)
        if not luck.called:
            self.budget.give_back()
            self.share.give_back()
            self.hedges -= 1


lucks = st.builds(
    Luck,
    kind=st.sampled_from(get_args(FailureClass)),
    took_s=st.floats(0.0, 10.0),
    after_s=st.none() | st.floats(0.0, 30.0),
    called=st.booleans() | st.just(value=True),
    cost=st.none() | st.integers(0, 5).map(Decimal),
    hedged=st.booleans(),
    draw=st.floats(0.0, 1.0, exclude_max=True),
)
requests = st.builds(
    Given,
    ranked=st.permutations(TARGETS).map(tuple),
    prices=st.fixed_dictionaries({t: st.integers(0, 5) for t in TARGETS}),
    max_attempts=st.integers(1, 8),
    deadline=st.floats(5.0, 200.0),
    budget_usd=st.none() | st.integers(0, 20).map(Decimal),
    extra=st.integers(0, 12),
    share=st.integers(0, 3),
    ordered=st.booleans(),
)


@pytest.mark.slow
@given(requests, st.lists(st.tuples(lucks, lucks), min_size=30, max_size=30))
@settings(deadline=None, max_examples=150)
def test_no_budget_is_overdrawn_and_every_request_ends(
    request: Given, luck: list[tuple[Luck, Luck]]
) -> None:
    daemon = Daemon(request)
    step = daemon.plan.first(0.0)
    for mine, other in luck:
        if not isinstance(step, Call):
            break
        step = daemon.step(step, mine, other)

    assert isinstance(step, GiveUp), "it never ended"
    assert daemon.plan.calls <= request.max_attempts
    # A stale connection's free fresh one aside, which needs a neutral failure.
    assert daemon.made == daemon.plan.calls
    assert daemon.made <= 1 + request.extra
    assert daemon.hedges <= request.share
    assert daemon.budget.left(daemon.now) >= 0.0
    event(f"{daemon.hedges} hedges, {daemon.made} calls")
