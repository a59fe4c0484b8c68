"""What a candidate is expected to cost, to take, and how likely it is to answer."""

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from actors.messages.provider import BreakerPhase, ModelSnapshot
from actors.policy.measures import Measured, breaker_state, expected_cost

BASE = ModelSnapshot(provider="a", model="m")


@pytest.mark.parametrize(
    ("phase", "open_until", "permit_free", "state"),
    [
        ("closed", 0.0, False, 1.0),
        ("open", 10.1, False, 0.0),
        ("open", 10.0, False, 0.5),
        ("half_open", 0.0, True, 0.5),
        ("half_open", 0.0, False, 0.0),
    ],
)
def test_state_of_the_breaker(
    phase: BreakerPhase, open_until: float, permit_free: bool, state: float
) -> None:
    snapshot = ModelSnapshot(
        provider="a",
        model="m",
        breaker=phase,
        breaker_open_until=open_until,
        probe_permit_free=permit_free,
    )

    assert breaker_state(snapshot, 10.0) == state
    assert Measured(snapshot, 10.0).trial == (state == 0.5)


@pytest.mark.parametrize(("phase", "open_until"), [("open", 10.1), ("half_open", 0.0)])
def test_one_that_is_open_for_slowness_answers_all_the_same(
    phase: BreakerPhase, open_until: float
) -> None:
    snapshot = ModelSnapshot(
        provider="a",
        model="m",
        breaker=phase,
        breaker_cause="slow",
        breaker_open_until=open_until,
    )
    measured = Measured(snapshot, 10.0)

    assert (measured.state, measured.slow, measured.trial) == (0.5, True, False)


def test_a_model_never_called_stands_above_the_gate_and_below_a_proven_one() -> None:
    fresh = Measured(BASE, 0.0)
    proven = Measured(ModelSnapshot(provider="a", model="m", success_alpha=100.0), 0.0)

    mean, deviation = 5 / 6, math.sqrt(5 / 6 * 1 / 6 / 7)
    assert fresh.availability == pytest.approx(mean - 1.28 * deviation)
    assert 0.5 < fresh.availability < 0.9 < proven.availability <= 1.0


def test_failures_lower_the_bound_down_to_nothing() -> None:
    def bound(failures: float) -> float:
        snapshot = ModelSnapshot(provider="a", model="m", success_beta=1.0 + failures)
        return Measured(snapshot, 0.0).availability

    assert bound(0) > bound(3) > bound(10) > bound(30) > bound(1000) >= 0.0
    assert bound(10) < 0.2


def test_it_is_measured_anew_when_time_changes_it() -> None:
    closed = ModelSnapshot(provider="a", model="m", last_call_at=9.0)
    waiting = ModelSnapshot(
        provider="a",
        model="m",
        breaker="open",
        breaker_open_until=13.0,
        blocked_until=12.0,
        last_call_at=9.0,
    )

    assert Measured(BASE, 11.0).until == math.inf
    assert Measured(closed, 11.0).until == 15.0
    assert [Measured(waiting, now).until for now in (11.0, 12.0, 13.0)] == [12, 13, 15]


def test_old_evidence_fades() -> None:
    def bound(age_s: float) -> float:
        snapshot = ModelSnapshot(
            provider="a", model="m", success_beta=31.0, last_call_at=100.0
        )
        return Measured(snapshot, 100.0 + age_s).availability

    assert bound(0.0) < 0.2 < bound(200.0)
    assert bound(10_000.0) == pytest.approx(Measured(BASE, 0.0).availability)
    assert bound(-5.0) == bound(0.0)


@pytest.mark.parametrize(
    ("limit", "in_flight", "headroom"),
    [(None, 999, 1.0), (10, 0, 1.0), (10, 8, 1.0), (10, 9, 0.5), (10, 12, 0.0)],
)
def test_little_headroom_lowers_availability(
    limit: int | None, in_flight: int, headroom: float
) -> None:
    snapshot = ModelSnapshot(
        provider="a", model="m", concurrency_limit=limit, provider_in_flight=in_flight
    )

    free = Measured(BASE, 0.0).availability
    assert Measured(snapshot, 0.0).availability == pytest.approx(headroom * free)


# Money


def test_expected_cost_is_exact() -> None:
    snapshot = ModelSnapshot(
        provider="a",
        model="m",
        input_price=Decimal("2.5"),
        output_price=Decimal(10),
    )

    assert expected_cost(snapshot, 1000, 256) == Decimal("0.00506")


