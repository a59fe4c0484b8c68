"""Every kind of provider that speaks the OpenAI dialect finds it."""

import pytest

from actors.wire.catalogue import dialect_for
from actors.wire.openai import OpenAIDialect


@pytest.mark.parametrize("kind", ["openai", "xai", "compatible"])
def test_a_kind_gets_the_dialect_with_its_quirks(kind: str) -> None:
    dialect = dialect_for(kind)

    assert isinstance(dialect, OpenAIDialect)
    assert dialect.quirks.kind == kind
    assert dialect_for(kind) is not dialect


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        dialect_for("telepathy")
