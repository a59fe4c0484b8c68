"""Fits ``JointWeights`` to labelled rounds, by maximum likelihood with L2 shrinkage.

The penalised likelihood is strictly concave and is climbed by L-BFGS (Nocedal and
Wright, algorithm 7.5, with backtracking). Rounds that are alike count once with their
number. Weights of task types and pairs are deviations shrunk harder than the members'
own, so that few labels move little. ``Fitting.step`` does a slice of work of a few
milliseconds, however many rounds and members there are, so that a loop may breathe.
"""

from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import combinations
from math import exp, log
from statistics import fmean, pstdev

from msgspec import Struct
from msgspec.structs import replace

from actors.policy.voting.weights import (
    JointWeights,
    LengthWeight,
    pair_key,
)

MIN_LABELS = 50
"""With fewer labelled rounds prior accuracies are the better guess."""

ITERATIONS = 40
TOLERANCE = 1e-6
"""Relative gain of an iteration below which the top is reached."""

SMALLEST = 1e-300
"""A probability no smaller than this is taken the logarithm of."""

SLICE = 6000
"""Terms of scores that one step looks at: some 2 ms."""

_MEMORY = 6
_BACKTRACKS = 20


class Round(Struct, frozen=True):
    """One labelled round: groups of members by name, and which group was right.

    ``right`` is ``None`` when none of them was. Where it is only known that some were
    not, ``wrong`` names those, and ``right`` says nothing. ``lengths`` are those of the
    answers by ``length_of``, where they are known.
    """

    groups: tuple[tuple[str, ...], ...]
    right: int | None
    task_type: str = ""
    wrong: tuple[int, ...] = ()
    lengths: dict[str, float] = {}

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
    length: float = 5.0
    length_by_type: float = 20.0


_Vector = list[float]
_Key = tuple[str, str]
_Scaled = tuple[tuple[int, float], ...]
_Group = tuple[tuple[int, ...], _Scaled]
"""Places of weights that count once, and of those that count so many times."""

_Example = tuple[tuple[_Group, ...], tuple[int, ...]]
_Work = Generator[None, None, None]


