"""When a condition is told, when it is over, and that nothing flaps."""

import pytest
from hypothesis import given, strategies as st

from actors.messages.lifecycle import Finding
from actors.policy.condition_catalogue import Kind
from actors.policy.conditions import (
    MAX_TEXT,
    Board,
    Cleared,
    Raised,
    Troubles,
    blocking,
)

CATALOGUE = {
    "at_once": Kind(severity="warning", title="T", text="{what}", advice="A"),
    "patient": Kind(
        severity="error",
        title="T",
        text="{provider} is {what}",
        advice="ask {provider}",
        grace_s=5.0,
        linger_s=10.0,
        not_ready=True,
    ),
    "note": Kind(severity="info", title="T", text="x", advice="A"),
}
NOTE = Finding(code="note")


def found(what: str = "ill", code: str = "at_once", **about: str) -> Finding:
    return Finding(code=code, values={"what": what}, **about)


PATIENT = found(code="patient", provider="p")


def told(news: list[Raised | Cleared]) -> list[tuple[str, str]]:
    return [(type(each).__name__, each.condition.code) for each in news]


@pytest.fixture
def board() -> Board:
    return Board(CATALOGUE)


def test_what_is_found_is_told_once_with_all_that_the_catalogue_says(
    board: Board,
) -> None:
    news = board.update([found()], 100.0, 1e9)
    again = board.update([found()], 101.0, 1e9 + 1)

    assert told(news) == [("Raised", "at_once")]
    assert again == []
    [condition] = board.conditions()
    assert (condition.severity, condition.title) == ("warning", "T")
    assert (condition.text, condition.advice) == ("ill", "A")
    assert condition.since == 1e9


def test_what_passes_within_its_grace_is_never_told(board: Board) -> None:
    assert board.update([PATIENT], 0.0, 0.0) == []
    assert board.conditions() == ()
    assert board.update([PATIENT], 4.9, 4.9) == []
    assert board.update([], 4.95, 4.95) == []
    assert board.update([PATIENT], 5.0, 5.0) == []  # its time begins anew

    assert board.conditions() == ()


def test_since_is_when_it_began_not_when_it_was_told(board: Board) -> None:
    board.update([PATIENT], 0.0, 1000.0)
    news = board.update([PATIENT], 5.0, 1005.0)

    assert told(news) == [("Raised", "patient")]
    [condition] = board.conditions()
    assert condition.since == 1000.0
    assert (condition.text, condition.advice) == ("p is ill", "ask p")


def test_what_comes_back_while_it_lingers_is_the_same(board: Board) -> None:
    board.update([PATIENT], 0.0, 1000.0)
    board.update([PATIENT], 5.0, 1005.0)
    assert board.update([], 6.0, 1006.0) == []
    assert board.conditions() == ()  # the truth as of now, at once
    assert board.update([], 15.9, 1015.9) == []
    assert board.update([PATIENT], 15.95, 1016.0) == []

    assert [c.since for c in board.conditions()] == [1000.0]


def test_it_is_over_when_it_stayed_away(board: Board) -> None:
    board.update([PATIENT], 0.0, 0.0)
    board.update([PATIENT], 5.0, 0.0)
    board.update([], 8.0, 0.0)
    news = board.update([], 18.0, 0.0)

    assert told(news) == [("Cleared", "patient")]
    assert isinstance(news[0], Cleared)
    assert news[0].lasted_s == 8.0
    assert board.update([], 30.0, 0.0) == []


def test_without_a_linger_time_it_is_over_at_once(board: Board) -> None:
    board.update([found()], 0.0, 0.0)

    assert told(board.update([], 3.0, 0.0)) == [("Cleared", "at_once")]


def test_a_text_that_changes_is_no_news(board: Board) -> None:
    board.update([found("bad")], 0.0, 1.0)

    assert board.update([found("worse")], 1.0, 2.0) == []
    assert [(c.text, c.since) for c in board.conditions()] == [("worse", 1.0)]


