"""Restart maths: policy and intensity."""

import pytest
from hypothesis import given, settings, strategies as st

from actors.messages.lifecycle import ExitReason
from actors.runtime.restart import RestartPolicy, add_restart, should_restart


@pytest.mark.parametrize(
    ("policy", "reason", "restarted"),
    [
        ("permanent", "stopped", True),
        ("permanent", "crashed", True),
        ("permanent", "cancelled", False),
        ("transient", "stopped", False),
        ("transient", "crashed", True),
        ("transient", "cancelled", False),
        ("temporary", "stopped", False),
        ("temporary", "crashed", False),
        ("temporary", "cancelled", False),
    ],
)
def test_policy_and_reason_decide(
    policy: RestartPolicy, reason: ExitReason, restarted: bool
) -> None:
    assert should_restart(policy, reason) is restarted


def test_five_restarts_in_thirty_seconds_are_allowed_and_a_sixth_is_not() -> None:
    history: tuple[float, ...] = ()
    verdicts = []
    for now in (0.0, 6.0, 12.0, 18.0, 24.0, 30.0):
        history, allowed = add_restart(history, now, 5, 30.0)
        verdicts.append(allowed)

    assert verdicts == [True] * 5 + [False]


def test_a_restart_longer_ago_than_the_period_is_forgotten() -> None:
    history, allowed = add_restart((0.0, 6.0), 30.1, 2, 30.0)

    assert allowed
    assert history == (6.0, 30.1)


def test_no_restart_is_allowed_when_none_may_be() -> None:
    assert add_restart((), 0.0, 0, 30.0) == ((0.0,), False)


gaps = st.lists(st.integers(0, 20_000).map(lambda ms: ms / 1000), max_size=40)


@settings(max_examples=200)
@given(gaps=gaps, max_restarts=st.integers(0, 6), within_s=st.integers(0, 40))
def test_intensity_counts_exactly_the_restarts_of_any_window(
    gaps: list[float], max_restarts: int, within_s: int
) -> None:
    """Whatever the crashes, a verdict is that of a brute-force count."""
    times: list[float] = []
    history: tuple[float, ...] = ()
    for gap in gaps:
        now = (times[-1] if times else 0.0) + gap
        times.append(now)
        history, allowed = add_restart(history, now, max_restarts, float(within_s))
        in_window = [at for at in times if now <= at + within_s]

        assert history == tuple(in_window)
        assert allowed is (len(in_window) <= max_restarts)
