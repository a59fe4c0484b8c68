"""The ranking: scores, choice, exclusions, reasons."""

from collections import Counter
from decimal import Decimal
from typing import get_args

import pytest
from msgspec.structs import replace

from actors.errors import BudgetExceeded, ContextTooLong, NoProvider
from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Strategy, Target, Weights
from actors.policy.round_robin import RoundRobin
from actors.policy.scoring import Ranking, rank, refusal
from tests.support.rankings import ASK, NOW, ask, model, order, scores, terms

# Cost


def test_cost_takes_the_cheapest_and_scores_by_proportion() -> None:
    ranking = rank([model("a", "4"), model("b", "1"), model("c", "2")], ask("cost"))

    assert order(ranking) == "bca"
    assert scores(ranking) == pytest.approx({"b": 1.0, "c": 0.5, "a": 0.25}, rel=1e-5)
    assert ranking.ranked[0].expected_cost_usd == Decimal(1)
    assert ranking.reason == "cost: the highest score, 1.000"


def test_an_unknown_price_is_dearer_than_the_dearest_known_never_free() -> None:
    ranking = rank([model("x"), model("a", "4"), model("b", "1")], ask("cost"))

    assert order(ranking) == "bax"
    [term] = terms(ranking, "x")
    assert term.raw is None
    assert term.value == pytest.approx(1 / 4.4, rel=1e-5)
    assert "10 % above the dearest known" in (term.note or "")
    assert ranking.ranked[2].expected_cost_usd is None


def test_an_unknown_price_does_not_tie_with_free_models() -> None:
    ranking = rank([model("x"), model("a", "0")], ask("cost", draw=0.99))

    assert order(ranking) == "ax"
    assert scores(ranking)["x"] < 0.98


def test_when_no_price_is_known_all_are_equal() -> None:
    ranking = rank([model("x"), model("y")], ask("cost"))

    assert scores(ranking) == {"x": 0.5, "y": 0.5}
    assert terms(ranking, "x")[0].note == "no candidate's price is known: all equal"


def test_a_cheap_provider_that_fails_pays_for_its_retries() -> None:
    flaky = replace(model("a", "1"), success_alpha=20.0, success_beta=25.0)

    assert order(rank([flaky, model("b", "1.5")], ask("cost"))) == "ba"


# Performance


def test_performance_takes_the_fastest() -> None:
    ranking = rank(
        [model("a", latency_s=4.0), model("b", latency_s=1.0)], ask("performance")
    )

    assert order(ranking) == "ba"
    assert scores(ranking) == {"b": 1.0, "a": 0.25}
    assert ranking.ranked[0].expected_latency_s == 1.0


def test_an_unknown_latency_counts_as_the_fastest_known() -> None:
    ranking = rank([model("a", latency_s=4.0), model("x")], ask("performance"))

    assert scores(ranking) == {"x": 1.0, "a": 1.0}
    [term] = terms(ranking, "x")
    assert (term.raw, term.unit) == (None, "s")
    assert "get to know" in (term.note or "")


def test_one_call_gets_to_know_it_and_not_a_herd() -> None:
    asked = replace(model("x"), in_flight=3)
    ranking = rank([model("a", latency_s=4.0), asked], ask("performance"))

    assert scores(ranking) == {"a": 1.0, "x": 0.25}


def test_when_no_latency_is_known_all_are_equal() -> None:
    assert scores(rank([model("x"), model("y")], ask("performance"))) == {
        "x": 1.0,
        "y": 1.0,
    }


# Availability


def test_availability_takes_the_most_reliable() -> None:
    shaky = replace(model("a"), success_beta=10.0, success_rate=0.8)
    ranking = rank([shaky, model("b")], ask("availability"))

    assert order(ranking) == "ba"
    [term] = terms(ranking, "a")
    assert (term.raw, term.unit, term.note) == (0.8, "success rate", None)


def test_notes_tell_the_untried_and_those_on_trial() -> None:
    trial = replace(model("t"), breaker="half_open", probe_permit_free=True)
    ranking = rank([model("n", successes=0.0), trial], ask("availability"))

    assert terms(ranking, "n")[0].note == "no calls yet: prior only"
    assert terms(ranking, "t")[0].note == "half-open: one call may try"


# Hybrid


def test_hybrid_is_the_weighted_sum() -> None:
    ranking = rank(
        [model("a", "1", 4.0), model("b", "4", 1.0)],
        replace(ASK, weights=Weights(8.0, 6.0, 6.0)),
    )

    cheap = terms(ranking, "a")
    assert [term.name for term in cheap] == ["cost", "performance", "availability"]
    assert [term.weight for term in cheap] == pytest.approx([0.4, 0.3, 0.3])
    assert scores(ranking)["a"] == pytest.approx(
        0.4 * 1.0 + 0.3 * 0.25 + 0.3 * cheap[2].value
    )


