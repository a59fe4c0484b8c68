import pytest
from hypothesis import given, strategies as st

from actors.messages.chat import ToolCall
from actors.policy.compare.clusters import Answer, Grouping, group_answers

LONG = "This is an essay about something. " * 10


def grouped(*texts: str, options: dict[str, str] | None = None) -> Grouping:
    return group_answers([Answer(text) for text in texts], options)


def members(grouping: Grouping) -> list[tuple[int, ...]]:
    return [group.members for group in grouping.groups]


@pytest.mark.parametrize(
    ("texts", "kind", "together", "rule"),
    [
        (("The answer is 42.", "42", r"\boxed{42.0}"), "number", 3, "number"),
        (("50%", "0.5", "1/2"), "number", 3, "number"),
        (('{"a":1}', '```json\n{"a": 1.0}\n```'), "json", 2, "json"),
        (("```py\na=1\n```", "```python\na = 1 # c\n```"), "code", 2, "code"),
        (("Paris", "**paris**."), "short_text", 2, "identical"),
        (("colour of the sky", "color of the sky"), "short_text", 2, "lexical"),
        (("Answer: Ada Lovelace", "answer: ada lovelace"), "words", 2, "identical"),
        ((LONG, LONG.upper()), "text", 2, "identical"),
    ],
)
def test_equal_answers_come_together_by_a_named_rule(
    texts: tuple[str, ...], kind: str, together: int, rule: str
) -> None:
    grouping = grouped(*texts)

    assert grouping.kind == kind
    assert members(grouping) == [tuple(range(together))]
    assert grouping.groups[0].rule == rule


def test_tool_calls_are_compared_by_name_and_arguments() -> None:
    calls = [
        Answer("let me look", (ToolCall("1", "f", '{"a":1}'),)),
        Answer("", (ToolCall("2", "f", '{"a": 1.0}'),)),
        Answer("", (ToolCall("3", "g", "{}"),)),
    ]
    grouping = group_answers(calls)

    assert grouping.kind == "tool_calls"
    assert members(grouping) == [(0, 1), (2,)]
    assert grouping.groups[1].rule == "alone"


def test_options_decide_what_an_answer_comes_to() -> None:
    options = {"A": "one", "B": "two"}
    grouping = grouped("the answer is (B)", "B", "two, hence A", options=options)

    assert grouping.kind == "option"
    assert [group.shown for group in grouping.groups] == ["B", "A"]


def test_who_names_no_option_abstains() -> None:
    options = {"A": "one", "B": "two"}
    grouping = grouped("the answer is (B)", "no idea", options=options)

    assert members(grouping) == [(0,)]
    assert grouping.readings[1] is None


def test_where_nobody_names_an_option_the_texts_are_compared() -> None:
    grouping = grouped(LONG, LONG + "more", options={"A": "one", "B": "two"})

    assert grouping.kind == "text"
    assert members(grouping) == [(0,), (1,)]


def test_different_units_and_numbers_stay_apart() -> None:
    assert members(grouped("5 km", "5 m", "6 km")) == [(0,), (1,), (2,)]


def test_long_texts_are_never_joined_by_likeness() -> None:
    grouping = grouped(LONG, LONG.replace("essay", "poem"))

    assert members(grouping) == [(0,), (1,)]


def test_an_empty_text_abstains() -> None:
    grouping = grouped(LONG, LONG, "")

    assert members(grouping) == [(0, 1)]
    assert grouping.readings[2] is None


def test_prose_that_ends_on_a_number_is_a_number_only_when_short() -> None:
    assert grouped("it makes 7", "I get 7").kind == "number"
    assert grouped(LONG + "7", LONG + "8").kind == "text"


def test_announced_words_are_not_taken_for_their_numbers() -> None:
    assert grouped("Answer: 3 apples and pears", "Answer: three").kind == "words"


def test_nobody_at_all_is_no_group() -> None:
    assert group_answers([]) == Grouping("text", (), ())


@given(st.lists(st.text(max_size=60), max_size=6))
def test_every_answer_is_in_one_group_or_abstains(texts: list[str]) -> None:
    grouping = grouped(*texts)
    placed = [place for group in grouping.groups for place in group.members]
    silent = [n for n, each in enumerate(grouping.readings) if each is None]

    assert sorted(placed + silent) == list(range(len(texts)))


@given(st.lists(st.sampled_from(["1", "2", "3"]), min_size=1, max_size=6))
def test_the_order_of_answers_does_not_change_who_is_together(texts: list[str]) -> None:
    forwards = grouped(*texts)
    backwards = grouped(*reversed(texts))
    last = len(texts) - 1

    assert {frozenset(group.members) for group in forwards.groups} == {
        frozenset(last - place for place in group.members) for group in backwards.groups
    }


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 600 + "]" * 600,
        '{"a":' * 900 + "1" + "}" * 900,
        "1e400",
        "[1e400]",
        "\ud800",
    ],
)
def test_no_answer_breaks_the_count_of_the_others(hostile: str) -> None:
    answers = [Answer(hostile), Answer("1"), Answer("1"), Answer('{"a": 1}')]

    for said in (answers, answers[:1], [answers[0], answers[0], answers[3]]):
        grouping = group_answers(said)
        assert len(grouping.readings) == len(said)
