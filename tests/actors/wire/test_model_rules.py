"""The model tables are consistent with each other and with the neutral words."""

from typing import get_args

import pytest

from actors.messages.chat import ReasoningEffort
from actors.wire.model_rules import OPENAI_MODELS, XAI_MODELS, ModelRule

RULES = (*OPENAI_MODELS, *XAI_MODELS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.prefix)
def test_rules_make_sense(rule: ModelRule) -> None:
    efforts = rule.efforts or frozenset()

    assert rule.prefix
    assert efforts <= set(get_args(ReasoningEffort))
    assert "max" not in efforts  # only the Responses API takes it
    if rule.sampling == "without_reasoning" or rule.tools == "no_reasoning":
        assert "none" in efforts


@pytest.mark.parametrize("table", [OPENAI_MODELS, XAI_MODELS])
def test_no_prefix_comes_twice(table: tuple[ModelRule, ...]) -> None:
    prefixes = [rule.prefix for rule in table]

    assert sorted(set(prefixes)) == sorted(prefixes)
