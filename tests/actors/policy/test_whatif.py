"""Recorded decisions made again by other rules."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.messages.chat import Usage
from actors.messages.provider import ModelSnapshot
from actors.messages.routing import AttemptRecord, RequestRecord, Target, Weights
from actors.messages.whatif import Change, Move, WhatIf
from actors.policy.recall import Sightings, ranked_on
from actors.policy.scoring import rank
from actors.policy.whatif import OWN_RATIOS, Replay
from tests.support.rankings import ask
from tests.support.records import record

USED = Usage(prompt_tokens=1000, completion_tokens=100, total_tokens=1100)


def snapshot(name: str, price: int, seconds: float, **given: object) -> ModelSnapshot:
    """A model that costs ``price`` USD per million tokens either way."""
    figures: dict[str, object] = {
        "provider": name,
        "model": "m",
        "input_price": Decimal(price),
        "output_price": Decimal(price),
        "latency_avg_s": seconds,
        "calls": 50,
        "success_rate": 1.0,
        "success_alpha": 50.0,
        "success_beta": 1.0,
        "last_call_at": 0.0,
    }
    return ModelSnapshot(**(figures | given))  # type: ignore[arg-type]  # a test's own words


CHEAP = snapshot("cheap", 1, 2.0)
FAST = snapshot("fast", 10, 1.0)


class Ledger:
    """Decides with real rankings and records what came of it."""

    def __init__(self, *pool: ModelSnapshot) -> None:
        self.pool = pool
        self.sightings = Sightings(lambda: "epoch")
        self.records: list[RequestRecord] = []

    def decided(
        self,
        strategy: str,
        *,
        outcome: str = "ok",
        usage: Usage = USED,
        latency_s: float | None = None,
        at: float = 1000.0,
    ) -> Target:
        """One request; it takes as long as predicted unless said."""
        asked = replace(ask(strategy), exploration=0.0, draw=0.9)  # type: ignore[arg-type]  # a test's own words
        targets = [Target(each.provider, each.model) for each in self.pool]
        self.sightings.turn_over(asked.now)
        seen = tuple(self.sightings.see(each) for each in self.pool)
        kept = ranked_on(asked, targets, self.sightings.epoch, seen)
        first = rank(self.pool, asked).order[0]
        taken = next(s for s in self.pool if s.provider == first.provider)
        price = taken.input_price
        took = taken.latency_avg_s if latency_s is None else latency_s
        assert took is not None
        cost = None if price is None else price * 1100 / 10**6
        call = AttemptRecord(
            attempt_id="a",
            provider=first.provider,
            model=first.model,
            outcome=outcome,  # type: ignore[arg-type]  # a test's own words
            started_at=at,
            latency_s=took,
            usage=usage,
            cost_usd=cost,
        )
        plain = record(len(self.records))
        self.records.append(
            replace(
                plain,
                at=at,
                attempts=(call,),
                usage=usage,
                latency_s=took,
                cost_usd=cost,
                sightings=self.sightings.take(),
                decision=replace(
                    plain.decision,
                    strategy=asked.strategy,
                    weights=asked.weights,
                    draw=asked.draw,
                    ranked_on=kept,
                ),
            )
        )
        return first

    def replayed(self, since: float = 0.0, **change: object) -> WhatIf:
        replay = Replay(Change(**change))  # type: ignore[arg-type]  # a test's own words
        for each in self.records:
            replay.add(each, counted=each.at >= since)
        return replay.account()


def test_the_same_rules_change_nothing() -> None:
    ledger = Ledger(CHEAP, FAST)
    for _ in range(5):
        ledger.decided("cost")
    found = ledger.replayed(strategy="cost")

    assert (found.requests, found.replayed, found.changed) == (5, 5, 0)
    assert found.cost_usd.difference == 0.0
    assert (found.latency_s.low, found.latency_s.high) == (0.0, 0.0)
    assert found.first_try.recorded == found.first_try.estimated == 1.0
    assert found.moves == ()


def test_another_strategy_moves_requests_and_says_what_that_costs_and_saves() -> None:
    ledger = Ledger(CHEAP, FAST)
    for _ in range(4):
        assert ledger.decided("cost").provider == "cheap"
    found = ledger.replayed(strategy="performance")

    assert found.changed == 4
    assert found.moves == (Move(before="cheap/m", after="fast/m", requests=4),)
    assert found.cost_usd.recorded == pytest.approx(0.0011)
    assert found.cost_usd.estimated == pytest.approx(0.011)
    assert found.total_cost_difference_usd == Decimal("0.0396")
    assert found.latency_s.recorded == pytest.approx(2.0)
    assert found.latency_s.estimated == pytest.approx(1.0)


def test_other_weights_are_other_rules() -> None:
    ledger = Ledger(CHEAP, FAST)
    ledger.decided("cost")
    found = ledger.replayed(strategy="hybrid", weights=Weights(0.0, 1.0, 0.0))

    assert found.changed == 1


def test_weights_alone_leave_the_strategy_as_it_was() -> None:
    ledger = Ledger(CHEAP, FAST)
    ledger.decided("cost")

    assert ledger.replayed(weights=Weights(0.0, 1.0, 0.0)).changed == 0


def test_records_of_different_candidates_are_each_decided_among_their_own() -> None:
    slow, other = snapshot("slow", 5, 9.0), snapshot("other", 3, 3.0)
    ledger = Ledger(CHEAP, FAST)
    pools = [(CHEAP,), (FAST,), (CHEAP, FAST), (FAST, CHEAP), (slow, other), (FAST,)]
    for pool in pools * 2:
        ledger.pool = pool
        ledger.decided("cost")
    same, fast = (
        ledger.replayed(strategy="cost"),
        ledger.replayed(strategy="performance"),
    )

    assert (same.replayed, same.changed) == (len(pools) * 2, 0)
    assert fast.moves == (Move(before="cheap/m", after="fast/m", requests=4),)


def test_turns_are_taken_in_the_order_of_the_records() -> None:
    ledger = Ledger(CHEAP, FAST)
    for _ in range(10):
        ledger.decided("cost")

    assert ledger.replayed(strategy="round_robin").changed == 5


def test_predictions_are_corrected_by_how_far_they_were_off() -> None:
    ledger = Ledger(CHEAP, FAST)
    for _ in range(4):
        ledger.decided("cost", latency_s=4.0)  # twice what was predicted
    found = ledger.replayed(strategy="performance")

    assert found.latency_s.estimated == pytest.approx(2.0)  # twice its 1.0 s


def test_a_candidate_that_was_called_often_is_corrected_by_itself() -> None:
    ledger = Ledger(CHEAP, FAST)
    for _ in range(OWN_RATIOS):
        ledger.decided("performance", latency_s=3.0)
    for _ in range(OWN_RATIOS * 3):
        ledger.decided("cost", latency_s=2.0)
    found = ledger.replayed(strategy="performance")

    assert found.latency_s.estimated == pytest.approx(3.0)


def test_the_interval_widens_with_what_is_not_known() -> None:
    steady, shaky = Ledger(CHEAP, FAST), Ledger(CHEAP, FAST)
    for number in range(20):
        steady.decided("cost")
        shaky.decided("cost", latency_s=1.0 + number % 3)
    sure = steady.replayed(strategy="performance").latency_s
    unsure = shaky.replayed(strategy="performance").latency_s

    assert sure.low is not None
    assert sure.high is not None
    assert unsure.low is not None
    assert unsure.high is not None
    assert unsure.high - unsure.low > sure.high - sure.low


def test_failures_that_another_candidate_would_have_spared_are_counted() -> None:
    ledger = Ledger(CHEAP, FAST)
    for number in range(10):
        ledger.decided("cost", outcome="server_error" if number % 2 else "ok")
    found = ledger.replayed(strategy="performance").first_try

    assert found.recorded == 0.5
    assert found.estimated is not None
    assert found.estimated > 0.9


def test_what_is_not_known_is_left_out_of_that_figure_alone() -> None:
    unpriced = replace(FAST, input_price=None, output_price=None)
    ledger = Ledger(CHEAP, unpriced)
    ledger.decided("cost")
    found = ledger.replayed(strategy="performance")

    assert found.replayed == 1
    assert found.cost_usd.requests == 0
    assert found.cost_usd.difference is None
    assert found.total_cost_difference_usd is None
    assert found.latency_s.requests == 1


def test_without_usage_neither_cost_nor_latency_is_estimated() -> None:
    ledger = Ledger(CHEAP, FAST)
    ledger.decided("cost", usage=Usage())
    found = ledger.replayed(strategy="performance")

    assert (found.cost_usd.requests, found.latency_s.requests) == (0, 0)
    assert found.first_try.requests == 1


def test_a_speed_that_was_never_measured_is_not_estimated() -> None:
    new = replace(FAST, latency_avg_s=None)
    ledger = Ledger(CHEAP, new)
    assert ledger.decided("cost").provider == "cheap"
    found = ledger.replayed(strategy="performance")

    assert found.changed == 1
    assert found.latency_s.requests == 0
    assert found.cost_usd.requests == 1


def test_records_from_before_only_say_what_later_ones_saw() -> None:
    ledger = Ledger(CHEAP, FAST)
    ledger.decided("cost", at=10.0)
    ledger.decided("cost", at=20.0)  # its sightings stand in the one before
    found = ledger.replayed(since=15.0, strategy="cost")

    assert (found.requests, found.replayed) == (1, 1)


def test_what_cannot_be_decided_again_is_left_out_with_its_reason() -> None:
    ledger = Ledger(CHEAP, FAST)
    ledger.decided("cost")
    ledger.decided("cost")
    forgotten = replace(ledger.records[0], sightings=())
    unasked = replace(ledger.records[0], attempts=())
    elsewhere = replace(
        ledger.records[1], attempts=(replace(ledger.records[1].attempts[0], model="x"),)
    )
    undecided = record(9)
    ledger.records = [forgotten, undecided, unasked, elsewhere]
    found = ledger.replayed(strategy="cost")

    assert found.replayed == 0
    assert found.left_out == {
        "the figures of 2 of its candidates are not kept any more": 1,
        "nobody was ranked for it": 1,
        "nobody was asked": 1,
        "who was asked first is not among what was seen": 1,
    }
    assert found.cost_usd.difference is None


def test_a_decision_that_nobody_can_take_is_left_out() -> None:
    ledger = Ledger(CHEAP)
    ledger.decided("cost")
    first = ledger.records[0]
    kept = first.decision.ranked_on
    assert kept is not None
    broke = replace(
        first,
        decision=replace(
            first.decision, ranked_on=replace(kept, budget_usd=Decimal(0))
        ),
    )
    ledger.records = [broke]

    assert ledger.replayed(strategy="cost").left_out == {
        "nobody could have been asked": 1
    }


def test_no_records_have_an_empty_account_with_its_assumptions() -> None:
    found = Ledger(CHEAP).replayed(strategy="cost")

    assert found.requests == 0
    assert found.first_try.difference is None
    assert len(found.assumptions) == 4
