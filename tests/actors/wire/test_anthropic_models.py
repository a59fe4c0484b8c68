"""The table of Claude models says what provider-apis says."""

import pytest

from actors.wire.anthropic_models import ANY_MODEL, CLAUDE_MODELS, MIN_BUDGET, rule_for


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        ("claude-3-opus-20240229", "claude-3"),
        ("claude-3-5-sonnet-20240620", "claude-3-5"),
        ("claude-3-7-sonnet-20250219", "claude-3-7"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("claude-opus-5", "claude-opus-5"),
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-fable-5-2", "claude-fable-5-2"),
        ("anthropic/claude-haiku-4-5", "claude-haiku-4-5"),
        ("claude-opus-7", "claude-"),
        ("gpt-4o", ""),
    ],
)
def test_the_longest_prefix_wins(model: str, prefix: str) -> None:
    assert rule_for(model).prefix == prefix


def test_forced_choice_is_refused_by_these_alone() -> None:
    refusing = {rule.prefix for rule in CLAUDE_MODELS if not rule.forced}

    assert refusing == {
        "claude-",
        "claude-fable-5-1",
        "claude-fable-5-2",
        "claude-mythos-5-1",
        "claude-mythos-5-2",
        "claude-opus-5-5",
        "claude-sonnet-5-5",
    }


@pytest.mark.parametrize(
    ("model", "sampling"),
    [
        ("claude-3-5-haiku-latest", "both"),
        ("claude-opus-4-5", "one"),
        ("claude-sonnet-4-6", "one"),
        ("claude-opus-4-7", "never"),
        ("claude-opus-4-8", "never"),
        ("claude-opus-5", "never"),
        ("claude-sonnet-5-5", "never"),
        ("claude-haiku-5-5", "never"),
        ("claude-fable-5", "never"),
        ("claude-mythos-5-1", "never"),
    ],
)
def test_sampling_is_refused_from_opus_4_7_on(model: str, sampling: str) -> None:
    assert rule_for(model).sampling == sampling


@pytest.mark.parametrize(
    ("model", "thinking", "off", "takes", "max_output"),
    [
        ("claude-3-haiku-20240307", "none", "omit", "prefill", 4096),
        ("claude-3-5-haiku-latest", "none", "omit", "prefill", 8192),
        ("claude-haiku-4-5", "budget", "omit", "prefill json", 64_000),
        ("claude-opus-4-6", "adaptive", "omit", "json", 128_000),
        ("claude-sonnet-5", "adaptive", "disabled", "json", 128_000),
        ("claude-sonnet-5-5", "adaptive", "between_tools", "json", 128_000),
        ("claude-opus-5-5", "adaptive", "never", "json", 128_000),
        ("claude-fable-5-2", "adaptive", "never", "json", 128_000),
    ],
)
def test_generations_differ_in_what_they_take(
    model: str, thinking: str, off: str, takes: str, max_output: int
) -> None:
    rule = rule_for(model)

    assert (rule.thinking, rule.off) == (thinking, off)
    assert (rule.prefill, rule.json_schema) == ("prefill" in takes, "json" in takes)
    assert rule.max_output == max_output


def test_only_the_4_6_generation_lacks_extra_high_effort() -> None:
    lacking = {
        rule.prefix
        for rule in CLAUDE_MODELS
        if rule.efforts and "xhigh" not in rule.efforts
    }

    assert lacking == {"claude-opus-4-6", "claude-sonnet-4-6"}


def test_every_model_has_room_for_the_smallest_budget() -> None:
    rules = [rule for rule in CLAUDE_MODELS if rule.thinking == "budget"]

    assert all((rule.max_output or 0) > MIN_BUDGET for rule in rules)
    assert ANY_MODEL.max_output is None
