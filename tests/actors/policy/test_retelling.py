"""Recorded decisions told whole."""

import msgspec
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Decision, Target
from actors.messages.sighting import Sighting
from actors.policy.rank_input import KEPT_CANDIDATES, KEPT_EXCLUSIONS, RankInput
from actors.policy.recall import Forgotten, Key, Sightings, ranked_on
from actors.policy.retelling import retell
from actors.policy.scoring import rank
from tests.actors.policy.test_scoring_properties import asks, pools
from tests.support.rankings import ask, model


def recorded(
    pool: list[ModelSnapshot], asked: RankInput
) -> tuple[Decision, dict[Key, Sighting]]:
    """A decision and what it saw, as the router keeps and the ledger gives them."""
    sightings = Sightings(lambda: "epoch")
    sightings.turn_over(asked.now)
    targets = [Target(each.provider, each.model) for each in pool]
    seen = tuple(map(sightings.see, pool))
    kept = ranked_on(asked, targets, "epoch", seen)
    ranking = rank(pool, asked)
    decision = Decision(
        decision_id="d",
        strategy=asked.strategy,
        weights=asked.weights,
        candidates=ranking.ranked,
        excluded=ranking.excluded[:KEPT_EXCLUSIONS],
        candidate_count=len(pool),
        draw=asked.draw,
        reason=ranking.reason,
        ranked_on=kept,
    )
    written = msgspec.msgpack.encode((decision, sightings.take()))
    decision, saw = msgspec.msgpack.decode(
        written, type=tuple[Decision, tuple[Sighting, ...]]
    )
    return decision, {(each.epoch, each.seq): each for each in saw}


def told(pool: list[ModelSnapshot], asked: RankInput) -> Decision:
    decision = retell(*recorded(pool, asked))
    assert isinstance(decision, Decision)
    return decision


def test_everybody_is_told_and_the_best_first_as_they_were_recorded() -> None:
    pool = [model(f"p{n:02}", str(1 + n)) for n in range(60)]
    pool[7] = replace(pool[7], healthy=False)
    decision, saw = recorded(pool, ask("cost"))
    assert len(decision.candidates) == KEPT_CANDIDATES

    whole = retell(decision, saw)

    assert isinstance(whole, Decision)
    assert whole.candidates[:KEPT_CANDIDATES] == decision.candidates
    names = [each.target.provider for each in whole.candidates]
    assert names == [f"p{n:02}" for n in range(60) if n != 7]
    assert all(each.terms for each in whole.candidates)
    assert [each.target.provider for each in whole.excluded] == ["p07"]
    assert replace(whole, candidates=decision.candidates) == decision


def test_every_exclusion_is_told() -> None:
    out = [replace(model(f"p{n:02}"), healthy=False) for n in range(59)]

    assert len(told([*out, model("well")], ask("hybrid")).excluded) == 59


def test_the_least_bad_are_all_told() -> None:
    out = [replace(model(f"p{n:02}"), auth_refused=True) for n in range(20)]

    assert len(told(out, ask("hybrid")).candidates) == 20


@pytest.mark.slow
@given(pools, asks)
@settings(deadline=None, max_examples=100)
def test_every_decision_can_be_told_and_nobody_is_missing(
    pool: list[ModelSnapshot], asked: RankInput
) -> None:
    whole = told(pool, asked)

    named = [c.target for c in whole.candidates] + [e.target for e in whole.excluded]
    assert sorted(map(str, named)) == sorted(
        str(Target(each.provider, each.model)) for each in pool
    )


def test_a_decision_of_other_formulas_is_not_told_as_if_it_were_ours() -> None:
    decision, saw = recorded([model("a", "1"), model("b", "2")], ask("cost"))
    other = tuple([replace(each, score=0.5) for each in decision.candidates])

    answer = retell(replace(decision, candidates=other), saw)

    assert isinstance(answer, Forgotten)
    assert "otherwise" in answer.reason


def test_what_is_forgotten_is_said() -> None:
    decision, saw = recorded([model("a"), model("b")], ask("cost"))
    saw.popitem()

    assert retell(decision, saw) == Forgotten(
        "the figures of 1 of its candidates are not kept any more"
    )
