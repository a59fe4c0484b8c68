"""What is declared: distributions, changes, rate limits, answers, examples."""

from math import log
from random import Random
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings, strategies as st

from daemon.simulator import Latency, RateLimit, default_behaviour
from daemon.simulator.answer import Ask, Refusal, answer, example
from daemon.simulator.behaviour import changed
from daemon.simulator.rate import RateWindow

OPENAI = default_behaviour("openai")


def test_latency_is_log_normal_around_its_median() -> None:
    random = Random(1)
    latency = Latency(0.5, 0.4)
    logs = [log(latency.sample(random.gauss(0.0, 1.0))) for _ in range(5_000)]

    assert fmean(logs) == pytest.approx(log(0.5), abs=0.02)
    assert stdev(logs) == pytest.approx(0.4, abs=0.02)
    assert Latency(0.5).sample(3.0) == 0.5


def test_changes_leave_the_rest_alone() -> None:
    after = changed(OPENAI, b'{"latency": {"median_s": 1}, "rate_limit": null}')

    assert after.latency == Latency(1.0)
    assert changed(after, b'{"latency": {}}') == OPENAI


def test_rate_window_counts_and_starts_again() -> None:
    window = RateWindow()
    limit = RateLimit(2, 10.0)

    assert window.take(limit, 100.0).remaining == 1
    assert window.take(limit, 105.0).remaining == 0
    with pytest.raises(Refusal) as refused:
        window.take(limit, 107.5)
    assert (refused.value.status, refused.value.retry_after_s) == (429, 2.5)
    assert window.take(limit, 110.0).remaining == 1
    assert window.take(None, 110.0).remaining > 1


@settings(max_examples=100)
@given(
    prompt=st.text(),
    tokens=st.integers(1, 60),
    limit=st.none() | st.integers(1, 80),
    reasoning=st.integers(0, 20),
)
def test_tokens_are_counted_as_they_are_said(
    prompt: str, tokens: int, limit: int | None, reasoning: int
) -> None:
    changes = b'{"tokens":%d,"reasoning_tokens":%d}' % (tokens, reasoning)
    model = OPENAI.models[0]
    ask = Ask(model=model, prompt=prompt, last_user=prompt, max_tokens=limit)
    given_ = answer("me", ask, changed(OPENAI, changes))

    said = given_.completion_tokens + given_.reasoning_tokens
    assert given_.completion_tokens == len(given_.pieces)
    assert given_.finish == ("stop" if limit is None or said < limit else given_.finish)
    assert limit is None or said <= limit
    if given_.finish == "stop":
        assert given_.completion_tokens >= tokens
        assert given_.text.startswith("[me] ")
    else:
        assert said == limit
    expected = (
        model.price.input * given_.prompt_tokens + model.price.output * said
    ) / 1_000_000
    assert given_.cost_usd == expected


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "x"),
        ({"const": 7}, 7),
        ({"type": "number"}, 1.5),
        ({"type": "boolean"}, True),
        ({"type": "array"}, []),
        ({"type": "object"}, {"answer": "x"}),
        ({}, {"answer": "x"}),
        ({"type": []}, {"answer": "x"}),
    ],
)
def test_example_fits_the_schema(schema: dict[str, object], value: object) -> None:
    assert example(schema, "x") == value
