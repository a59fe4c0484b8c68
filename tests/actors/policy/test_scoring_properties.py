"""Whatever the snapshots say: a ranking is whole, bounded, repeatable, and by the book."""

from decimal import Decimal
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import assume, given, settings, strategies as st
from msgspec.structs import replace

from actors.messages.provider import BreakerCause, BreakerPhase, ModelSnapshot
from actors.messages.routing import RankedCandidate, Strategy, Target, Weights
from actors.policy.rank_input import Cached, Ranking, RankInput
from actors.policy.round_robin import RoundRobin
from actors.policy.scoring import Ranker, rank, refusal
from tests.support.rankings import ask, model
from tests.support.reference_ranking import Reference, reference
from tests.support.steps import steps_of

prices = st.none() | st.decimals(0, 100, places=4).map(abs)
snapshots = st.builds(
    ModelSnapshot,
    provider=st.sampled_from("abcdefgh"),
    model=st.sampled_from(["m", "n"]),
    breaker=st.sampled_from(get_args(BreakerPhase)),
    breaker_cause=st.none() | st.sampled_from(get_args(BreakerCause)),
    breaker_open_until=st.floats(0.0, 100.0),
    probe_permit_free=st.booleans(),
    blocked_until=st.just(0.0) | st.floats(0.0, 100.0),
    in_flight=st.integers(0, 20),
    provider_in_flight=st.integers(0, 20),
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
    cached_input_price=prices,
    context_window=st.none() | st.integers(1, 4_000_000),
    healthy=st.none() | st.booleans(),
    auth_refused=st.booleans(),
)
well = st.builds(
    ModelSnapshot,
    provider=st.sampled_from("abcdefgh"),
    model=st.just("m"),
    in_flight=st.integers(0, 3),
    success_alpha=st.floats(1.0, 200.0),
    last_call_at=st.none() | st.floats(0.0, 50.0),
    latency_avg_s=st.none() | st.floats(0.1, 60.0),
    seconds_per_token=st.none() | st.floats(0.001, 0.1),
    input_price=prices,
    output_price=prices,
    cached_input_price=prices,
)
pools = st.lists(
    well | snapshots, max_size=8, unique_by=lambda s: (s.provider, s.model)
)
targets = st.builds(Target, st.sampled_from("abcdefgh"), st.just("m"))
asks = st.builds(
    RankInput,
    strategy=st.sampled_from(get_args(Strategy)),
    now=st.just(50.0),
    draw=st.floats(0.0, 1.0, exclude_max=True) | st.floats(0.0, 0.05),
    weights=st.sampled_from(
        [
            Weights(),
            Weights(1.0, 1.0, 0.0),
            Weights(0.0, 3.0, 1.0),
            Weights(0.0, 0.0, 9.0),
        ]
    ),
    prompt_tokens_estimate=st.integers(0, 2_000_000),
    prompt_tokens_upper=st.integers(0, 4_000_000),
    expected_output_tokens=st.integers(1, 4000),
    max_output_tokens=st.integers(0, 8000),
    budget_usd=st.none() | st.none() | st.decimals(0, 10, places=2).map(abs),
    preferred=st.none() | st.integers(0, 8),
    output_tokens=st.dictionaries(targets, st.floats(1.0, 4000.0), max_size=8),
    quality=st.dictionaries(targets, st.floats(0.01, 1.0), max_size=8),
    cached=st.none() | st.builds(Cached, targets, st.integers(0, 1_000_000)),
)


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
    assert tuple(ranked) == ranking.order
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


changes = st.lists(
    st.tuples(
        st.integers(0, 7), well | snapshots, st.sampled_from([0.0, 0.5, 3.0, 40.0])
    ),
    max_size=4,
)


@pytest.mark.slow
@given(pools, changes, asks)
@settings(deadline=None, max_examples=400)
def test_what_is_kept_from_request_to_request_ranks_by_the_book(
    pool: list[ModelSnapshot],
    then: list[tuple[int, ModelSnapshot, float]],
    asked: RankInput,
) -> None:
    ranker = Ranker()
    check_by_the_book(ranker, pool, asked)
    for place, snapshot, later_s in then:
        if place < len(pool):
            same = pool[place]
            pool[place] = replace(snapshot, provider=same.provider, model=same.model)
        asked = replace(asked, now=asked.now + later_s)
        check_by_the_book(ranker, pool, asked)


well_pools = st.lists(
    well, min_size=2, max_size=8, unique_by=lambda s: (s.provider, s.model)
)


@pytest.mark.slow
@given(
    well_pools,
    st.lists(st.tuples(st.integers(0, 7), well), min_size=1, max_size=4),
    asks.map(lambda asked: replace(asked, budget_usd=None)),
)
@settings(deadline=None, max_examples=200)
def test_a_snapshot_that_changed_is_put_in_place(
    pool: list[ModelSnapshot], then: list[tuple[int, ModelSnapshot]], asked: RankInput
) -> None:
    ranker = Ranker()
    ranker.rank(pool, asked)
    for place, snapshot in then:
        same = pool[place % len(pool)]
        pool[place % len(pool)] = replace(snapshot, provider=same.provider)
        check_by_the_book(ranker, pool, asked)


def check_by_the_book(
    ranker: Ranker, pool: list[ModelSnapshot], asked: RankInput
) -> None:
    book = reference(pool, asked)
    gaps = sorted(book.scores.values())
    assume(all(a == b or b - a > 1e-9 for a, b in pairwise(gaps)))
    best = max(gaps, default=0.0)
    assume(all(abs(best - 0.02 - score) > 1e-9 for score in gaps))

    ranking = ranker.rank(pool, asked)

    assert list(ranking.order) == book.order
    assert ranking.degraded == book.degraded
    assert [(e.target, e.code) for e in ranking.excluded] == [*book.soft, *book.hard]
    assert list(ranking.reserve) == [target for target, _ in book.soft]
    check_figures(ranking, book)


def check_figures(ranking: Ranking, book: Reference) -> None:
    names = ("cost", "performance", "availability")
    for candidate in ranking.ranked:
        target = candidate.target
        assert candidate.score == pytest.approx(book.scores[target], abs=1e-9)
        for term in candidate.terms:
            if term.name != "rank":
                value = book.values[target][names.index(term.name)]
                assert term.value == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_choosing_among_four_times_as_many_takes_at_most_four_times_the_steps(
    strategy: Strategy,
) -> None:
    """With everything known that can be; ``benchmarks/choosing.py`` has the time."""

    def steps(count: int) -> int:
        pool = [model(f"p{n}", str(1 + n), 1.0 + n / 50) for n in range(count)]
        targets = [Target(each.provider, each.model) for each in pool]
        asked = replace(
            ask(strategy),
            preferred=count - 1,
            rotation=RoundRobin(),
            output_tokens=dict.fromkeys(targets, 100.0),
            quality=dict.fromkeys(targets, 0.5),
            cached=Cached(targets[0], 2000),
            told=3,
        )
        ranker = Ranker()
        return steps_of(lambda: ranker.rank(pool, asked))

    assert steps(400) <= 4 * steps(100)
