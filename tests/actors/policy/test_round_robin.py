"""Smooth weighted turns."""

from collections import Counter

from hypothesis import given, settings, strategies as st

from actors.messages.routing import Target
from actors.policy.round_robin import SMALLEST_WEIGHT, RoundRobin

A, B, C = Target("a", "m"), Target("b", "m"), Target("c", "m")


def firsts(rotation: RoundRobin, weights: dict[Target, float], turns: int) -> str:
    return "".join(turn(rotation, weights)[0].provider for _ in range(turns))


def turn(rotation: RoundRobin, weights: dict[Target, float]) -> list[Target]:
    targets = list(weights)
    return [targets[n] for n in rotation.turn(targets, list(weights.values()))]


def test_equal_weights_take_turns_in_the_given_order() -> None:
    assert firsts(RoundRobin(), {A: 1.0, B: 1.0, C: 1.0}, 6) == "abcabc"


def test_heavier_weights_are_spread_not_bunched() -> None:
    assert firsts(RoundRobin(), {A: 3.0, B: 1.0}, 8) == "aabaaaba"


def test_who_is_away_neither_gains_nor_pays() -> None:
    rotation = RoundRobin()
    everybody = {A: 1.0, B: 1.0, C: 1.0}

    assert firsts(rotation, everybody, 1) == "a"
    assert firsts(rotation, {A: 1.0, C: 1.0}, 2) == "cc"
    assert firsts(rotation, everybody, 3) == "bac"


def test_nobody_and_one_alone_need_no_memory() -> None:
    rotation = RoundRobin()

    assert turn(rotation, {}) == []
    assert turn(rotation, {A: 1.0}) == [A]
    assert rotation._credit == {}


def test_a_weight_of_nothing_is_almost_nothing() -> None:
    assert firsts(RoundRobin(), {A: SMALLEST_WEIGHT, B: 1.0}, 50) == "b" * 50


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5))
@settings(deadline=None, max_examples=50)
def test_shares_are_exact_over_a_full_cycle(weights: list[int]) -> None:
    targets = {Target(f"p{n}", "m"): float(w) for n, w in enumerate(weights)}
    rotation = RoundRobin()

    counted = Counter(turn(rotation, targets)[0] for _ in range(sum(weights) * 3))

    assert counted == {target: 3 * weight for target, weight in targets.items()}


def test_every_turn_names_everybody_once() -> None:
    rotation = RoundRobin()
    for _ in range(5):
        assert set(turn(rotation, {A: 1.0, B: 2.0, C: 3.0})) == {A, B, C}
