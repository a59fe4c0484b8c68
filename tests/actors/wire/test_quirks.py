"""Quirks find the rule of a model."""

import pytest

from actors.wire.model_rules import ANY_MODEL
from actors.wire.quirks import COMPATIBLE, OPENAI, XAI


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4"),
        ("ft:gpt-4o-mini:acme", "gpt-4"),
        ("gpt-5", "gpt-5"),
        ("gpt-5-mini", "gpt-5"),
        ("gpt-5-chat-latest", "gpt-5-chat"),
        ("gpt-5-pro", "gpt-5-pro"),
        ("gpt-5.1", "gpt-5.1"),
        ("gpt-5.2-chat-latest", "gpt-5.2-chat"),
        ("gpt-5.4-mini", "gpt-5."),
        ("gpt-5.4-pro", "gpt-5.4-pro"),
        ("gpt-6.2-sol", "gpt-6"),
        ("gpt-6-sol", "gpt-6-sol"),
        ("o4-mini", "o4"),
        ("something-else", ""),
    ],
)
def test_the_longest_prefix_wins(model: str, prefix: str) -> None:
    assert OPENAI.rule_for(model).prefix == prefix


def test_retired_and_unknown_groks_have_a_rule() -> None:
    models = (
        "grok-3-mini-high",
        "grok-4-0709",
        "grok-4.20-reasoning",
        "grok-build-0.1",
    )

    prefixes = [XAI.rule_for(model).prefix for model in models]

    assert prefixes == ["grok-3-mini", "grok-4", "grok-4.20", "grok-build"]


def test_compatible_servers_have_no_model_rules() -> None:
    assert COMPATIBLE.rule_for("gpt-5") is ANY_MODEL
