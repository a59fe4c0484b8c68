"""Who of the candidates may still be called, and who stands ready."""

import gc
from decimal import Decimal

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Target
from actors.policy.pool import Pool, fittest
from actors.policy.retry_rules import RetryConfig, Size

A, A2, B, C = (Target(name[0], name) for name in ("a", "a2", "b", "c"))


def seen(target: Target, **given: object) -> ModelSnapshot:
    fields: dict[str, object] = {"provider": target.provider, "model": target.model}
    return ModelSnapshot(**(fields | given))  # type: ignore[arg-type]  # a test's words


def pool(
    *known: ModelSnapshot, budget_usd: Decimal | None = None, max_retries: int = 3
) -> Pool:
    return Pool(
        RetryConfig(max_retries=max_retries),
        [A, A2, B, A, C],
        {Target(each.provider, each.model): each for each in known},
        100.0,
        size=Size(1_000_000, 0),
        budget_usd=budget_usd,
    )


def names(candidates: list[object]) -> list[object]:
    return [candidate.target.model for candidate in candidates]  # type: ignore[attr-defined]  # candidates


def open_names(found: Pool) -> list[object]:
    return names(list(found.open()[0]))


def test_a_candidate_is_found_by_its_names() -> None:
    found = pool(seen(B, blocked_until=7.0))

    assert [c.target for c in found.candidates] == [A, A2, B, C]
    candidate = found.find("b", "b")
    assert candidate is not None
    assert candidate.not_before == 7.0
    assert found.find("b", "a") is None


def test_who_ended_or_was_repeated_enough_or_has_no_room_is_not_called() -> None:
    found = pool(seen(B, context_window=10), seen(C, context_window=20), max_retries=0)
    found.candidates[0].tries = 1
    assert open_names(found) == ["a2", "b", "c"]
    found.overflow.note(B, 10)
    found.end("a")

    assert open_names(found) == ["c"]


def test_the_first_that_costs_too_much_is_remembered() -> None:
    priced = [
        seen(target, input_price=Decimal(price), output_price=Decimal(0))
        for target, price in ((A, 1), (A2, 1), (B, 5), (C, 6))
    ]
    found = pool(*priced, budget_usd=Decimal(4))

    assert open_names(found) == ["a", "a2"]
    assert found.too_dear is not None
    assert found.too_dear.target == B
    assert not found.may(found.candidates[0], beside=B)
    unknown = pool(budget_usd=Decimal(4))
    assert open_names(unknown) == []


def test_another_stands_ready_that_is_untried_well_free_and_has_a_place() -> None:
    def ready(*known: ModelSnapshot) -> object:
        found = pool(*known)
        other = found.alternative(found.candidates[0], 1.0)
        return other.target if other else None

    assert ready() == B
    assert ready(seen(B, blocked_until=2.0)) == C
    assert ready(seen(B, breaker="open"), seen(C, healthy=False)) is None
    assert ready(seen(B, auth_refused=True)) == C
    found = pool()
    found.candidates[2].tries = 1
    first = found.candidates[0]
    assert found.alternative(first, 1.0) is found.candidates[3]
    assert found.alternative(first, 1.0, lambda name: name != "c") is None


def test_those_who_go_on_best_with_an_answer() -> None:
    candidates = pool().candidates
    fits = {A: 1, A2: 0, B: None, C: 0}

    assert names(list(fittest(candidates, fits.get))) == ["a2", "c"]
    assert fittest(candidates, lambda _: None) == []


def test_a_full_one_is_kept_apart_until_places_are_looked_at_again() -> None:
    found = pool()
    first = found.candidates[0]
    first.tries = 1
    found.waiting.note_repeat(first)
    found.no_place(first)
    free, full = found.open()
    assert (names(list(free)), names(list(full))) == (["a2", "b", "c"], ["a"])
    assert found.waiting.repeats_of(first) == 0

    assert found.no_longer_full("a") is first
    assert open_names(found) == ["a", "a2", "b", "c"]
    assert found.no_longer_full("b") is None


def test_whoever_lets_go_of_it_frees_it_without_the_garbage_collector() -> None:
    found = pool(seen(A), budget_usd=Decimal(1))
    found.open()
    gc.collect()
    gc.disable()
    try:
        del found
        assert gc.collect() == 0
    finally:
        gc.enable()
