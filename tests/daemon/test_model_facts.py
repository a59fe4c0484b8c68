"""What is known of models: looked up by their names, and sound in itself."""

from datetime import date

import pytest

from actors.wire.presets import PRESETS
from daemon.config_load import KIND_DEFAULTS
from daemon.model_facts import AS_OF, FACTS, facts_of, windows_of


def test_a_dated_name_is_the_same_model() -> None:
    known = facts_of("openai", "gpt-4o-mini")

    assert known is not None
    assert facts_of("openai", "gpt-4o-mini-2024-07-18") == known
    assert facts_of("anthropic", "claude-haiku-4-5-20251001") is not None


@pytest.mark.parametrize(
    ("kind", "model"), [("openai", "gpt-4o-max"), ("ollama", "llama3.3"), ("", "")]
)
def test_of_what_is_not_known_nothing_is_said(kind: str, model: str) -> None:
    assert facts_of(kind, model) is None


def test_every_default_model_is_known() -> None:
    defaults = {
        kind: str(fields["model"])
        for kind, fields in KIND_DEFAULTS.items()
        if "model" in fields
    }

    assert [k for k, model in defaults.items() if facts_of(k, model) is None] == []


def test_the_table_is_kept_by_kinds_and_presets() -> None:
    assert set(FACTS) <= {"openai", "xai", "anthropic", *PRESETS}


def test_no_answer_is_longer_than_its_window_and_no_date_is_nonsense() -> None:
    for models in FACTS.values():
        for facts in models.values():
            assert (facts.max_output_tokens or 0) <= facts.context_window
            assert date.fromisoformat(facts.retires or "2030-01-01") > date(2026, 1, 1)

    assert date(2026, 1, 1) < AS_OF


def test_windows_are_listed_by_model() -> None:
    assert windows_of("xai")["grok-3-mini"] == 131_072
    assert windows_of("vllm") == {}
