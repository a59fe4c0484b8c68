import pytest

from actors.policy.compare.lexical import MAX_WORDS, is_short, nearly_same


def test_short_is_between_one_and_the_limit() -> None:
    assert not is_short("")
    assert is_short("word " * MAX_WORDS)
    assert not is_short("word " * (MAX_WORDS + 1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the french revolution", "french revolution, the"),
        ("george washington", "george  washington"),
        ("colour of the sky", "color of the sky"),
    ],
)
def test_nearly_the_same_words_are_one_answer(one: str, other: str) -> None:
    assert nearly_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it is safe to delete the file", "it is not safe to delete the file"),
        ("it happened in 1914", "it happened in 1915"),
        ("version 1.2.3 of the tool", "version 1.2.4 of the tool"),
        ("george washington", "abraham lincoln"),
    ],
)
def test_a_negation_or_a_number_keeps_answers_apart(one: str, other: str) -> None:
    assert not nearly_same(one, other)
