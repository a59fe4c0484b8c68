"""Texts put together by how their vectors lie, where no other rule did.

Everybody in a cluster is as like everybody else in it as the threshold wants (complete
linkage): chains of neighbours do not make two texts one. Which of them is the good one is
not asked here, and never is it the one in the middle.
"""

import struct
from collections.abc import Callable, Sequence
from math import sqrt

from msgspec import Struct


class Likeness(Struct, frozen=True):
    """Clusters of places, in order of first appearance.

    ``least`` is of each cluster the least similarity of two of its members, ``None``
    for one that stands alone. ``closest`` is the highest of any two texts that might
    have been joined; ``None`` where there are none.
    """

    clusters: tuple[tuple[int, ...], ...]
    least: tuple[float | None, ...]
    closest: float | None


def cosine(one: bytes, other: bytes) -> float:
    """The cosine of two vectors of little-endian doubles; 0.0 where one has no length.

    Raises:
        ValueError: They are not equally long.
    """
    first, second = _floats(one), _floats(other)
    dot = sum(a * b for a, b in zip(first, second, strict=True))
    lengths = sqrt(sum(a * a for a in first)) * sqrt(sum(b * b for b in second))
    return max(-1.0, min(1.0, dot / lengths)) if lengths > 0.0 else 0.0


def cluster(
    vectors: Sequence[bytes],
    threshold: float,
    may_join: Callable[[int, int], bool] = lambda _one, _other: True,
) -> Likeness:
    """Put together what is alike.

    Args:
        vectors: One a text.
        threshold: The least cosine of any two in one cluster.
        may_join: Whether two places may be one at all, whatever their vectors.
    """
    pairs = {
        (one, other): cosine(vectors[one], vectors[other])
        for one in range(len(vectors))
        for other in range(one + 1, len(vectors))
        if may_join(one, other)
    }
    clusters: list[list[int]] = [[place] for place in range(len(vectors))]
    while (found := _nearest(clusters, pairs, threshold)) is not None:
        one, other = found
        clusters[one] = sorted(clusters[one] + clusters.pop(other))
    return Likeness(
        tuple(map(tuple, clusters)),
        tuple(
            _least(members, members, pairs) if len(members) > 1 else None
            for members in clusters
        ),
        max(pairs.values(), default=None),
    )


_Pairs = dict[tuple[int, int], float]


def _nearest(
    clusters: Sequence[Sequence[int]], pairs: _Pairs, threshold: float
) -> tuple[int, int] | None:
    """The two clusters that are most alike, if they are alike enough."""
    best, found = threshold, None
    for one in range(len(clusters)):
        for other in range(one + 1, len(clusters)):
            alike = _least(clusters[one], clusters[other], pairs)
            if alike > best or (alike == best and found is None):
                best, found = alike, (one, other)
    return found


def _least(one: Sequence[int], other: Sequence[int], pairs: _Pairs) -> float:
    return min(
        pairs.get((min(a, b), max(a, b)), -2.0) for a in one for b in other if a != b
    )


def _floats(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 8}d", vector)
