"""A second answer, joined to what the caller has already."""

import pytest
from hypothesis import given, strategies as st

from actors.policy.splice import (
    DECIDING_CHARS,
    MIN_REPEAT_CHARS,
    Continuation,
    DivergedError,
    Restart,
    Splice,
)

SENT = "The quick brown fox jumps over the lazy dog and then "
REST = "goes home to sleep until the next morning, when it all begins once more."


def join(splice: Splice, *pieces: str) -> str:
    return "".join([splice.feed(piece) for piece in pieces]) + splice.finish()


def pieces_of(text: str) -> st.SearchStrategy[list[str]]:
    """The text, cut anywhere."""
    cuts = st.lists(st.integers(0, len(text)), max_size=8).map(sorted)
    return cuts.map(
        lambda at: [
            text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True) if a < b
        ]
    )


# An answer that begins anew


@given(pieces_of(SENT + REST))
def test_an_answer_that_begins_the_same_is_skipped(pieces: list[str]) -> None:
    assert join(Restart(SENT), *pieces) == REST


@given(st.text(), st.text(), st.lists(st.integers(1, 5)))
def test_any_text_in_any_pieces(sent: str, rest: str, sizes: list[int]) -> None:
    whole, pieces = sent + rest, []
    for size in sizes:
        pieces.append(whole[:size])
        whole = whole[size:]

    assert join(Restart(sent), *pieces, whole) == rest


def test_an_answer_that_differs_or_ends_too_early_does_not_fit() -> None:
    with pytest.raises(DivergedError, match="differs"):
        join(Restart(SENT), "The quick brown cat")
    with pytest.raises(DivergedError, match="shorter"):
        join(Restart(SENT), "The quick")


# One that goes on


@given(pieces_of(REST), st.booleans())
def test_what_follows_is_handed_on(pieces: list[str], echoed: bool) -> None:
    assert join(Continuation(SENT, echoed=echoed), *pieces) == REST


@given(pieces_of(SENT.rstrip() + " " + REST), st.booleans())
def test_a_repeated_beginning_is_skipped(pieces: list[str], echoed: bool) -> None:
    assert join(Continuation(SENT, echoed=echoed), *pieces) == REST


def test_a_short_beginning_is_repeated_only_by_servers_that_do_so() -> None:
    assert join(Continuation("1", echoed=True), "12 apples") == "2 apples"
    assert join(Continuation("1", echoed=False), "1 apples") == "1 apples"
    assert join(Continuation("ha", echoed=False), "haha") == "haha"


def test_a_server_that_should_repeat_and_does_not_is_believed() -> None:
    assert join(Continuation("The fox ", echoed=True), "ran.") == "ran."
    assert join(Continuation("The fox", echoed=True)) == ""


def test_the_last_words_once_more_are_skipped() -> None:
    assert join(Continuation(SENT, echoed=False), SENT[4:] + REST) == REST
    short = "lazy dog and then " + REST
    assert join(Continuation(SENT, echoed=False), short) == short


def test_a_line_of_dashes_goes_on() -> None:
    line = "-" * 30

    assert join(Continuation("| a |\n" + line, echoed=False), line + "|") == line + "|"


def test_what_was_said_several_times_already_may_be_said_again() -> None:
    refrain = "And so it goes, again and again. "
    sent = "First: " + refrain * 3
    whole = sent + refrain * 2 + "The end."
    for cut in (len(sent), len(sent) - 10, len(sent) + 10):
        told, rest = whole[:cut], whole[cut:]

        assert told + join(Continuation(told, echoed=False), rest) == whole
    sent = refrain * 3

    assert join(Continuation(sent, echoed=False), refrain + "The end.") == (
        refrain + "The end."
    )


@pytest.mark.parametrize("rest", ["goes home", "lap", "dog", "The end."])
def test_a_short_likeness_is_chance(rest: str) -> None:
    assert join(Continuation(SENT, echoed=False), rest) == rest


@pytest.mark.parametrize("echoed", [True, False])
def test_one_that_began_anew_with_other_words_does_not_fit(*, echoed: bool) -> None:
    with pytest.raises(DivergedError, match="anew"):
        join(Continuation(SENT, echoed=echoed), "The quick brown fox sleeps. " + REST)


def test_one_that_repeats_for_long_and_then_differs_does_not_fit() -> None:
    sent = SENT + REST
    with pytest.raises(DivergedError, match="differs"):
        join(Continuation(sent, echoed=False), sent[:100], "something else")


def test_one_that_ends_inside_what_was_sent_does_not_fit() -> None:
    with pytest.raises(DivergedError, match="shorter"):
        join(Continuation(SENT, echoed=False), "The quick brown fox jumps")


@pytest.mark.parametrize(
    ("sent", "answer", "new"),
    [
        ("a line\n\n", "\n\nNext", "Next"),
        ("a line\n\n", "Next", "Next"),
        ("a line\n\n", " Next", "Next"),
        ("a line", " and more", " and more"),
        ("def f():\n    ", "\n        return", "    return"),
        ("a line  ", " ", ""),
    ],
)
def test_white_space_that_was_sent_is_not_sent_again(
    sent: str, answer: str, new: str
) -> None:
    assert join(Continuation(sent, echoed=False), answer) == new


def test_white_space_may_come_alone_after_a_repeat() -> None:
    splice = Continuation(SENT + " ", echoed=False)

    assert join(splice, SENT.rstrip() + "x" * 0, " ", " ", "goes on") == "goes on"


def test_it_is_held_back_until_it_is_long_enough_to_tell() -> None:
    splice = Continuation(SENT, echoed=False)

    assert splice.feed("x" * (DECIDING_CHARS - 1)) == ""
    assert splice.feed("yz") == "x" * (DECIDING_CHARS - 1) + "yz"
    assert splice.feed("more") == "more"
    assert splice.finish() == ""


@given(st.text(alphabet="ab \n", max_size=40), st.text(alphabet="ab \n", max_size=100))
def test_nothing_but_repeats_and_white_space_is_ever_left_out(
    sent: str, answer: str
) -> None:
    """Of so few letters no overlap is a repeat: only a whole beginning can be."""
    try:
        new = join(Continuation(sent, echoed=False), answer)
    except DivergedError:
        assert len(sent.rstrip()) >= MIN_REPEAT_CHARS
        return
    begun = sent.rstrip()
    rest = answer.removeprefix(begun) if len(begun) >= MIN_REPEAT_CHARS else answer

    assert answer.endswith(new)
    assert new.lstrip() in (rest.lstrip(), answer.lstrip())