def test_a_weight_of_nothing_is_left_out() -> None:
    only_time = replace(ASK, weights=Weights(0.0, 1.0, 0.0))
    ranking = rank([model("a", "1", 4.0), model("b", "4", 1.0)], only_time)

    assert order(ranking) == "ba"
    assert [term.name for term in terms(ranking, "a")] == ["performance"]


def test_weights_of_nothing_at_all_are_an_error() -> None:
    with pytest.raises(ValueError, match="no weight is above zero"):
        rank([model("a")], replace(ASK, weights=Weights(0.0, 0.0, 0.0)))


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_a_dead_cheap_fast_provider_never_wins(strategy: Strategy) -> None:
    dead = replace(model("a", "0", 0.01), success_alpha=1.0, success_beta=60.0)
    for draw in (0.0, 0.01, 0.5, 0.99):
        ranking = rank([dead, model("b", "9", 9.0)], ask(strategy, draw))

        assert order(ranking) == "b"
        assert [exclusion.code for exclusion in ranking.excluded] == ["unavailable"]
        assert ranking.reserve == (Target("a", "m"),)


# By place


def test_priority_is_the_callers_order() -> None:
    pool = [model("c", "3"), model("a", "1"), model("b", "2")]

    ranking = rank(pool, ask("priority"))

    assert order(ranking) == "cab"
    assert scores(ranking) == pytest.approx({"c": 1.0, "a": 2 / 3, "b": 1 / 3})
    assert terms(ranking, "a")[0].raw == 1.0
    assert ranking.reason == "priority: the first in order"


def test_priority_skips_who_cannot_be_chosen() -> None:
    pool = [replace(model("a"), healthy=False), model("b")]

    assert order(rank(pool, ask("priority"))) == "b"


def test_round_robin_takes_turns_among_the_eligible() -> None:
    rotation = RoundRobin()
    pool = [model("a"), model("b"), replace(model("c"), healthy=False)]
    turning = replace(ask("round_robin"), rotation=rotation)

    assert [order(rank(pool, turning)) for _ in range(4)] == ["ab", "ba", "ab", "ba"]


def test_round_robin_heeds_weights() -> None:
    pool = [replace(model("a"), weight=3.0), model("b")]
    turning = replace(ask("round_robin"), rotation=RoundRobin())

    assert [order(rank(pool, turning))[0] for _ in range(4)] == list("aaba")


def test_round_robin_turns_only_among_the_preferred() -> None:
    pool = [model("b"), model("c"), model("a")]
    turning = replace(ask("round_robin"), rotation=RoundRobin(), preferred=2)

    turns = [order(rank(pool, turning)) for _ in range(3)]

    assert turns == ["bca", "cba", "bca"]


def test_round_robin_turns_among_the_rest_when_nobody_else_is_there() -> None:
    pool = [model("a"), model("b")]
    turning = replace(ask("round_robin"), rotation=RoundRobin(), preferred=0)

    assert [order(rank(pool, turning))[0] for _ in range(3)] == list("aba")


def test_round_robin_without_a_rotation_keeps_the_given_order() -> None:
    assert order(rank([model("b"), model("a")], ask("round_robin"))) == "ba"


# The choice among the best


def test_of_a_tie_the_one_with_less_work_goes_first() -> None:
    busy = replace(model("a", "1", 2.0), in_flight=5)
    idle = replace(model("b", "1", 2.0), in_flight=1)

    for draw in (0.0, 0.5, 0.99):
        ranking = rank([busy, idle], ask("cost", draw))

        assert order(ranking) == "ba"
        assert "within 0.02" in ranking.reason


def test_two_of_a_larger_tie_are_drawn_evenly() -> None:
    pool = [replace(model(name, "1"), in_flight=n) for n, name in enumerate("abc")]

    first = Counter(
        order(rank(pool, ask("cost", draw=(n + 0.5) / 60)))[0] for n in range(60)
    )

    # a is the idlest: first whenever it is drawn; c never is.
    assert first == {"a": 40, "b": 20}


def test_what_is_not_within_a_hair_is_no_tie() -> None:
    ranking = rank(
        [replace(model("a", "1"), in_flight=9), model("b", "1.03")], ask("cost")
    )

    assert order(ranking) == "ab"


