"""The same words in different dress: Unicode, case, white space and Markdown."""

import re
import unicodedata

_FENCE = "```"
_LINK = re.compile(r"\[([^\[\]\n]{0,300})\]\([^()\s]{0,2000}\)")
_LEADING = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+)", re.MULTILINE)
_EMPHASIS = re.compile(r"(\*\*\*|\*\*|__|`)(?=\S)(.{1,300}?)(?<=\S)\1", re.DOTALL)
_SPACE = re.compile(r"\s+")
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\u2212", "''\"\"---")


def unfenced(text: str) -> str:
    """The inside of a text that is one fenced block, else the text itself."""
    block = text.strip()
    _, newline, rest = block.partition("\n")
    if not newline or not block.startswith(_FENCE) or not rest.endswith(_FENCE):
        return text
    return rest.removesuffix(_FENCE).rstrip()


def plain(text: str) -> str:
    """The text without Markdown, in NFKC, its line breaks kept."""
    text = unfenced(text)
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    text = _LINK.sub(r"\1", _LEADING.sub("", text))
    return _EMPHASIS.sub(r"\2", text).strip()


def normalise(text: str) -> str:
    """What two texts must share to be the same words.

    NFKC, no Markdown, one space for white space, case folded, no closing full stop.
    """
    return _SPACE.sub(" ", plain(text)).casefold().strip().rstrip(".!").strip()
