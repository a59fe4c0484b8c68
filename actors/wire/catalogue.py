"""Kind of provider -> its dialect. A new dialect adds one line to ``_DIALECTS``."""

from collections.abc import Callable

from actors.wire.anthropic import AnthropicDialect
from actors.wire.base import Dialect
from actors.wire.openai import OpenAIDialect
from actors.wire.quirks import COMPATIBLE, OPENAI, XAI


def _openai() -> Dialect:
    return OpenAIDialect(OPENAI)


def _xai() -> Dialect:
    return OpenAIDialect(XAI)


def _compatible() -> Dialect:
    return OpenAIDialect(COMPATIBLE)


def _anthropic() -> Dialect:
    return AnthropicDialect()


_DIALECTS: dict[str, Callable[[], Dialect]] = {
    "openai": _openai,
    "xai": _xai,
    "compatible": _compatible,
    "anthropic": _anthropic,
}


def dialect_for(kind: str) -> Dialect:
    """A dialect of its own for one provider of this kind.

    Raises:
        KeyError: No dialect speaks to that kind; the configuration has checked it.
    """
    return _DIALECTS[kind]()
