"""JSON answers: equal by value, and voted on path by path where whole ones differ.

Key order and white space do not count, ``1`` and ``1.0`` are one number, ``true`` is
not ``1``. A path is written as in ``a.b[2].c``.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from actors.policy.compare.normalise import unfenced

Json = None | bool | int | float | str | list[object] | dict[str, object]

MAX_PATHS = 10_000
"""An object with more leaves than this is compared whole only."""


MAX_DEPTH = 100
"""Something nested deeper is no structure to us: each level costs stack."""


class Unreadable(ValueError):
    """Raised when a text is not one JSON object or array that can be compared."""


class PathVote(Struct, frozen=True):
    """What was decided for one path: ``share`` is the winner's part of the weight."""

    path: str
    share: float


def read_json(text: str) -> object:
    """The object or array that a text consists of, fenced or not.

    Raises:
        Unreadable: It is anything else; a bare number or string is no structure.
    """
    body = unfenced(text).strip()
    if body[:1] not in {"{", "["}:
        raise Unreadable("neither an object nor an array")
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:  # ValueError: a lone surrogate too
        raise Unreadable(str(error)) from error


def canonical(value: object) -> str:
    """A text that is the same for equal values and for no others.

    Raises:
        Unreadable: It is nested more than ``MAX_DEPTH`` deep.
    """
    return msgspec.json.encode(_plain_numbers(value), order="sorted").decode()


def vote_by_path(
    values: Sequence[object], weights: Sequence[float]
) -> tuple[object, list[PathVote]] | None:
    """One object from several, each leaf the one with the most weight behind it.

    Only for objects with the same shape at the top (all objects); an array is one leaf,
    for its elements have no names to be told apart by. A path that most weight lacks is
    left out.

    Returns:
        The merged object and what was decided where; ``None`` where it cannot be done.
    """
    if not values or not all(isinstance(value, dict) for value in values):
        return None
    leaves = [_leaves(value) for value in values]
    paths = list(dict.fromkeys(path for each in leaves for path in each))
    if len(paths) > MAX_PATHS:
        return None
    total = sum(weights)
    merged: dict[str, object] = {}
    votes: list[PathVote] = []
    for path in paths:
        chosen, weight = _leading(path, leaves, weights)
        votes.append(PathVote(_shown(path), weight / total if total > 0.0 else 0.0))
        if chosen is not None:
            _put(merged, path, chosen[0])
    return merged, votes


def _leading(
    path: tuple[str, ...],
    leaves: Sequence[Mapping[tuple[str, ...], object]],
    weights: Sequence[float],
) -> tuple[tuple[object] | None, float]:
    """The leaf with the most weight at a path, boxed, and its weight."""
    weight: dict[str | None, float] = {}
    boxed: dict[str | None, tuple[object] | None] = {}
    for each, own in zip(leaves, weights, strict=True):
        key = canonical(each[path]) if path in each else None
        weight[key] = weight.get(key, 0.0) + own
        boxed.setdefault(key, (each[path],) if path in each else None)
    best = max(weight, key=lambda key: weight[key])
    return boxed[best], weight[best]


def _leaves(value: object) -> dict[tuple[str, ...], object]:
    found: dict[tuple[str, ...], object] = {}
    waiting: list[tuple[tuple[str, ...], object]] = [((), value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, dict) and item:
            waiting.extend(((*path, key), item[key]) for key in reversed(item))
        else:
            found[path] = item
    return found


def _put(into: dict[str, object], path: tuple[str, ...], leaf: object) -> None:
    """Set a leaf. Winners never contradict each other's shape.

    Where something below a path has half of the weight, the path itself has a leaf for
    the other half at most; of halves the first seen wins at both.
    """
    place: dict[str, object] = into
    for key in path[:-1]:
        inner = place.setdefault(key, {})
        assert isinstance(inner, dict)
        place = inner
    if path:  # else an empty object: nothing to put
        place[path[-1]] = leaf


def _shown(path: tuple[str, ...]) -> str:
    return ".".join(path) or "(empty)"


def _plain_numbers(value: object, depth: int = 0) -> object:
    if depth > MAX_DEPTH:
        raise Unreadable(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        return {key: _plain_numbers(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item, depth + 1) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2.0**53:
        return int(value)
    return value
