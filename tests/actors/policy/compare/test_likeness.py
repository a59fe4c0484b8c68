"""Texts put together by how their vectors lie."""

import struct
from math import cos, radians, sin

import pytest
from hypothesis import given, strategies as st

from actors.policy.compare.likeness import Likeness, cluster, cosine


def vector(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def at(*degrees: float) -> list[bytes]:
    return [vector(cos(radians(each)), sin(radians(each))) for each in degrees]


def test_the_cosine_is_that_of_the_angle_whatever_the_lengths() -> None:
    assert cosine(vector(2.0, 0.0), vector(0.5, 0.0)) == pytest.approx(1.0)
    assert cosine(vector(1.0, 0.0), vector(0.0, 3.0)) == pytest.approx(0.0)
    assert cosine(vector(1.0, 1.0), vector(-1.0, -1.0)) == pytest.approx(-1.0)
    assert cosine(vector(0.0, 0.0), vector(1.0, 0.0)) == 0.0


def test_vectors_of_different_lengths_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"longer|shorter"):
        cosine(vector(1.0), vector(1.0, 2.0))


def test_what_is_alike_is_joined_and_says_how_much() -> None:
    found = cluster(at(0, 90, 10), cos(radians(20)))

    assert found.clusters == ((0, 2), (1,))
    assert [*found.least] == [pytest.approx(cos(radians(10))), None]
    assert found.closest == pytest.approx(cos(radians(10)))


def test_a_chain_of_neighbours_is_not_one() -> None:
    """Each is alike enough to the next, the ends are not."""
    found = cluster(at(0, 15, 30), cos(radians(20)))

    assert found.clusters == ((0, 1), (2,))


def test_the_nearest_two_are_joined_first() -> None:
    assert cluster(at(0, 15, 20), cos(radians(16))).clusters == ((0,), (1, 2))


def test_what_may_not_be_one_is_not_whatever_its_vectors() -> None:
    found = cluster(at(0, 0, 0), 0.5, lambda one, other: {one, other} != {0, 1})

    assert found.clusters == ((0, 2), (1,))
    assert cluster(at(0, 0), 0.5, lambda *_: False) == Likeness(
        ((0,), (1,)), (None, None), None
    )


def test_nothing_is_closest_where_there_is_one_text_or_none() -> None:
    assert cluster(at(0), 0.5) == Likeness(((0,),), (None,), None)
    assert cluster([], 0.5) == Likeness((), (), None)


_angles = st.lists(st.integers(0, 359).map(float), max_size=8)


@given(
    _angles,
    st.floats(0.01, 1.0),
    st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))),
)
def test_every_two_in_a_cluster_are_alike_and_nobody_is_lost(
    degrees: list[float], threshold: float, apart: set[tuple[int, int]]
) -> None:
    vectors = at(*degrees)
    found = cluster(vectors, threshold, lambda a, b: (a, b) not in apart)

    assert sorted(p for each in found.clusters for p in each) == [*range(len(vectors))]
    assert [*found.clusters] == sorted(found.clusters)
    for members, least in zip(found.clusters, found.least, strict=True):
        pairs = [(a, b) for a in members for b in members if a < b]
        assert all(pair not in apart for pair in pairs)
        alike = [cosine(vectors[a], vectors[b]) for a, b in pairs]
        assert least == (min(alike) if alike else None)
        assert all(each >= threshold for each in alike)
