"""The lettered options of a question, where it has any."""

import re
from collections.abc import Mapping

_OPTION = re.compile(
    r"^[ \t]*[(\[]?(?P<letter>[A-Z])[.):\]][ \t]+(?P<text>\S[^\n]*)$", re.MULTILINE
)
MIN_OPTIONS = 2


def options_of(question: str) -> Mapping[str, str]:
    """Letter to text, for the last run of options A, B, C ... in the question.

    Empty when there are fewer than two, so that a lone ``A. Smith`` is none.
    """
    run: dict[str, str] = {}
    for match in _OPTION.finditer(question):
        letter = match["letter"]
        if letter == "A":
            run = {}
        if letter == _letter(len(run)):
            run[letter] = match["text"].strip()
    return run if len(run) >= MIN_OPTIONS else {}


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else ""