def test_each_provider_model_and_subject_has_its_own(board: Board) -> None:
    all_of_them = [
        found(),
        found(provider="a"),
        found(provider="a", model="m"),
        found(subject="/file"),
    ]
    news = board.update(all_of_them, 0.0, 0.0)
    assert len(news) == 4
    gone = board.update(all_of_them[1:], 1.0, 0.0)

    assert told(gone) == [("Cleared", "at_once")]
    about = [(c.provider, c.model) for c in board.conditions()]
    assert about == [("a", None), ("a", "m"), (None, None)]


def test_the_worst_are_first_then_the_oldest(board: Board) -> None:
    board.update([NOTE, PATIENT], 0.0, 10.0)
    board.update([NOTE, PATIENT, found("new")], 5.0, 20.0)
    board.update([NOTE, PATIENT, found("new"), found(provider="x")], 6.0, 15.0)

    codes = [c.code for c in board.conditions()]
    assert codes == ["patient", "at_once", "at_once", "note"]
    assert [c.provider for c in board.conditions()][1] == "x"


def test_long_texts_are_cut_and_odd_bytes_made_readable(board: Board) -> None:
    board.update([found("é" * 5000)], 0.0, 0.0)
    [long] = board.conditions()
    board.update([found("/tmp/\udcff")], 0.0, 0.0)
    [odd] = board.conditions()

    assert len(long.text) == MAX_TEXT
    assert long.text.endswith("…")
    assert odd.text == "/tmp/\\udcff"


def test_a_code_that_nobody_has_described_is_an_error(board: Board) -> None:
    with pytest.raises(KeyError):
        board.update([Finding(code="unheard_of")], 0.0, 0.0)


def test_troubles_hold_from_declared_to_withdrawn() -> None:
    troubles = Troubles()
    troubles.declare("at_once", what="one")
    troubles.declare("at_once", what="two")
    troubles.declare("at_once", provider="p", model="m", subject="s", what="three")
    assert [f.values["what"] for f in troubles.findings()] == ["two", "three"]
    troubles.withdraw("at_once")
    troubles.withdraw("at_once")
    troubles.withdraw("at_once", provider="p", model="m")

    assert [f.subject for f in troubles.findings()] == ["s"]
    troubles.withdraw("at_once", provider="p", model="m", subject="s")
    assert troubles.findings() == ()


def test_only_some_conditions_keep_the_daemon_from_being_ready(board: Board) -> None:
    board.update([PATIENT, found()], 0.0, 0.0)
    assert blocking(board.conditions(), CATALOGUE) == ()
    board.update([PATIENT, found()], 5.0, 0.0)

    assert blocking(board.conditions(), CATALOGUE) == ("patient",)


@given(st.lists(st.tuples(st.floats(0.01, 20.0), st.booleans()), max_size=60))
def test_raised_and_cleared_alternate_and_each_takes_its_time(
    steps: list[tuple[float, bool]],
) -> None:
    """However it flaps: told after holding its grace, over after staying away."""
    board, now = Board(CATALOGUE), 0.0
    holding_since: float | None = None
    gone_since: float | None = None
    is_told = False
    for wait_s, holds in steps:
        now += wait_s
        if holds:
            gone_since = None
            holding_since = now if holding_since is None else holding_since
        elif is_told:
            gone_since = now if gone_since is None else gone_since
        else:
            holding_since = None
        news = told(board.update([PATIENT] if holds else [], now, now))
        shown = [c.code for c in board.conditions()]
        if news == [("Raised", "patient")]:
            assert not is_told
            assert holds
            assert holding_since is not None
            assert now - holding_since >= 5.0
            is_told = True
        elif news == [("Cleared", "patient")]:
            assert is_told
            assert gone_since is not None
            assert now - gone_since >= 10.0
            is_told, holding_since, gone_since = False, None, None
        else:
            assert news == []
        assert shown == (["patient"] if is_told and holds else [])
