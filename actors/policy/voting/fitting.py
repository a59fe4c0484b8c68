"""Fits ``JointWeights`` to labelled rounds, by maximum likelihood with L2 shrinkage.

The penalised likelihood is strictly concave and is climbed by L-BFGS (Nocedal and
Wright, algorithm 7.5, with backtracking). Rounds that are alike count once with their
number. Weights of task types and pairs are deviations shrunk harder than the members'
own, so that few labels move little. ``Fitting.step`` does one iteration at a time, so
that a caller may breathe between them: about 20 ms for 6,000 rounds of four members.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import combinations
from math import exp, log

from msgspec import Struct

from actors.policy.voting.weights import JointWeights, pair_key

MIN_LABELS = 50
"""With fewer labelled rounds prior accuracies are the better guess."""

ITERATIONS = 40
TOLERANCE = 1e-6
"""Relative gain of an iteration below which the top is reached."""

SMALLEST = 1e-300
"""A probability no smaller than this is taken the logarithm of."""

_MEMORY = 6
_BACKTRACKS = 20


class Round(Struct, frozen=True):
    """One labelled round: groups of members by name, and which group was right.

    ``right`` is ``None`` when none of them was. Where it is only known that some were
    not, ``wrong`` names those, and ``right`` says nothing.
    """

    groups: tuple[tuple[str, ...], ...]
    right: int | None
    task_type: str = ""
    wrong: tuple[int, ...] = ()

    def possible(self) -> tuple[int, ...]:
        """Places that may be the right one; the one past the last is "none of them"."""
        places = range(len(self.groups) + 1)
        if self.wrong:
            return tuple(place for place in places if place not in self.wrong)
        return (len(self.groups) if self.right is None else self.right,)


class Shrinkage(Struct, frozen=True):
    """L2 strengths, in labels: how many agreeing rounds it takes to be believed."""

    member: float = 2.0
    by_type: float = 15.0
    pair: float = 12.0


_Vector = list[float]
_Example = tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]


class Fitting:
    """One fit in progress."""

    def __init__(
        self,
        rounds: Sequence[Round],
        *,
        pairs: bool = True,
        by_type: bool = True,
        shrinkage: Shrinkage | None = None,
    ) -> None:
        self._shrinkage = shrinkage or Shrinkage()
        self._pairs, self._by_type = pairs, by_type
        self._places: dict[tuple[str, str], int] = {}
        self._strengths: _Vector = []
        counts: dict[_Example, int] = {}
        for each in rounds:
            example = self._example(each)
            counts[example] = counts.get(example, 0) + 1
        self._examples = [(*example, number) for example, number in counts.items()]
        self._labels = len(rounds)
        self._weights: _Vector = [0.0] * len(self._strengths)
        self._history: deque[tuple[_Vector, _Vector, float]] = deque(maxlen=_MEMORY)
        self._loss, self._slope = self._evaluate(self._weights)
        self.done = not rounds

    def step(self) -> None:
        """One iteration; ``done`` says when another gains nothing."""
        direction = self._direction()
        descent = _dot(direction, self._slope)
        if descent >= 0.0:
            self.done = True
            return
        size = (
            1.0 if self._history else 1.0 / max(1.0, _dot(direction, direction) ** 0.5)
        )
        for _ in range(_BACKTRACKS):
            moved = [
                w + size * d for w, d in zip(self._weights, direction, strict=True)
            ]
            loss, slope = self._evaluate(moved)
            if loss <= self._loss + 1e-4 * size * descent:
                self._move(moved, loss, slope)
                return
            size *= 0.5
        self.done = True

    def weights(self) -> JointWeights:
        """As fitted so far."""
        found = {key: self._weights[place] for key, place in self._places.items()}
        return JointWeights(
            members={name: w for (what, name), w in found.items() if what == "member"},
            pairs={name: w for (what, name), w in found.items() if what == "pair"},
            by_type=_nested(found),
            none=found.get(("none", ""), 0.0),
            none_by_type={
                n: w for (what, n), w in found.items() if what == "none_type"
            },
            labels=self._labels,
        )

    def _move(self, moved: _Vector, loss: float, slope: _Vector) -> None:
        step = [new - old for new, old in zip(moved, self._weights, strict=True)]
        change = [new - old for new, old in zip(slope, self._slope, strict=True)]
        curvature = _dot(step, change)
        if curvature > 0.0:
            self._history.append((step, change, curvature))
        self.done = self._loss - loss <= TOLERANCE * abs(loss)
        self._weights, self._loss, self._slope = moved, loss, slope

    def _direction(self) -> _Vector:
        """Minus the slope, bent by the curvature of the last iterations."""
        direction = [-value for value in self._slope]
        shares = []
        for step, change, curvature in reversed(self._history):
            share = _dot(step, direction) / curvature
            shares.append(share)
            direction = _plus(direction, -share, change)
        if self._history:
            _, change, curvature = self._history[-1]
            scale = curvature / _dot(change, change)
            direction = [scale * value for value in direction]
        for (step, change, curvature), share in zip(
            self._history, reversed(shares), strict=True
        ):
            back = _dot(change, direction) / curvature
            direction = _plus(direction, share - back, step)
        return direction

    def _evaluate(self, weights: _Vector) -> tuple[float, _Vector]:
        """Penalised negative log-likelihood, and its slope."""
        slope = [s * w for s, w in zip(self._strengths, weights, strict=True)]
        loss = 0.5 * _dot(slope, weights)
        for groups, possible, count in self._examples:
            scores = [sum([weights[place] for place in group]) for group in groups]
            highest = max(scores)
            powers = [exp(score - highest) for score in scores]
            total = sum(powers)
            known = sum([powers[number] for number in possible])
            loss -= count * log(max(known / total, SMALLEST))
            for number, group in enumerate(groups):
                share = powers[number] / known if number in possible and known else 0.0
                error = count * (powers[number] / total - share)
                for place in group:
                    slope[place] += error
        return loss, slope

    def _example(self, each: Round) -> _Example:
        shrinkage = self._shrinkage
        groups = [self._features(group, each.task_type) for group in each.groups]
        none = [self._place("none", "", shrinkage.member)]
        if self._by_type and each.task_type:
            none.append(self._place("none_type", each.task_type, shrinkage.by_type))
        return (*groups, tuple(none)), each.possible()

    def _features(self, group: Iterable[str], task_type: str) -> tuple[int, ...]:
        shrinkage, names = self._shrinkage, sorted(group)
        places = [self._place("member", name, shrinkage.member) for name in names]
        if self._by_type and task_type:
            places += [
                self._place("type", f"{task_type}\n{name}", shrinkage.by_type)
                for name in names
            ]
        if self._pairs:
            places += [
                self._place("pair", pair_key(one, other), shrinkage.pair)
                for one, other in combinations(names, 2)
            ]
        return tuple(places)

    def _place(self, what: str, name: str, strength: float) -> int:
        place = self._places.setdefault((what, name), len(self._strengths))
        if place == len(self._strengths):
            self._strengths.append(strength)
        return place


def fit(
    rounds: Sequence[Round],
    *,
    pairs: bool = True,
    by_type: bool = True,
    shrinkage: Shrinkage | None = None,
    iterations: int = ITERATIONS,
) -> JointWeights:
    """Fit all at once; see ``Fitting`` for one iteration at a time."""
    fitting = Fitting(rounds, pairs=pairs, by_type=by_type, shrinkage=shrinkage)
    for _ in range(iterations):
        if fitting.done:
            break
        fitting.step()
    return fitting.weights()


def _nested(found: dict[tuple[str, str], float]) -> dict[str, dict[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for (what, name), weight in found.items():
        if what == "type":
            task_type, _, member = name.partition("\n")
            nested.setdefault(task_type, {})[member] = weight
    return nested


def _dot(one: _Vector, other: _Vector) -> float:
    return sum([a * b for a, b in zip(one, other, strict=True)])


def _plus(one: _Vector, factor: float, other: _Vector) -> _Vector:
    return [a + factor * b for a, b in zip(one, other, strict=True)]
