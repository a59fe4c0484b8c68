"""What a text wants: a naive Bayes classifier over words and pairs of words.

Multinomial with add-k smoothing and equal priors. It needs nothing but counting, learns
in a few milliseconds when it is first asked, and says how sure it is. How often it is
right on texts that it has not seen is measured in ``tests/actors/policy/test_intent.py``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from math import exp, fsum, log
from typing import Final

from actors.policy.intent_examples import EXAMPLES

MAX_CHARS: Final = 4_000
"""What a text is about is said at its beginning."""

SMOOTHING: Final = 0.3
_WORD: Final = re.compile(r"[a-z][a-z'-]*|\?")
_ENDINGS: Final = ("ing", "ed", "es", "s", "ly")


class Intents:
    """Learns from ``examples``: the texts of each class."""

    def __init__(self, examples: Mapping[str, Iterable[str]]) -> None:
        counts = {
            name: Counter(f for text in texts for f in _features(text))
            for name, texts in examples.items()
        }
        self._known = frozenset(f for each in counts.values() for f in each)
        self._scores = {name: self._learn(counted) for name, counted in counts.items()}

    def _learn(self, counted: Counter[str]) -> Mapping[str, float]:
        total = counted.total() + SMOOTHING * len(self._known)
        return {f: log((counted[f] + SMOOTHING) / total) for f in self._known}

    def guess(self, text: str) -> tuple[str, float]:
        """The likeliest class and its probability in [0, 1]; never raises.

        Probabilities of naive Bayes are too sure of themselves: read them as an order.
        """
        seen = [f for f in _features(text) if f in self._known]
        sums = {
            name: fsum(scores[f] for f in seen) for name, scores in self._scores.items()
        }
        best = max(sums, key=lambda name: sums[name])
        return best, 1.0 / fsum(exp(each - sums[best]) for each in sums.values())


@cache
def intents() -> Intents:
    """The classifier of what people write to a project."""
    return Intents(EXAMPLES)


def _features(text: str) -> Iterator[str]:
    words = [_stem(w) for w in _WORD.findall(text[:MAX_CHARS].lower())]
    yield from words
    for first, second in pairwise(words):
        yield f"{first} {second}"


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word
