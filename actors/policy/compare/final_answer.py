r"""What an answer comes to: the letter, number or words it ends on.

Rules, the first that finds something decides: ``boxed`` (``\boxed{...}``), ``stated``
("the answer is ..."), ``labelled`` ("Answer: ..."), ``option`` (an option's letter or
its text, for questions that have options), ``last_number``. Where an answer states
several, boxed takes the last and the others the first cue's last word on it.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from actors.policy.compare.normalise import normalise
from actors.policy.compare.quantity import only_quantity, quantities, same_quantity

MAX_WORDS = 12
"""An announced answer longer than this is prose, not a final answer."""

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_STATED = re.compile(
    r"(?:answer|choice|option)\s+(?:is|would be|should be)\s*(?::\s*)?(?=(?P<rest>[^\n]{1,200}))",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"(?:final\s+)?answer\s*[:=]\s*(?=(?P<rest>[^\n]{1,200}))", re.IGNORECASE
)
_LETTER = re.compile(
    r"^[\s*_$\\({\[]*(?:text|mathrm|textbf)?[\s{(\[]*([A-Z])(?![A-Za-z0-9'])"
)
_ALONE = re.compile(r"(?<![A-Za-z0-9'])([A-Z])(?![A-Za-z0-9'])")
_SENTENCE = re.compile(
    r"(?<=[^\d\s])\.(?:\s|$)|(?<=\d)\.\s|[;!?]|,\s(?:because|since|as|which)\b"
)


class FinalAnswer(Struct, frozen=True):
    """``text`` as compared and shown; ``rule`` is what found it."""

    text: str
    rule: str


def final_answer(
    text: str, options: Mapping[str, str] | None = None
) -> FinalAnswer | None:
    """The final answer of a text, or ``None`` where it does not come to one.

    Args:
        text: The whole answer.
        options: Letter to text of the question's options; then the answer is a letter
            of them, or none.
    """
    if options:
        return _chosen(text, options)
    boxed = _boxed(text)
    if boxed is not None:
        return FinalAnswer(boxed, "boxed")
    for rule, pattern in (("stated", _STATED), ("labelled", _LABELLED)):
        said = [_first_words(match["rest"]) for match in pattern.finditer(text)]
        said = [words for words in said if words]
        if said:
            return FinalAnswer(said[-1], rule)
    return None


def last_number(text: str) -> FinalAnswer | None:
    """The last number, with its unit, of a text whose last sentence has one."""
    sentences = [each for each in _SENTENCE.split(text.strip()) if each.strip()]
    found = quantities(sentences[-1][-1000:]) if sentences else []
    if not found:
        return None
    last = found[-1]
    shown = f"{last.value:.12g}"
    return FinalAnswer(f"{shown} {last.unit}".strip(), "last_number")


def _chosen(text: str, options: Mapping[str, str]) -> FinalAnswer | None:
    boxed = _boxed(text)
    cues = [("boxed", [boxed] if boxed is not None else [])]
    cues += [
        (rule, [match["rest"] for match in pattern.finditer(text)])
        for rule, pattern in (("stated", _STATED), ("labelled", _LABELLED))
    ]
    for rule, said in cues:
        for words in said:
            letter = _letter_of(words, options)
            if letter is not None:
                return FinalAnswer(letter, rule)
    return _mentioned(text, options)


def _letter_of(words: str, options: Mapping[str, str]) -> str | None:
    match = _LETTER.match(words)
    if match is not None and match[1] in options:
        return match[1]
    said = normalise(words)
    for letter, option in options.items():
        if said == normalise(option):
            return letter
    return _by_value(words, options)


def _by_value(words: str, options: Mapping[str, str]) -> str | None:
    value = only_quantity(words)
    if value is None:
        return None
    fitting = []
    for letter, option in options.items():
        offered = only_quantity(option)
        if offered is not None and same_quantity(value, offered):
            fitting.append(letter)
    return fitting[0] if len(fitting) == 1 else None


def _mentioned(text: str, options: Mapping[str, str]) -> FinalAnswer | None:
    letters = [m[1] for m in _ALONE.finditer(text) if m[1] in options]
    if letters:
        return FinalAnswer(letters[-1], "option")
    return None


def _boxed(text: str) -> str | None:
    last = None
    for match in _BOXED.finditer(text):
        last = match
    if last is None:
        return None
    depth, start = 1, last.end()
    for place in range(start, min(len(text), start + 400)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[start:place].strip()
    return None


def _first_words(rest: str) -> str:
    words = _SENTENCE.split(rest, maxsplit=1)[0].strip().strip("*_`$ ").rstrip(".")
    return words if 0 < len(words.split()) <= MAX_WORDS else ""
