"""What a text wants, and how often that is guessed right."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from actors.policy.classify import SURE
from actors.policy.intent import Intents, intents
from actors.policy.intent_examples import EXAMPLES

LINES = (Path(__file__).parents[2] / "fixtures" / "intents.tsv").read_text()
STATED = 0.75
"""The share of ``UNSEEN`` that is guessed right; a fifth would be by chance."""

STATED_TAKEN = 44 / 60
"""The share of ``UNSEEN`` of which it is sure enough."""

STATED_SURE = 40 / 44
"""The share of those that is guessed right."""

UNSEEN = [tuple(line.split("\t")) for line in LINES.splitlines()]


def accuracy() -> float:
    right = sum(intents().guess(text)[0] == wanted for wanted, text in UNSEEN)
    return right / len(UNSEEN)


def test_the_sets_are_apart_and_large_enough() -> None:
    learned = {text for texts in EXAMPLES.values() for text in texts}
    unseen = {text for _, text in UNSEEN}

    assert learned.isdisjoint(unseen)
    assert len(learned) + len(unseen) >= 120
    assert set(Counter(wanted for wanted, _ in UNSEEN).values()) == {12}
    assert {wanted for wanted, _ in UNSEEN} == EXAMPLES.keys()


def test_accuracy_on_texts_it_has_not_seen() -> None:
    assert accuracy() == pytest.approx(STATED, abs=0.005)


def test_accuracy_where_it_is_sure() -> None:
    guesses = [(wanted, *intents().guess(text)) for wanted, text in UNSEEN]
    taken = [wanted == name for wanted, name, score in guesses if score >= SURE]

    assert len(taken) / len(UNSEEN) == pytest.approx(STATED_TAKEN, abs=0.005)
    assert sum(taken) / len(taken) == pytest.approx(STATED_SURE, abs=0.005)


def test_how_sure_is_sure_was_chosen_without_the_unseen_ones() -> None:
    """Each text guessed by what was learned of the others."""
    taken = []
    for wanted, texts in EXAMPLES.items():
        for text in texts:
            others = {
                name: [each for each in several if each != text]
                for name, several in EXAMPLES.items()
            }
            name, score = Intents(others).guess(text)
            if score >= SURE:
                taken.append(name == wanted)

    assert sum(taken) / len(taken) >= 0.75
    assert len(taken) >= 40


def test_what_it_learned_it_knows() -> None:
    for wanted, texts in EXAMPLES.items():
        assert all(intents().guess(text)[0] == wanted for text in texts)


def test_surer_where_more_speaks_for_it() -> None:
    _, vague = intents().guess("something about the page")
    _, clear = intents().guess("SQL injection lets an attacker read credentials")

    assert clear > 0.9 > vague


def test_nothing_known_is_anybodys_guess() -> None:
    assert Intents({"a": ("x",), "b": ("y",)}).guess("zzz") == ("a", 0.5)


@given(st.text(max_size=300))
def test_any_text_gets_a_class_and_a_probability(text: str) -> None:
    name, score = intents().guess(text)

    assert name in EXAMPLES
    assert 1 / len(EXAMPLES) - 1e-9 <= score <= 1.0 + 1e-9