@pytest.mark.parametrize("known", ["input_price", "output_price"])
def test_half_a_price_is_no_price(known: str) -> None:
    snapshot = (
        ModelSnapshot(provider="a", model="m", input_price=Decimal(1))
        if known == "input_price"
        else ModelSnapshot(provider="a", model="m", output_price=Decimal(1))
    )
    assert expected_cost(snapshot, 10, 10) is None
    assert Measured(snapshot, 0.0).charge(10, 10) is None


def test_retries_are_part_of_the_charge() -> None:
    snapshot = ModelSnapshot(
        provider="a",
        model="m",
        input_price=Decimal(1),
        output_price=Decimal(1),
        success_beta=5.0,
    )
    # Beta(5, 5): every second call fails, so two are paid for one answer.
    assert Measured(snapshot, 0.0).charge(1_000_000, 0) == pytest.approx(2.0)


def test_a_certain_failure_is_dear_not_infinite() -> None:
    snapshot = ModelSnapshot(
        provider="a",
        model="m",
        input_price=Decimal(1),
        output_price=Decimal(1),
        success_beta=1e9,
    )
    assert Measured(snapshot, 0.0).charge(1_000_000, 0) == pytest.approx(20.0)


CACHED = ModelSnapshot(
    provider="a",
    model="m",
    input_price=Decimal(2),
    output_price=Decimal(8),
    cached_input_price=Decimal("0.5"),
)


def test_cached_tokens_are_counted_at_their_own_price() -> None:
    assert expected_cost(CACHED, 1000, 100, 800) == Decimal("0.0016")
    assert expected_cost(CACHED, 1000, 100) == Decimal("0.0028")

    measured = Measured(CACHED, 0.0)
    full, cached = measured.charge(1000, 100), measured.charge(1000, 100, 800)

    assert full is not None
    assert cached is not None
    assert full - cached == pytest.approx(measured.saving_usd(800))
    # What is paid for retries is saved on them too: Beta(5, 1) pays 6/5 calls.
    assert measured.saving_usd(800) == pytest.approx(0.0012 * 6 / 5)


@pytest.mark.parametrize("cached_price", [None, Decimal(2), Decimal(3)])
def test_a_cache_that_is_not_cheaper_saves_nothing(
    cached_price: Decimal | None,
) -> None:
    snapshot = ModelSnapshot(
        provider="a",
        model="m",
        input_price=Decimal(2),
        output_price=Decimal(8),
        cached_input_price=cached_price,
    )

    assert Measured(snapshot, 0.0).saving_usd(800) == 0.0
    assert expected_cost(snapshot, 1000, 100, 800) == Decimal("0.0028")


# Time


@pytest.mark.parametrize(
    ("ttft", "per_token", "average", "expected"),
    [
        (0.5, 0.01, 9.0, 1.5),
        (None, 0.01, 9.0, 1.0),
        (0.5, None, 9.0, 9.0),
        (0.5, None, None, None),
        (None, None, None, None),
        (0.0, 0.0, None, 1e-6),
    ],
)
def test_latency_is_predicted_for_the_expected_length(
    ttft: float | None,
    per_token: float | None,
    average: float | None,
    expected: float | None,
) -> None:
    snapshot = ModelSnapshot(
        provider="a",
        model="m",
        time_to_first_token_s=ttft,
        seconds_per_token=per_token,
        latency_avg_s=average,
    )
    found = Measured(snapshot, 0.0).latency_s(100)

    assert found == (None if expected is None else pytest.approx(expected))


def test_more_in_flight_than_allowed_takes_longer() -> None:
    snapshot = ModelSnapshot(
        provider="a",
        model="m",
        latency_avg_s=2.0,
        concurrency_limit=4,
        provider_in_flight=6,
    )
    assert Measured(snapshot, 0.0).latency_s(10) == 3.0


@given(
    st.floats(1.0, 1e6),
    st.floats(1.0, 1e6),
    st.none() | st.integers(1, 100),
    st.integers(0, 300),
)
@settings(deadline=None)
def test_availability_stays_in_the_unit_interval(
    alpha: float, beta: float, limit: int | None, in_flight: int
) -> None:
    snapshot = ModelSnapshot(
        provider="a",
        model="m",
        success_alpha=alpha,
        success_beta=beta,
        concurrency_limit=limit,
        provider_in_flight=in_flight,
    )

    assert 0.0 <= Measured(snapshot, 0.0).availability <= 1.0
