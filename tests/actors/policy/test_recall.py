"""Decisions made again from what is kept of them."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Decision, Target, Weights
from actors.messages.sighting import RankedOn, Sighting
from actors.policy.rank_input import Cached, RankInput
from actors.policy.recall import (
    EPOCH_S,
    EPOCH_SIGHTINGS,
    KEPT_EPOCHS,
    Forgotten,
    Recalled,
    Recollection,
    Sightings,
    ranked_on,
    recall,
    seen_by,
    sighting_of,
    snapshot_of,
)
from actors.policy.round_robin import RoundRobin
from actors.policy.scoring import Ranking, rank
from tests.actors.policy.test_scoring_properties import asks, pools
from tests.support.rankings import ASK, ask, model
from tests.support.records import record


class Desk:
    """Decides and keeps, as the router does."""

    def __init__(self) -> None:
        self.epochs = 0
        self.sightings = Sightings(self.new_epoch)

    def new_epoch(self) -> str:
        self.epochs += 1
        return f"epoch-{self.epochs}"

    def decide(
        self, pool: list[ModelSnapshot], asked: RankInput
    ) -> tuple[Decision, Ranking]:
        targets = [Target(each.provider, each.model) for each in pool]
        self.sightings.turn_over(asked.now)
        seen = tuple(self.sightings.see(each) for each in pool)
        kept = ranked_on(asked, targets, self.sightings.epoch, seen)
        decision = Decision(
            decision_id="d",
            strategy=asked.strategy,
            weights=asked.weights,
            candidates=(),
            draw=asked.draw,
            ranked_on=kept,
        )
        return over_the_wire(decision), rank(pool, asked)

    def written(self) -> dict[tuple[str, int], Sighting]:
        sightings = msgspec.msgpack.decode(
            msgspec.msgpack.encode(self.sightings.take()), type=tuple[Sighting, ...]
        )
        return {(each.epoch, each.seq): each for each in sightings}


def over_the_wire(decision: Decision) -> Decision:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(decision), type=Decision)


@pytest.mark.slow
@given(pools, asks)
@settings(deadline=None, max_examples=200)
def test_every_decision_is_made_again_to_the_last_figure(
    pool: list[ModelSnapshot], asked: RankInput
) -> None:
    desk = Desk()
    decision, ranking = desk.decide(pool, asked)

    recalled = recall(decision, desk.written())

    assert isinstance(recalled, Recalled)
    assert rank(recalled.candidates, recalled.ask) == ranking


def test_turns_are_taken_again_from_where_they_were() -> None:
    desk, rotation = Desk(), RoundRobin()
    pool = [model("a"), replace(model("b"), weight=2.0), model("c")]
    asked = replace(ask("round_robin"), rotation=rotation)
    made = [desk.decide(pool, asked) for _ in range(7)]
    written = desk.written()

    for decision, ranking in made:
        recalled = recall(decision, written)

        assert isinstance(recalled, Recalled)
        assert rank(recalled.candidates, recalled.ask) == ranking


def test_it_can_be_made_by_other_rules() -> None:
    desk = Desk()
    pool = [model("a", "1", 9.0), model("b", "9", 1.0)]
    decision, ranking = desk.decide(pool, ask("cost"))

    recalled = recall(decision, desk.written())

    assert isinstance(recalled, Recalled)
    other = rank(recalled.candidates, replace(recalled.ask, strategy="performance"))
    assert ranking.order[0].provider == "a"
    assert other.order[0].provider == "b"


def test_everything_that_a_ranking_looks_at_is_kept() -> None:
    snapshot = ModelSnapshot(
        provider="p",
        model="m",
        breaker="half_open",
        breaker_cause="slow",
        breaker_open_until=1.5,
        probe_permit_free=True,
        blocked_until=2.5,
        in_flight=3,
        provider_in_flight=4,
        concurrency_limit=5,
        calls=6,
        success_rate=0.5,
        success_alpha=7.0,
        success_beta=8.0,
        last_call_at=9.5,
        latency_avg_s=1.0,
        time_to_first_token_s=0.1,
        seconds_per_token=0.01,
        input_price=Decimal("1.5"),
        output_price=Decimal("2.5"),
        cached_input_price=Decimal("0.5"),
        context_window=1000,
        healthy=False,
        auth_refused=True,
        weight=2.0,
    )

    assert snapshot_of(sighting_of("e", 1, snapshot)) == snapshot


def test_what_did_not_change_is_not_written_again() -> None:
    desk = Desk()
    pool = [model("a"), model("b")]
    first, _ = desk.decide(pool, ASK)
    assert len(desk.written()) == 2
    again, _ = desk.decide([replace(each, latency_p95_s=9.0) for each in pool], ASK)
    pool[1] = replace(pool[1], in_flight=1)
    third, _ = desk.decide(pool, ASK)

    assert seen_by(first) == seen_by(again)
    assert [seq for _, seq in desk.written()] == [3]
    assert [seq for _, seq in seen_by(third)] == [1, 3]


def test_what_could_not_be_written_is_written_with_the_next() -> None:
    desk = Desk()
    desk.decide([model("a")], ASK)
    taken = desk.sightings.take()
    desk.decide([model("b")], ASK)

    desk.sightings.give_back(taken)

    assert [each.provider for each in desk.sightings.take()] == ["a", "b"]
    assert desk.sightings.take() == ()


def test_what_waits_to_be_written_is_bounded() -> None:
    sightings = Sightings(lambda: "e")
    sightings.turn_over(0.0)
    for number in range(EPOCH_SIGHTINGS + 10):
        sightings.see(model(f"p{number}"))

    sightings.give_back(sightings.take())

    assert len(sightings.take()) == EPOCH_SIGHTINGS


def test_another_epoch_begins_in_time_and_sees_everybody_again() -> None:
    desk = Desk()
    decisions = [
        desk.decide([model("a")], replace(ASK, now=now))[0]
        for now in (0.0, EPOCH_S - 1.0, EPOCH_S)
    ]

    keys = [seen_by(decision) for decision in decisions]

    assert keys == [(("epoch-1", 1),), (("epoch-1", 1),), (("epoch-2", 1),)]
    for number in range(EPOCH_SIGHTINGS):
        desk.sightings.see(replace(model("a"), calls=number))
    desk.sightings.turn_over(EPOCH_S)
    assert desk.sightings.epoch == "epoch-3"


def test_figures_that_are_gone_are_told() -> None:
    desk = Desk()
    decision, _ = desk.decide([model("a"), model("b")], ASK)
    written = desk.written()
    del written["epoch-1", 2]

    assert recall(decision, written) == Forgotten(
        "the figures of 1 of its candidates are not kept any more"
    )


def test_a_request_that_was_never_ranked_is_told() -> None:
    decision = Decision(
        decision_id="d", strategy="cost", weights=Weights(), candidates=()
    )

    assert seen_by(decision) == ()
    assert recall(decision, {}) == Forgotten("nobody was ranked for it")


def test_the_conversations_cache_is_kept_if_it_was_a_candidates() -> None:
    cached = Cached(Target("b", "m"), 700)
    targets = [Target("a", "m"), Target("b", "m")]
    asked = replace(ASK, cached=cached)

    assert ranked_on(asked, targets, "e", (1, 2)).cached == (1, 700)
    assert ranked_on(asked, targets[:1], "e", (1,)).cached is None


@settings(deadline=None)
@given(st.integers(1, 30))
def test_records_going_by_are_recalled_in_order(count: int) -> None:
    desk, recollection = Desk(), Recollection()
    for number in range(count):
        pool = [model("a"), replace(model("b"), calls=number // 3)]
        now = number * EPOCH_S / 4
        decision, ranking = desk.decide(pool, replace(ASK, now=now))
        written = replace(
            record(number), decision=decision, sightings=desk.sightings.take()
        )

        recalled = recollection.recall(written)

        assert isinstance(recalled, Recalled)
        assert rank(recalled.candidates, recalled.ask) == ranking
    assert len(recollection._epochs) <= KEPT_EPOCHS


def test_records_without_anything_ranked_go_by() -> None:
    assert isinstance(Recollection().recall(record(1)), Forgotten)


def test_only_what_is_not_the_default_is_written() -> None:
    few = RankedOn(epoch="e", sightings=(1, 2, 3), now=1.0, preferred=3)

    assert len(msgspec.msgpack.encode(few)) < 60
