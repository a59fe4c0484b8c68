"""How sure a decision is."""

import pytest
from hypothesis import given, settings, strategies as st

from actors.policy.confidence import beta_variance, decision_confidence

scores = st.floats(0.0, 1.0)


def test_variance_of_a_flat_posterior_is_a_twelfth() -> None:
    assert beta_variance(1.0, 1.0) == pytest.approx(1 / 12)


def test_a_tie_is_a_coin_toss_once_enough_was_seen() -> None:
    assert decision_confidence(0.7, 0.7, 0.01, 10_000) == pytest.approx(0.5, abs=1e-3)


def test_nothing_seen_is_no_confidence() -> None:
    assert decision_confidence(1.0, 0.0, 0.01, 0) == 0.0


def test_one_standard_deviation_apart() -> None:
    # Phi(1) = 0.8413..., halved by n / (n + 10) at n = 10.
    assert decision_confidence(0.6, 0.5, 0.01, 10) == pytest.approx(0.841344746 / 2)


def test_certain_posteriors_do_not_divide_by_zero() -> None:
    assert decision_confidence(0.6, 0.5, 0.0, 90) == pytest.approx(0.9)


@given(scores, scores, st.floats(0.0, 1.0), st.integers(0, 10**9))
@settings(deadline=None)
def test_stays_in_the_unit_interval(
    one: float, two: float, variance: float, calls: int
) -> None:
    assert 0.0 <= decision_confidence(one, two, variance, calls) <= 1.0


@given(st.floats(0.0, 0.5), st.integers(1, 1000))
@settings(deadline=None)
def test_grows_with_the_gap_and_with_the_calls(gap: float, calls: int) -> None:
    here = decision_confidence(0.5 + gap, 0.5, 0.02, calls)

    assert decision_confidence(0.5 + gap / 2, 0.5, 0.02, calls) <= here
    assert decision_confidence(0.5 + gap, 0.5, 0.02, calls + 1) >= here
