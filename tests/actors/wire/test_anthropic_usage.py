"""Counts of the Messages API, normalised by provider-apis 1.3."""

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from actors.messages.chat import Usage
from actors.wire.anthropic_usage import decode_usage, updated


def test_trap_3_input_tokens_exclude_the_cache() -> None:
    usage = decode_usage(
        {
            "input_tokens": 4,
            "cache_creation_input_tokens": 1165,
            "cache_read_input_tokens": 31,
            "output_tokens": 207,
        }
    )

    assert usage.prompt_tokens == 4 + 1165 + 31
    assert (usage.cached_tokens, usage.cache_write_tokens) == (31, 1165)
    assert usage.completion_tokens == 207
    assert usage.total_tokens == 4 + 1165 + 31 + 207
    assert usage.reported_cost_usd is None


def test_writes_for_an_hour_are_told_apart() -> None:
    split = {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5}
    usage = decode_usage(
        {"input_tokens": 1, "cache_creation_input_tokens": 20, "cache_creation": split}
    )

    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens) == (20, 5)
    assert usage.prompt_tokens == 21


@pytest.mark.parametrize(
    ("split", "written"),
    [
        ({"ephemeral_1h_input_tokens": 5}, 5),
        ({"ephemeral_5m_input_tokens": 7}, 7),
        ({"ephemeral_1h_input_tokens": 5, "ephemeral_5m_input_tokens": 7}, 12),
    ],
)
def test_the_split_alone_says_what_was_written(
    split: dict[str, int], written: int
) -> None:
    usage = decode_usage({"input_tokens": 1, "cache_creation": split})

    assert usage.cache_write_tokens == written
    assert usage.prompt_tokens == 1 + written


def test_thinking_is_part_of_the_output() -> None:
    details = {"thinking_tokens": 23}
    usage = decode_usage(
        {"input_tokens": 45, "output_tokens": 39, "output_tokens_details": details}
    )

    assert (usage.completion_tokens, usage.reasoning_tokens) == (39, 23)
    assert usage.total_tokens == 84


def test_the_bill_is_the_sum_over_iterations() -> None:
    row = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 2}
    part = {"input_tokens": 10, "output_tokens": 5, "iterations": [row, row, None]}
    whole = part | {"input_tokens": 20, "output_tokens": 10}

    for said in (part, whole):
        usage = decode_usage(said)
        assert (usage.prompt_tokens, usage.completion_tokens) == (24, 10)


@pytest.mark.parametrize("raw", [None, "x", [], {}, {"input_tokens": -1}, {"a": 1}])
def test_what_is_not_said_is_not_known(raw: object) -> None:
    assert decode_usage(raw) == Usage()


def test_a_half_known_total_is_not_known() -> None:
    assert decode_usage({"input_tokens": 3}).total_tokens is None
    assert decode_usage({"output_tokens": 3}).prompt_tokens is None
    assert decode_usage({"input_tokens": 10**20}).prompt_tokens is None


def test_trap_4_later_counts_replace_earlier_ones() -> None:
    begun = updated({}, {"input_tokens": 10, "output_tokens": 26})
    usage = updated(begun, {"input_tokens": None, "output_tokens": 41})

    assert usage == {"input_tokens": 10, "output_tokens": 41}


def test_only_known_members_are_kept() -> None:
    assert updated({}, {"x" * n: n for n in range(99)}) == {}
    assert updated({"input_tokens": 1}, "nonsense") == {"input_tokens": 1}


_ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("input_tokens", "output_tokens", "iterations", "cache_creation"),
                    *("ephemeral_1h_input_tokens", "cache_read_input_tokens"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(_ANY)
@settings(max_examples=100)
def test_anything_gives_counts_or_nothing(raw: object) -> None:
    usage = decode_usage(updated({}, raw))

    for value in (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens):
        assert value is None or value >= 0
