"""The small strict ``.env`` reader."""

import pytest
from hypothesis import given, strategies as st

from daemon.dotenv import parse_dotenv


def every_name(_name: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("K=v", "v"),
        ("export K=v", "v"),
        (" K = v ", "v"),
        ('K="a b"', "a b"),
        ("K='a # b' # note", "a # b"),
        ("K=v # note", "v"),
        ("K=a#b", "a#b"),
        ("K=#", ""),
        ("K=$HOME", "$HOME"),
        ("\ufeffK=v", "v"),
        ("K=1\nK=2", "2"),
    ],
)
def test_values(line: str, value: str) -> None:
    assert parse_dotenv(line, every_name) == ({"K": value}, [])


@pytest.mark.parametrize("line", ["K", "=v", "2K=v", 'K="open', "K='a' b"])
def test_lines_that_are_none_are_counted(line: str) -> None:
    assert parse_dotenv(f"\n# note\n{line}\n", every_name) == ({}, [3])


def test_only_wanted_names_are_kept() -> None:
    text = "A_API_KEY=1\nPATH=/evil\n"
    assert parse_dotenv(text, lambda n: n.endswith("_API_KEY")) == (
        {"A_API_KEY": "1"},
        [],
    )


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    parse_dotenv(text, every_name)
