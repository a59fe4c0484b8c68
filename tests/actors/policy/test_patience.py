"""When a call has kept us waiting for long enough."""

import pytest

from actors.messages.provider import ModelSnapshot
from actors.policy.patience import first_token_s, hedge_after_s


def model(**given: object) -> ModelSnapshot:
    fields: dict[str, object] = {
        "provider": "p",
        "model": "m",
        "calls": 30,
        "latency_p95_s": 8.0,
        "ttft_p95_s": 1.5,
        "ttft_samples": 30,
        "ttft_prompt_tokens": 500.0,
    }
    return ModelSnapshot(**(fields | given))  # type: ignore[arg-type]  # a test's words


def test_the_pools_best_p95_decides_and_not_the_slow_ones_own() -> None:
    pool = [model(ttft_p95_s=20.0, latency_p95_s=70.0), model()]

    assert hedge_after_s(pool, stream=True, max_tokens=None) == 1.5
    assert hedge_after_s(pool, stream=False, max_tokens=None) == 8.0


def test_never_before_half_a_second() -> None:
    pool = [model(ttft_p95_s=0.1)]

    assert hedge_after_s(pool, stream=True, max_tokens=None) == 0.5


@pytest.mark.parametrize(
    "given", [{"ttft_samples": 19}, {"ttft_p95_s": None, "ttft_samples": 0}]
)
def test_too_few_first_tokens_say_nothing(given: dict[str, object]) -> None:
    assert hedge_after_s([model(**given)], stream=True, max_tokens=None) is None
    assert first_token_s(model(**given), 100) is None


@pytest.mark.parametrize("given", [{"failures": 11}, {"latency_p95_s": None}])
def test_too_few_answers_say_nothing(given: dict[str, object]) -> None:
    assert hedge_after_s([model(**given)], stream=False, max_tokens=None) is None


def test_an_answer_that_must_be_short_is_awaited_for_less() -> None:
    known = model(seconds_per_token=0.02)
    unseen = model(seconds_per_token=0.02, ttft_samples=0, ttft_p95_s=None)

    assert hedge_after_s([known], stream=False, max_tokens=100) == 1.5 + 2.0
    assert hedge_after_s([unseen], stream=False, max_tokens=100) == 2.0
    assert hedge_after_s([known], stream=False, max_tokens=4000) == 8.0
    assert hedge_after_s([model()], stream=False, max_tokens=100) == 8.0


@pytest.mark.parametrize(
    ("p95_s", "limit_s"),
    [(0.3, 2.0), (1.0, 2.0), (3.0, 6.0), (6.0, 10.0), (8.0, 10.0), (40.0, 50.0)],
)
def test_a_first_token_may_take_twice_its_p95_within_bounds(
    p95_s: float, limit_s: float
) -> None:
    assert first_token_s(model(ttft_p95_s=p95_s), 500) == limit_s


def test_a_prompt_far_longer_than_those_measured_may_take_longer() -> None:
    known, large = model(ttft_p95_s=1.0), model(ttft_p95_s=1.0, ttft_prompt_tokens=5e3)

    assert first_token_s(known, 4000) == 2.0
    assert first_token_s(known, 40_000) == 20.0
    assert first_token_s(large, 20_000) == 2.0
    assert first_token_s(large, 40_000) == 4.0
    unsaid = model(ttft_p95_s=1.0, ttft_prompt_tokens=None)
    assert first_token_s(unsaid, 8000) == 4.0
