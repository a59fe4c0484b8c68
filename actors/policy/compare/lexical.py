"""Short texts that say nearly the same, by their words.

Only for short ones: over longer texts such a likeness finds what is typical, not what
is right, and rates contradictions as equal. Negation and numbers are looked at first,
for one word of them turns the meaning around.
"""

import re

MAX_WORDS = 25
THRESHOLD = 0.90
"""Share of words in common, order aside, from which two short texts are one answer."""

_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_NEGATIONS = frozenset(
    [
        "no",
        "not",
        "never",
        "none",
        "neither",
        "nor",
        "cannot",
        "without",
        "false",
        "incorrect",
        "wrong",
        "isn't",
        "aren't",
        "don't",
        "doesn't",
        "didn't",
        "won't",
        "can't",
        "n't",
    ]
)


def is_short(text: str) -> bool:
    """Whether a normalised text is short enough to be compared by its words."""
    return 0 < len(text.split()) <= MAX_WORDS


def nearly_same(one: str, other: str) -> bool:
    """Whether two normalised short texts say nearly the same; see the module."""
    if not same_facts(one, other):
        return False
    from rapidfuzz import fuzz  # noqa: PLC0415 - 5 MB that only consensus needs

    return fuzz.token_sort_ratio(one, other) >= THRESHOLD * 100.0


def same_facts(one: str, other: str) -> bool:
    """Whether neither a negation nor a number keeps two normalised short texts apart."""
    if _negations(one.split()) != _negations(other.split()):
        return False
    return _numbers(one) == _numbers(other)


def _negations(words: list[str]) -> int:
    return sum(word.strip(".,;:!?()") in _NEGATIONS for word in words) % 2


def _numbers(text: str) -> list[str]:
    return sorted(
        word for word in _WORD.findall(text) if any(c.isdigit() for c in word)
    )
