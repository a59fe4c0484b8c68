import pytest
from hypothesis import given, strategies as st

from actors.policy.compare.final_answer import (
    FinalAnswer,
    final_answer,
    last_number,
)

OPTIONS = {"A": "3.2 m", "B": "38.7 cm", "C": "Neither of them", "D": "28.7 cm"}


@pytest.mark.parametrize(
    ("text", "letter", "rule"),
    [
        ("So the answer is (B).", "B", "stated"),
        ("The answer is B", "B", "stated"),
        ("The correct option is: **C**", "C", "stated"),
        ("Final Answer: D", "D", "labelled"),
        (r"Hence \[ \boxed{B} \]", "B", "boxed"),
        (r"Hence $\boxed{\text{B}}$", "B", "boxed"),
        ("the answer is 38.7 cm", "B", "stated"),
        ("The answer is neither of them.", "C", "stated"),
        ("Between A and D, I would take D", "D", "option"),
    ],
)
def test_an_option_is_found_by_letter_text_or_value(
    text: str, letter: str, rule: str
) -> None:
    assert final_answer(text, OPTIONS) == FinalAnswer(letter, rule)


@pytest.mark.parametrize(
    "text",
    ["I cannot tell.", "The answer is (X).", "The answer is 99 kg", "", "A's B's"],
)
def test_what_names_no_option_is_none(text: str) -> None:
    assert final_answer(text, OPTIONS) is None


def test_a_value_that_fits_two_options_decides_nothing() -> None:
    assert final_answer("the answer is 5", {"A": "5.0", "B": "5.00"}) is None


def test_the_first_statement_counts_not_what_is_run_on_after_it() -> None:
    text = "The answer is (B).\n\nQuestion: next one\nThe answer is (D)."

    assert final_answer(text, OPTIONS) == FinalAnswer("B", "stated")


@pytest.mark.parametrize(
    ("text", "wanted", "rule"),
    [
        (r"So \boxed{\frac{1}{2}} it is", r"\frac{1}{2}", "boxed"),
        ("Thus the answer is 42, because it is.", "42", "stated"),
        ("Answer: Paris.", "Paris", "labelled"),
        ("First the answer is 1. No: the answer is 2.", "2", "stated"),
    ],
)
def test_without_options_the_last_announced_value_counts(
    text: str, wanted: str, rule: str
) -> None:
    assert final_answer(text) == FinalAnswer(wanted, rule)


@pytest.mark.parametrize(
    "text",
    [
        "No cue at all.",
        "The answer is " + "long " * 20,
        r"\boxed{never closed",
        "The answer is ...",
    ],
)
def test_prose_comes_to_no_final_answer(text: str) -> None:
    assert final_answer(text) is None


def test_the_last_number_of_the_last_sentence_is_a_weak_answer() -> None:
    found = last_number("We get 3. That makes 5.5 km")

    assert found == FinalAnswer("5.5 km", "last_number")


@pytest.mark.parametrize("text", ["", "None here.", "There were 3. But who knows."])
def test_a_last_sentence_without_a_number_has_no_last_number(text: str) -> None:
    assert last_number(text) is None


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    final_answer(text)
    final_answer(text, OPTIONS)
    last_number(text)


def test_a_cue_that_nothing_follows_is_read_in_linear_time() -> None:
    text = "the answer is" + "\n" * 200_000  # quadratic, this would take minutes

    assert final_answer(text) is None
