import pytest

from actors.policy.compare.options import options_of


@pytest.mark.parametrize(
    "question",
    [
        "Which?\nA. one\nB. two\nC. three",
        "Which?\nA) one\nB) two\nC) three",
        "Which?\n(A) one\n(B) two\n(C) three",
        "Which?\n A: one\n B: two\n C: three",
    ],
)
def test_lettered_lines_in_order_are_options(question: str) -> None:
    assert options_of(question) == {"A": "one", "B": "two", "C": "three"}


def test_the_last_run_of_options_counts() -> None:
    question = "Example:\nA. x\nB. y\n\nQuestion:\nA. left\nB. right"

    assert options_of(question) == {"A": "left", "B": "right"}


@pytest.mark.parametrize(
    "question", ["Who wrote it?", "A. Smith wrote:\nHello", "B. two\nC. three"]
)
def test_what_is_no_run_from_a_has_no_options(question: str) -> None:
    assert options_of(question) == {}


def test_a_gap_ends_the_run() -> None:
    assert options_of("A. one\nB. two\nD. four") == {"A": "one", "B": "two"}


def test_more_than_26_options_do_not_break_it() -> None:
    lines = [f"{chr(65 + n)}. option {n}" for n in range(26)]

    assert len(options_of("\n".join([*lines, "A. again"]))) == 0
    assert len(options_of("\n".join(lines))) == 26