class Fitting:
    """One fit in progress; it begins with the weights of ``start``, if there are any."""

    def __init__(
        self,
        rounds: Sequence[Round],
        *,
        pairs: bool = True,
        by_type: bool = True,
        lengths: bool = True,
        shrinkage: Shrinkage | None = None,
        iterations: int = ITERATIONS,
        start: JointWeights | None = None,
    ) -> None:
        self._shrinkage = shrinkage or Shrinkage()
        self._pairs, self._by_type, self._lengths = pairs, by_type, lengths
        self._iterations = iterations
        self._start = {} if start is None else _flat(start)
        self._places: dict[_Key, int] = {}
        self._strengths: _Vector = []
        self._scales: dict[str, LengthWeight] = {}
        self._examples: list[tuple[tuple[_Group, ...], tuple[int, ...], int, int]] = []
        self._labels = len(rounds)
        self._weights: _Vector = []
        self._history: deque[tuple[_Vector, _Vector, float]] = deque(maxlen=_MEMORY)
        self._loss, self._slope = 0.0, _Vector()
        self._work = self._climb(rounds)
        self.done = not rounds

    def step(self) -> None:
        """A slice of the work; ``done`` says that there is no more."""
        try:
            next(self._work)
        except StopIteration:
            self.done = True

    def _climb(self, rounds: Sequence[Round]) -> _Work:
        yield from self._read(rounds)
        start = self._start
        self._weights = [start.get(key, 0.0) for key in self._places]
        self._loss, self._slope = yield from self._evaluate(self._weights)
        for _ in range(self._iterations):
            if (yield from self._iterate()):
                return

    def _iterate(self) -> Generator[None, None, bool]:
        """Returns whether another iteration gains nothing."""
        direction = self._direction()
        descent = _dot(direction, self._slope)
        if descent >= 0.0:
            return True
        size = (
            1.0 if self._history else 1.0 / max(1.0, _dot(direction, direction) ** 0.5)
        )
        for _ in range(_BACKTRACKS):
            yield
            moved = [
                w + size * d for w, d in zip(self._weights, direction, strict=True)
            ]
            loss, slope = yield from self._evaluate(moved)
            if loss <= self._loss + 1e-4 * size * descent:
                return self._move(moved, loss, slope)
            size *= 0.5
        return True

    def weights(self) -> JointWeights:
        """As fitted so far."""
        found = dict(zip(self._places, self._weights, strict=False))
        return JointWeights(
            members={name: w for (what, name), w in found.items() if what == "member"},
            pairs={name: w for (what, name), w in found.items() if what == "pair"},
            by_type=_nested(found, "type"),
            none=found.get(("none", ""), 0.0),
            none_by_type={
                n: w for (what, n), w in found.items() if what == "none_type"
            },
            lengths={
                name: replace(
                    scale,
                    slope=found.get(("length", name), 0.0),
                    bend=found.get(("bend", name), 0.0),
                )
                for name, scale in self._scales.items()
            },
            lengths_by_type=_nested(found, "length_type"),
            labels=self._labels,
        )

    def _move(self, moved: _Vector, loss: float, slope: _Vector) -> bool:
        step = [new - old for new, old in zip(moved, self._weights, strict=True)]
        change = [new - old for new, old in zip(slope, self._slope, strict=True)]
        curvature = _dot(step, change)
        if curvature > 0.0:
            self._history.append((step, change, curvature))
        over = self._loss - loss <= TOLERANCE * abs(loss)
        self._weights, self._loss, self._slope = moved, loss, slope
        return over

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

    def _evaluate(
        self, weights: _Vector
    ) -> Generator[None, None, tuple[float, _Vector]]:
        """Penalised negative log-likelihood, and its slope."""
        slope = [s * w for s, w in zip(self._strengths, weights, strict=True)]
        loss = 0.5 * _dot(slope, weights)
        looked_at = 0
        for groups, possible, count, terms in self._examples:
            scores = [_score(group, weights) for group in groups]
            highest = max(scores)
            powers = [exp(score - highest) for score in scores]
            total = sum(powers)
            known = sum([powers[number] for number in possible])
            loss -= count * log(max(known / total, SMALLEST))
            for number, (once, scaled) in enumerate(groups):
                share = powers[number] / known if number in possible and known else 0.0
                error = count * (powers[number] / total - share)
                for place in once:
                    slope[place] += error
                for place, times in scaled:
                    slope[place] += error * times
            looked_at += terms
            if looked_at > SLICE:
                looked_at = 0
                yield
        return loss, slope

    # ---- reading rounds

    def _read(self, rounds: Sequence[Round]) -> _Work:
        """Rounds that are alike count once with their number."""
        if self._lengths:
            yield from self._measure(rounds)
        counts: dict[_Example, int] = {}
        looked_at = 0
        for each in rounds:
            example = self._example(each)
            counts[example] = counts.get(example, 0) + 1
            looked_at += 2 * _terms(example)
            if looked_at > SLICE:
                looked_at = 0
                yield
        for example, number in counts.items():
            self._examples.append((*example, number, _terms(example)))
        yield

    def _measure(self, rounds: Sequence[Round]) -> _Work:
        """How long each member's answers usually are."""
        found: dict[str, list[float]] = {}
        for number, each in enumerate(rounds):
            for name, length in each.lengths.items():
                found.setdefault(name, []).append(length)
            if number % 1000 == 0:
                yield
        for name, lengths in found.items():
            yield
            spread = pstdev(lengths)
            if spread > 0.0:
                self._scales[name] = LengthWeight(fmean(lengths), spread)

    def _example(self, each: Round) -> _Example:
        shrinkage = self._shrinkage
        groups = [self._features(group, each) for group in each.groups]
        none = [self._place("none", "", shrinkage.member)]
        if self._by_type and each.task_type:
            none.append(self._place("none_type", each.task_type, shrinkage.by_type))
        return (*groups, (tuple(none), ())), each.possible()

    def _features(self, group: Iterable[str], each: Round) -> _Group:
        shrinkage, names, task_type = self._shrinkage, sorted(group), each.task_type
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
        scaled = [
            each_one
            for name in names
            for each_one in self._by_length(name, task_type, each.lengths)
        ]
        return tuple(places), tuple(scaled)

    def _by_length(
        self, name: str, task_type: str, lengths: Mapping[str, float]
    ) -> _Scaled:
        scale, length = self._scales.get(name), lengths.get(name)
        if scale is None or length is None:
            return ()
        shrinkage = self._shrinkage
        far = scale.distance(length)
        found = [
            (self._place("length", name, shrinkage.length), far),
            (self._place("bend", name, shrinkage.length), far**2 - 1.0),
        ]
        if self._by_type and task_type:
            key = f"{task_type}\n{name}"
            place = self._place("length_type", key, shrinkage.length_by_type)
            found.append((place, far))
        return tuple(found)

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
    lengths: bool = True,
    shrinkage: Shrinkage | None = None,
    iterations: int = ITERATIONS,
) -> JointWeights:
    """Fit all at once; see ``Fitting`` for a slice at a time.

    Lengths come last: without them many rounds are alike, and soon looked at.
    """
    start: JointWeights | None = None
    measured = lengths and any(each.lengths for each in rounds)
    for with_lengths in (False, True) if measured else (False,):
        fitting = Fitting(
            rounds,
            pairs=pairs,
            by_type=by_type,
            lengths=with_lengths,
            shrinkage=shrinkage,
            iterations=iterations,
            start=start,
        )
        while not fitting.done:
            fitting.step()
        start = fitting.weights()
    assert start is not None
    return start


def _score(group: _Group, weights: _Vector) -> float:
    once, scaled = group
    score = sum([weights[place] for place in once])
    if scaled:
        score += sum([weights[place] * times for place, times in scaled])
    return score


def _terms(example: _Example) -> int:
    groups, _ = example
    return sum(len(once) + 2 * len(scaled) for once, scaled in groups) + 4


def _flat(weights: JointWeights) -> dict[_Key, float]:
    """Back to how ``Fitting`` names them."""
    flat = {("member", name): w for name, w in weights.members.items()}
    flat |= {("pair", name): w for name, w in weights.pairs.items()}
    for what, nested in (
        ("type", weights.by_type),
        ("length_type", weights.lengths_by_type),
    ):
        for task_type, found in nested.items():
            flat |= {(what, f"{task_type}\n{name}"): w for name, w in found.items()}
    flat["none", ""] = weights.none
    flat |= {("none_type", name): w for name, w in weights.none_by_type.items()}
    for name, length in weights.lengths.items():
        flat["length", name] = length.slope
        flat["bend", name] = length.bend
    return flat


def _nested(found: Mapping[_Key, float], kind: str) -> dict[str, dict[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for (what, name), weight in found.items():
        if what == kind:
            task_type, _, member = name.partition("\n")
            nested.setdefault(task_type, {})[member] = weight
    return nested


def _dot(one: _Vector, other: _Vector) -> float:
    return sum([a * b for a, b in zip(one, other, strict=True)])


def _plus(one: _Vector, factor: float, other: _Vector) -> _Vector:
    return [a + factor * b for a, b in zip(one, other, strict=True)]