@pytest.mark.parametrize("strategy", ["performance", "availability", "hybrid"])
def test_a_few_requests_explore_another_than_the_best(strategy: Strategy) -> None:
    pool = [model("a", "1", 1.0), model("b", "2", 2.0), model("c", "3", 3.0)]
    pool[1] = replace(pool[1], success_beta=4.0)
    pool[2] = replace(pool[2], success_beta=6.0)

    assert order(rank(pool, ask(strategy, 0.0))) == "bac"
    assert order(rank(pool, ask(strategy, 0.029))) == "cab"
    assert order(rank(pool, ask(strategy, 0.03))) == "abc"
    assert "exploring, draw 0.0290 < 0.03" in rank(pool, ask(strategy, 0.029)).reason


@pytest.mark.parametrize("strategy", ["cost", "priority", "round_robin"])
def test_the_other_strategies_never_explore(strategy: Strategy) -> None:
    pool = [model("a", "1"), model("b", "2")]

    assert order(rank(pool, ask(strategy, 0.0))) == "ab"


def test_exploration_may_be_switched_off_and_needs_somebody_to_explore() -> None:
    pool = [model("a", "1", 1.0), model("b", "2", 2.0)]
    off = replace(ask("hybrid", 0.0), exploration=0.0)

    assert order(rank(pool, off)) == "ab"
    assert order(rank(pool[:1], ask("hybrid", 0.0))) == "a"


# Groups


def test_the_rest_of_a_task_rule_stands_behind_however_good() -> None:
    pool = [model("b", "9"), model("a", "1")]

    for draw in (0.0, 0.5):
        ranking = rank(pool, replace(ask("hybrid", draw), preferred=1))

        assert order(ranking) == "ba"


def test_a_window_that_may_be_too_small_stands_behind_one_that_fits() -> None:
    pool = [replace(model("a", "1"), context_window=1_500_000), model("b", "9")]
    tight = replace(ask("cost"), prompt_tokens_upper=2_000_000)

    assert order(rank(pool, tight)) == "ba"
    assert order(rank(pool, replace(tight, strategy="priority"))) == "ab"


# Nobody well


def opened(name: str, *, failures: float = 0.0) -> ModelSnapshot:
    return replace(
        model(name),
        breaker="open",
        breaker_open_until=NOW + 9,
        success_beta=1.0 + failures,
    )


def test_when_every_breaker_is_open_the_least_bad_is_taken() -> None:
    ranking = rank([opened("a", failures=30.0), opened("b")], ASK)

    assert order(ranking) == "ba"
    assert ranking.degraded
    assert ranking.excluded == ()
    assert ranking.reserve == ()
    assert ranking.reason == (
        "nobody is free and well; least bad: b/m (open for another 9 s)"
    )


def test_those_who_only_need_a_moment_are_no_degraded_choice() -> None:
    ranking = rank([opened("a"), replace(model("b"), blocked_until=NOW + 2)], ASK)

    assert order(ranking) == "ba"
    assert not ranking.degraded


def test_one_who_is_well_keeps_the_others_in_reserve() -> None:
    ranking = rank([opened("a"), replace(model("b"), healthy=False), model("c")], ASK)

    assert order(ranking) == "c"
    assert ranking.reserve == (Target("b", "m"), Target("a", "m"))
    assert not ranking.degraded


def test_nobody_at_all_is_an_empty_ranking() -> None:
    ranking = rank([], ASK)

    assert ranking == Ranking(ranked=(), reason="nobody can be asked")
    assert isinstance(refusal(ranking), NoProvider)


def test_a_refusal_names_whose_models_are_not_known_yet() -> None:
    error = refusal(rank([replace(model("local"), model="")], ASK))

    assert isinstance(error, NoProvider)
    assert "no model known yet of local" in error.message


def test_a_budget_too_small_for_everybody_is_told_with_the_figures() -> None:
    small = replace(ASK, budget_usd=Decimal("0.5"))
    windowed = replace(model("b", "1"), context_window=10)
    error = refusal(rank([model("a", "1"), windowed], small))

    assert isinstance(error, BudgetExceeded)
    assert "a/m: expected to cost $1" in error.message


def test_a_request_too_long_for_everybody_is_told_with_the_figures() -> None:
    error = refusal(rank([replace(model("a"), context_window=10)], ASK))

    assert isinstance(error, ContextTooLong)
    assert "a/m: about 1000000 tokens wanted, the window holds 10" in error.message


# Confidence


def test_confidence_needs_two_to_compare() -> None:
    assert rank([model("a")], ASK).confidence is None


def test_confidence_grows_with_what_was_seen() -> None:
    def confidence(successes: float) -> float:
        pool = [
            model("a", "1", successes=successes),
            model("b", "4", successes=successes),
        ]
        found = rank(pool, ask("cost")).confidence
        assert found is not None
        return found

    assert confidence(0.0) == 0.0
    assert confidence(0.0) < confidence(5.0) < confidence(100.0) <= 1.0
