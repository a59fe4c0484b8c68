import pytest
from hypothesis import given, strategies as st

from actors.policy.compare.normalise import normalise, plain, unfenced


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("**Paris**", "paris"),
        ("Paris.", "paris"),
        ("# Paris", "Paris"),
        ("- Paris", "paris"),
        ("> Paris!", "paris"),
        ("`Paris`", "Paris"),
        ("[Paris](https://example.org)", "paris"),
        ("PARIS\n\n  France", "paris france"),
        ("\uff30\uff41\uff52\uff49\uff53", "paris"),
        ("it\u2019s", "it's"),
        ("```text\nParis\n```", "paris"),
    ],
)
def test_the_same_words_in_different_dress_are_the_same(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_different_words_stay_different() -> None:
    assert normalise("Paris") != normalise("London")


def test_line_breaks_and_case_survive_where_only_markdown_is_taken_off() -> None:
    assert plain("# Title\n**Bold** text") == "Title\nBold text"


def test_stars_that_are_no_emphasis_stay() -> None:
    assert plain("2 * 3 * 4") == "2 * 3 * 4"


@given(st.text())
def test_normalising_again_changes_nothing(text: str) -> None:
    once = normalise(text)

    assert normalise(once) == normalise(normalise(once))


@pytest.mark.parametrize("piece", ["[", "**a ", "```\n", "> ", "[a](", "_", "`"])
def test_hostile_markdown_is_read_in_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))

    normalise(text)  # quadratic, this would take minutes


@pytest.mark.parametrize("space", [" ", "\n", "\t \n", "\u00a0"])
def test_a_fence_that_nothing_closes_is_read_in_linear_time(space: str) -> None:
    text = "```\n" + space * (200_000 // len(space))

    assert unfenced(text) == text  # quadratic, this would take minutes


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("```\na\n```", "a"),
        (" ```json\n a \n\n``` \n", " a"),
        ("```\n```", ""),
        ("```a```", "```a```"),
        ("```\na\n``` b", "```\na\n``` b"),
        ("```", "```"),
        ("", ""),
    ],
)
def test_only_a_text_that_is_one_block_has_an_inside(text: str, inside: str) -> None:
    assert unfenced(text) == inside
