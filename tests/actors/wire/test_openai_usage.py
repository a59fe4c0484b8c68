"""Counts and money, as each family reports them."""

from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from actors.messages.chat import Usage
from actors.wire.openai_usage import UsagePolicy, decode_usage


def counts(
    prompt: object, completion: object, total: object, reasoning: object = None
) -> object:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def test_openai_counts_are_taken_as_they_are() -> None:
    raw = {
        "prompt_tokens": 4020,
        "completion_tokens": 30,
        "total_tokens": 4050,
        "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4012},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }

    assert decode_usage(raw, "openai") == Usage(
        prompt_tokens=4020,
        completion_tokens=30,
        cached_tokens=8,
        cache_write_tokens=4012,
        reasoning_tokens=20,
        total_tokens=4050,
    )


@pytest.mark.parametrize(
    ("policy", "raw", "completion"),
    [
        ("xai", counts(468, 82, 870, 320), 402),
        ("xai", counts(468, 402, 870, 320), 402),  # should they come to fold it in
        ("xai", counts(468, 82, 999, 320), 82),
        ("xai", counts(468, 82, 550, 0), 82),
        ("xai", counts(468, 82, None, 320), 82),
        ("openai", counts(468, 82, 870, 320), 82),
        ("gemini", counts(35, 12, 109), 74),
        ("gemini", counts(35, 12, 40), 12),
        ("gemini", counts(None, 12, 109), 12),
    ],
)
def test_reasoning_is_billed_output_once(
    policy: UsagePolicy, raw: object, completion: int
) -> None:
    assert decode_usage(raw, policy).completion_tokens == completion


@pytest.mark.parametrize(
    ("raw", "cost"),
    [
        ({"total_tokens": 870, "cost_in_usd_ticks": 2488500}, Decimal("0.00024885")),
        ({"total_tokens": 5, "cost_in_usd_ticks": 1}, Decimal("1E-10")),
        ({"total_tokens": 223, "cost_in_usd_ticks": 0}, None),
        ({"cost_in_usd_ticks": 0}, None),
        ({"total_tokens": 0, "cost_in_usd_ticks": 0}, Decimal(0)),
        ({"total_tokens": 5, "cost_in_usd_ticks": "7"}, None),
        ({"total_tokens": 5, "cost_in_usd_ticks": 10**40}, None),
        ({"total_tokens": 5, "cost": 8.8e-05}, Decimal("0.000088")),
        ({"total_tokens": 5, "cost": "0.00187875"}, Decimal("0.00187875")),
        ({"total_tokens": 5, "cost": {"total_cost": 0.00501}}, Decimal("0.00501")),
        ({"total_tokens": 5, "cost": {"total_cost": None}}, None),
        ({"total_tokens": 5, "cost": "much"}, None),
        ({"total_tokens": 5, "cost": "Infinity"}, None),
        ({"total_tokens": 5, "cost": -1}, None),
        ({"total_tokens": 5, "cost": True}, None),
        ({"total_tokens": 5, "cost": "1E-999999999"}, None),
        ({"total_tokens": 5, "cost": "1" + "0" * 100_000}, None),
        ({"total_tokens": 5, "cost": 0}, None),
    ],
)
def test_reported_money_is_exact_and_a_blank_zero_is_none(
    raw: dict[str, object], cost: Decimal | None
) -> None:
    assert decode_usage(raw, "xai").reported_cost_usd == cost


@pytest.mark.parametrize(
    ("raw", "cached", "written"),
    [
        ({"prompt_cache_hit_tokens": 3}, 3, None),
        ({"num_cached_tokens": 4}, 4, None),
        (
            {"prompt_tokens_details": {"cached_tokens": 0}, "num_cached_tokens": 4},
            0,
            None,
        ),
        ({"cache_creation_input_tokens": 5}, None, 5),
        ({"prompt_tokens_details": None, "total_tokens": 1}, None, None),
        ({"prompt_tokens_details": [1], "total_tokens": 1}, None, None),
    ],
)
def test_cache_counts_have_several_names(
    raw: object, cached: int | None, written: int | None
) -> None:
    usage = decode_usage(raw, "openai")

    assert (usage.cached_tokens, usage.cache_write_tokens) == (cached, written)


@pytest.mark.parametrize("raw", [None, [], "x", 7, {}])
def test_no_usage_is_unknown_not_zero(raw: object) -> None:
    assert decode_usage(raw, "openai") == Usage()


def test_a_missing_total_is_the_sum() -> None:
    assert decode_usage(counts(3, 4, None), "openai").total_tokens == 7


def test_wrong_typed_counts_are_unknown() -> None:
    usage = decode_usage(counts("3", -4, 1.5, True), "openai")

    assert usage == Usage()


_VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
_NAMES = [
    *("prompt_tokens", "completion_tokens", "total_tokens", "cost"),
    *("prompt_tokens_details", "completion_tokens_details", "cost_in_usd_ticks"),
    *("reasoning_tokens", "cached_tokens", "total_cost"),
]
_USAGE = st.dictionaries(
    st.sampled_from(_NAMES),
    _VALUE | st.dictionaries(st.sampled_from(_NAMES), _VALUE, max_size=3),
)


@given(_USAGE, st.sampled_from(["openai", "xai", "gemini"]))
@settings(max_examples=100)
def test_no_usage_object_raises(raw: dict[str, object], policy: UsagePolicy) -> None:
    usage = decode_usage(raw, policy)

    assert usage.completion_tokens is None or usage.completion_tokens >= 0
