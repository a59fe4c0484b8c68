"""Every kind of provider finds its dialect."""

import pytest

from actors.wire.anthropic import AnthropicDialect
from actors.wire.catalogue import dialect_for
from actors.wire.openai import OpenAIDialect
from actors.wire.presets import PRESETS


@pytest.mark.parametrize("kind", ["openai", "xai", "compatible", *PRESETS])
def test_a_kind_gets_the_dialect_with_its_quirks(kind: str) -> None:
    dialect = dialect_for(kind)

    assert isinstance(dialect, OpenAIDialect)
    assert dialect.quirks.kind == kind
    assert dialect_for(kind) is not dialect


def test_anthropic_has_a_dialect_of_its_own() -> None:
    assert isinstance(dialect_for("anthropic"), AnthropicDialect)


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        dialect_for("telepathy")
