"""Whatever the snapshots say: a ranking is whole, bounded and repeatable."""

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from actors.messages.provider import BreakerPhase, ModelSnapshot
from actors.messages.routing import RankedCandidate, Strategy, Target
from actors.policy.scoring import rank, refusal
from tests.support.rankings import ask

prices = st.none() | st.decimals(0, 100, places=4).map(abs)
snapshots = st.builds(
    ModelSnapshot,
    provider=st.sampled_from("abcdefgh"),
    model=st.sampled_from(["m", "n"]),
    breaker=st.sampled_from(get_args(BreakerPhase)),
    breaker_open_until=st.floats(0.0, 100.0),
    probe_permit_free=st.booleans(),
    blocked_until=st.just(0.0) | st.floats(0.0, 100.0),
    in_flight=st.integers(0, 20),
    concurrency_limit=st.none() | st.integers(1, 20),
    calls=st.integers(0, 100),
    success_alpha=st.floats(1.0, 200.0),
    success_beta=st.floats(1.0, 200.0),
    last_call_at=st.none() | st.floats(0.0, 50.0),
    latency_avg_s=st.none() | st.floats(0.0, 600.0),
    seconds_per_token=st.none() | st.floats(0.0, 1.0),
    time_to_first_token_s=st.none() | st.floats(0.0, 60.0),
    input_price=prices,
    output_price=prices,
    context_window=st.none() | st.integers(1, 4_000_000),
    healthy=st.none() | st.booleans(),
    auth_refused=st.booleans(),
)
pools = st.lists(snapshots, max_size=8, unique_by=lambda s: (s.provider, s.model))


@pytest.mark.slow
@given(
    pools,
    st.sampled_from(get_args(Strategy)),
    st.floats(0.0, 1.0, exclude_max=True),
    st.none() | st.decimals(0, 10, places=2).map(abs),
)
@settings(deadline=None, max_examples=200)
def test_every_ranking_is_whole_bounded_and_repeatable(
    pool: list[ModelSnapshot], strategy: Strategy, draw: float, budget: Decimal | None
) -> None:
    asked = replace(ask(strategy, draw), budget_usd=budget)

    ranking = rank(pool, asked)

    everybody = {Target(s.provider, s.model) for s in pool}
    ranked = [candidate.target for candidate in ranking.ranked]
    excluded = {exclusion.target for exclusion in ranking.excluded}
    assert len(ranked) == len(set(ranked))
    assert set(ranked) | excluded == everybody
    assert not set(ranked) & excluded
    assert set(ranking.reserve) <= excluded
    for candidate in ranking.ranked:
        check_bounded(candidate)
    assert ranking.confidence is None or 0.0 <= ranking.confidence <= 1.0
    assert (ranking.confidence is None) == (len(ranked) < 2)
    assert rank(pool, asked) == ranking
    if not ranked:
        assert ranking.reserve == ()
        assert not refusal(ranking).message.endswith(": ")


def check_bounded(candidate: RankedCandidate) -> None:
    assert 0.0 <= candidate.score <= 1.0
    assert sum(term.weight for term in candidate.terms) == pytest.approx(1.0)
    for term in candidate.terms:
        assert 0.0 <= term.value <= 1.0
        if term.name == "cost" and candidate.expected_cost_usd is None:
            assert term.raw is None
            assert term.note
