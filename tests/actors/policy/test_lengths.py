"""How long answers are."""

import pytest
from hypothesis import given, strategies as st

from actors.messages.routing import Target
from actors.policy.lengths import (
    DEFAULT_TOKENS,
    KEPT_MODELS,
    KEPT_TASKS,
    OutputLengths,
)

A, B = Target("a", "m"), Target("b", "m")


def learned(*answers: tuple[Target, int], task: str | None = None) -> OutputLengths:
    lengths = OutputLengths()
    for target, tokens in answers:
        lengths.learn(task, target, tokens)
    return lengths


def test_nothing_seen_is_the_default() -> None:
    assert OutputLengths().expected("review") == (DEFAULT_TOKENS, {})
    assert OutputLengths().expected(None, at_most=100) == (100, {})


def test_one_odd_answer_moves_little_and_many_decide() -> None:
    once, _ = learned((A, 5000)).expected(None)
    often, known = learned(*[(A, 5000)] * 300).expected(None)

    assert once == pytest.approx((5 * 256 + 5000) / 6, abs=1)
    assert often == pytest.approx(5000, rel=0.1)
    assert known[A] == pytest.approx(5000, rel=0.05)


def test_wordy_models_are_told_from_terse_ones() -> None:
    _, known = learned(*[(A, 1000), (B, 100)] * 50).expected(None)

    assert known[A] > 750
    assert known[B] < 350


def test_what_was_seen_of_others_counts_until_a_model_is_known() -> None:
    lengths = learned(*[(A, 1000)] * 100)
    lengths.learn(None, B, 400)
    _, known = lengths.expected(None)

    assert 800 < known[B] < 1000


def test_task_types_are_learned_apart() -> None:
    lengths = learned(*[(A, 2000)] * 50, task="review")
    for _ in range(50):
        lengths.learn("label", A, 3)

    assert lengths.expected("review")[0] > 1700
    assert lengths.expected("label")[1][A] < 30
    assert lengths.expected("unheard of") == (DEFAULT_TOKENS, {})


def test_it_follows_a_change() -> None:
    lengths = learned(*[(A, 2000)] * 300)
    for _ in range(200):
        lengths.learn(None, A, 100)

    assert lengths.expected(None)[1][A] < 250


@given(st.lists(st.integers(0, 100_000), max_size=30), st.integers(1, 5000))
def test_no_more_is_expected_than_the_request_allows(
    answers: list[int], cap: int
) -> None:
    lengths = learned(*[(A, tokens) for tokens in answers])

    expected, known = lengths.expected(None, cap)

    assert 1 <= expected <= cap
    assert all(1 <= tokens <= cap for tokens in known.values())


def test_callers_who_invent_task_types_and_models_take_no_memory() -> None:
    lengths = OutputLengths()
    for number in range(3 * KEPT_TASKS):
        lengths.learn(f"task-{number}", A, 10)
        lengths.learn("busy", Target("p", f"m{number}"), 10)

    assert len(lengths._tasks) == KEPT_TASKS
    assert len(lengths._tasks["busy"].models) == KEPT_MODELS
    assert len(lengths.expected("busy")[1]) == KEPT_MODELS
