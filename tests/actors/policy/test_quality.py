"""Quality from labels: discounted, with a prior, neutral where nobody knows anything."""

import pytest
from hypothesis import given, strategies as st

from actors.messages.ledger import Label
from actors.messages.routing import Target
from actors.policy.quality import (
    DISCOUNT,
    PRIOR_BAD,
    PRIOR_GOOD,
    PRIOR_MEAN,
    QualityBook,
    quality_of,
)

A, B, C = Target("a", "m"), Target("b", "m"), Target("c", "m")
scores = st.lists(st.floats(0.0, 1.0), max_size=60)


def label(
    target: Target,
    score: float,
    *,
    task_type: str | None = "review",
    at: float = 0.0,
    simulated: bool = False,
) -> Label:
    return Label(
        decision_id=f"{target.provider}{at}",
        provider=target.provider,
        model=target.model,
        task_type=task_type,
        score=score,
        at=at,
        simulated=simulated,
    )


def book(**labels: float) -> QualityBook:
    """Twenty labels alike for each provider named."""
    return QualityBook(
        label(Target(provider, "m"), score, at=float(n))
        for provider, score in labels.items()
        for n in range(20)
    )


# One posterior -------------------------------------------------------------------------


def test_without_labels_there_is_the_prior() -> None:
    prior = quality_of(())

    assert (prior.good, prior.bad, prior.labels) == (PRIOR_GOOD, PRIOR_BAD, 0)
    assert prior.mean == pytest.approx(2 / 3)


def test_one_label_moves_a_little_and_many_move_it_all() -> None:
    assert quality_of([1.0]).mean == pytest.approx(0.75)
    assert quality_of([0.0]).mean == pytest.approx(0.5)
    assert quality_of([1.0] * 500).mean > 0.98
    assert quality_of([0.0] * 500).mean < 0.02


def test_newer_labels_count_more() -> None:
    improved = quality_of([0.0] * 200 + [1.0] * 200)
    worsened = quality_of([1.0] * 200 + [0.0] * 200)

    assert improved.mean > 0.7
    assert worsened.mean < 0.3


@given(scores)
def test_a_posterior_is_what_its_formula_says(given_scores: list[float]) -> None:
    found = quality_of(given_scores)
    weights = [DISCOUNT**age for age in reversed(range(len(given_scores)))]
    good = sum(w * s for w, s in zip(weights, given_scores, strict=True))

    assert found.good == pytest.approx(PRIOR_GOOD + good)
    assert found.good + found.bad == pytest.approx(3.0 + sum(weights))
    assert found.labels == len(given_scores)
    assert 0.0 < found.mean < 1.0


@given(scores, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_better_label_never_makes_it_worse(
    before: list[float], one: float, two: float
) -> None:
    low, high = sorted((one, two))

    assert quality_of([*before, low]).mean <= quality_of([*before, high]).mean


# The book ------------------------------------------------------------------------------


def test_without_any_labels_nobody_has_a_quality() -> None:
    assert QualityBook().empty
    assert not book(a=0.9).empty
    assert QualityBook().of("review", (A, B)) == {}
    assert book(a=0.9).of("another task", (A, B)) == {}
    assert book(a=0.9).of(None, (A, B)) == {}


def test_among_candidates_nobody_knows_there_is_none_either() -> None:
    assert book(a=0.9).of("review", (B, C)) == {}


def test_who_is_unknown_stands_at_the_priors_mean() -> None:
    means = book(a=0.9).of("review", (A, B))

    assert means[B] == PRIOR_MEAN
    assert means[A] > 0.85


def test_an_unknown_one_neither_beats_a_good_one_nor_loses_to_a_bad_one() -> None:
    means = book(a=0.95, b=0.2).of("review", (A, B, C))

    assert means[A] > means[C] > means[B]


@given(st.integers(1, 200), st.integers(1, 200))
def test_however_many_labels_there_are(good: int, bad: int) -> None:
    labels = [label(A, 0.95, at=float(n)) for n in range(good)]
    labels += [label(B, 0.2, at=float(n)) for n in range(bad)]
    means = QualityBook(labels).of("review", (A, B, C))

    assert means[A] > means[C] > means[B]


def test_labels_count_in_the_order_of_their_times() -> None:
    labels = [label(A, 1.0 if n < 200 else 0.0, at=float(n)) for n in range(400)]

    assert QualityBook(reversed(labels)).of("review", (A,))[A] < 0.3


def test_what_is_learned_counts_at_once() -> None:
    known = book(a=0.9)

    quality = known.learn(label(B, 0.1), [0.1] * 20)

    assert known.of("review", (A, B))[B] == quality.mean < 0.3


def test_a_label_that_was_moved_leaves_nothing_behind() -> None:
    known = QualityBook([label(A, 1.0)])
    moved = label(A, 1.0)

    known.learn(label(A, 1.0, task_type="docs"), [1.0])
    known.unlearn(moved, ())
    known.unlearn(label(A, 1.0, task_type="never heard of"), ())

    assert known.of("review", (A, B)) == {}
    assert known.of("docs", (A,)) == {A: pytest.approx(0.75)}


def test_a_label_that_was_moved_leaves_the_others() -> None:
    known = QualityBook([label(A, 1.0, at=1.0), label(A, 0.0, at=2.0)])

    known.unlearn(label(A, 0.0), (1.0,))

    assert known.of("review", (A,)) == {A: pytest.approx(0.75)}


def test_pretended_answers_say_nothing_about_real_ones() -> None:
    known = QualityBook([label(A, 0.0, simulated=True), label(B, 1.0)])

    assert known.of("review", (A, B))[A] == PRIOR_MEAN
    assert known.of("review", (A, B), simulated={"a"})[A] == pytest.approx(0.5)


def test_everything_known_is_told() -> None:
    known = QualityBook([label(A, 1.0), label(B, 0.0, task_type=None, simulated=True)])

    assert [(t, kind, sim, q.labels) for t, kind, sim, q in known.rows()] == [
        (A, "review", False, 1),
        (B, None, True, 1),
    ]
