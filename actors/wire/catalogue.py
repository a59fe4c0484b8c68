"""Kind of provider or preset -> its dialect.

A preset is found by its entry in ``presets``; a new dialect adds a line to ``_DIALECTS``.
"""

from collections.abc import Callable, Mapping

from actors.wire.anthropic import AnthropicDialect
from actors.wire.base import Dialect
from actors.wire.openai import OpenAIDialect
from actors.wire.presets import PRESETS
from actors.wire.quirks import COMPATIBLE, OPENAI, XAI, Quirks


def _openai(quirks: Quirks) -> Callable[[], Dialect]:
    return lambda: OpenAIDialect(quirks)


_DIALECTS: Mapping[str, Callable[[], Dialect]] = {
    "openai": _openai(OPENAI),
    "xai": _openai(XAI),
    "compatible": _openai(COMPATIBLE),
    "anthropic": AnthropicDialect,
    **{name: _openai(preset.quirks) for name, preset in PRESETS.items()},
}


def dialect_for(kind: str) -> Dialect:
    """A dialect of its own for one provider of this kind or preset.

    Raises:
        KeyError: No dialect speaks to that kind; the configuration has checked it.
    """
    return _DIALECTS[kind]()
