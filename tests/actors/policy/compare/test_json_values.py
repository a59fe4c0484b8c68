import msgspec
import pytest
from hypothesis import given, strategies as st

from actors.policy.compare import json_values
from actors.policy.compare.json_values import (
    PathVote,
    Unreadable,
    canonical,
    read_json,
    vote_by_path,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_fences_order_and_whole_floats_do_not_count() -> None:
    one = read_json('```json\n{"b": [1.0, 2], "a": true}\n```')
    other = read_json('{"a":true,"b":[1,2.0]}')

    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1}, {"a": True}), ({"a": 1}, {"a": "1"}), ([1, 2], [2, 1]), ({}, [])],
)
def test_different_values_have_different_texts(one: object, other: object) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "text", ["", "42", '"text"', "{", '{"a": }', "no json", "[" * 100_000]
)
def test_what_is_no_object_or_array_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read_json(text)


@given(VALUES)
def test_a_value_written_and_read_has_the_same_text(value: object) -> None:
    written = msgspec.json.encode([value]).decode()

    assert canonical(read_json(written)) == canonical([value])


def test_each_path_takes_the_value_with_most_weight() -> None:
    voted = vote_by_path(
        [
            {"name": "Ada", "born": {"year": 1815}},
            {"name": "Ada", "born": {"year": 1816}},
            {"name": "Eva", "born": {"year": 1815}, "extra": 1},
        ],
        [0.5, 0.25, 0.25],
    )

    assert voted == (
        {"name": "Ada", "born": {"year": 1815}},
        [
            PathVote("name", 0.75),
            PathVote("born.year", 0.75),
            PathVote("extra", 0.75),
        ],
    )


def test_an_empty_object_is_a_value_too() -> None:
    assert vote_by_path([{}, {}], [1.0, 1.0]) == ({}, [PathVote("(empty)", 1.0)])


def test_no_weight_at_all_is_no_share() -> None:
    voted = vote_by_path([{"a": 1}], [0.0])

    assert voted == ({"a": 1}, [PathVote("a", 0.0)])


@pytest.mark.parametrize("values", [[], [[1], [2]], [{"a": 1}, [1]]])
def test_what_are_not_all_objects_is_not_merged(values: list[object]) -> None:
    assert vote_by_path(values, [1.0] * len(values)) is None


def test_too_many_paths_are_not_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "MAX_PATHS", 1)

    assert vote_by_path([{"a": 1, "b": 2}], [1.0]) is None


def test_a_leaf_and_an_object_at_one_path_contradict_each_other() -> None:
    leaf_first = [{"a": 1}, {"a": {"b": 2}}]
    object_first = [{"a": {"b": 2}}, {"a": 1}]

    # Each path has equal weight for its value and for being absent: the first wins.
    assert vote_by_path(leaf_first, [1.0, 1.0]) == (
        {"a": 1},
        [PathVote("a", 0.5), PathVote("a.b", 0.5)],
    )
    assert vote_by_path(object_first, [1.0, 1.0]) == (
        {"a": {"b": 2}},
        [PathVote("a.b", 0.5), PathVote("a", 0.5)],
    )


OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(st.lists(OBJECTS, min_size=1, max_size=4))
def test_any_objects_can_be_voted_on(values: list[dict[str, object]]) -> None:
    voted = vote_by_path(values, [1.0] * len(values))

    assert voted is not None
    assert all(0.0 < vote.share <= 1.0 for vote in voted[1])


@given(st.lists(st.dictionaries(st.text(max_size=2), VALUES, max_size=3), min_size=1))
def test_equal_objects_merge_into_themselves(values: list[dict[str, object]]) -> None:
    first = values[0]
    voted = vote_by_path([first, first, first], [1.0, 1.0, 1.0])

    assert voted is not None
    assert canonical(voted[0]) == canonical(first)


def test_what_is_nested_too_deeply_to_be_compared_is_no_structure() -> None:
    deep = read_json("[" * 400 + "]" * 400)

    with pytest.raises(Unreadable, match="100 deep"):
        canonical(deep)


def test_a_lone_surrogate_makes_a_text_unreadable() -> None:
    with pytest.raises(Unreadable):
        read_json('["\ud800"]')
