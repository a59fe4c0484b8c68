"""Kind of provider or preset -> its dialect.

A preset is found by its entry in ``presets``; a new dialect adds a line to ``_DIALECTS``.
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

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


def dialect_for(kind: str, *, prefix: bool = False) -> Dialect:
    """A dialect of its own for one provider of this kind or preset.

    ``prefix``: this server goes on from a last message of the assistant, whatever is
    known of its kind.

    Raises:
        KeyError: No dialect speaks to that kind; the configuration has checked it.
    """
    dialect = _DIALECTS[kind]()
    if not (prefix and isinstance(dialect, OpenAIDialect)):
        return dialect
    if dialect.quirks.prefix != "none":
        return dialect
    return OpenAIDialect(replace(dialect.quirks, prefix="trailing"))
