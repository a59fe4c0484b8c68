"""How well weights explain labelled rounds: the penalised likelihood, and its slope.

Groups of the same members in the same type of task are added up once for all rounds,
and plain rounds (of no lengths, of one right place) with the same groups count once
with their number. Everything is done in slices of
a few milliseconds, however many rounds and members there are.
"""

from collections.abc import Callable, Generator, Sequence
from itertools import combinations
from math import exp, log
from operator import itemgetter
from statistics import fmean, pstdev

from msgspec import Struct

from actors.policy.voting.climbing import Looked, Vector, Work, dot
from actors.policy.voting.weights import LengthWeight, pair_key

SMALLEST = 1e-300
"""A probability no smaller than this is taken the logarithm of."""

SLICE = 6000
"""Terms of scores that are looked at in one go: some 2 ms."""


class Round(Struct, frozen=True):
    """One labelled round: groups of members by name, and which group was right.

    ``right`` is ``None`` when none of them was. Where it is only known that some were
    not, ``wrong`` names those, and ``right`` says nothing. ``lengths`` are those of the
    answers by ``length_of``, where they are known. ``everybody`` are all who answered,
    sorted, if all were asked whatever the others said; otherwise it is empty.
    """

    groups: tuple[tuple[str, ...], ...]
    right: int | None
    task_type: str = ""
    wrong: tuple[int, ...] = ()
    lengths: dict[str, float] = {}
    everybody: tuple[str, ...] = ()

    def possible(self) -> tuple[int, ...]:
        """Places that may be the right one; the one past the last is "none of them"."""
        places = range(len(self.groups) + 1)
        if self.wrong:
            return tuple(place for place in places if place not in self.wrong)
        return (len(self.groups) if self.right is None else self.right,)

    def place_of(self, member: str) -> int | None:
        """The group of a member; ``None`` when it is in none."""
        places = (n for n, group in enumerate(self.groups) if member in group)
        return next(places, None)


class Shrinkage(Struct, frozen=True):
    """L2 strengths, in labels: how many agreeing rounds it takes to be believed."""

    member: float = 2.0
    by_type: float = 15.0
    pair: float = 12.0
    length: float = 5.0
    length_by_type: float = 20.0


class Terms(Struct, frozen=True):
    """Which weights there are; those of members and of "none" always."""

    pairs: bool = True
    by_type: bool = True
    lengths: bool = True


EVERYTHING = Terms()
SHRINKAGE = Shrinkage()

Key = tuple[str, str]
"""What a weight is about, and its member, pair or type."""

_Scaled = tuple[tuple[int, int, float], ...]
"""A group's number, the place of a weight, and how many times it counts."""

_Example = tuple[tuple[int, ...], _Scaled, tuple[int, ...]]
"""The numbers of its groups among all, what is scaled, which may be right."""


class Likelihood:
    """Of all rounds; ``places`` says which weight is where in a vector."""

    def __init__(self, terms: Terms, shrinkage: Shrinkage) -> None:
        self._terms, self._shrinkage = terms, shrinkage
        self.places: dict[Key, int] = {("", ""): 0}  # always 0, so that none is alone
        self.scales: dict[str, LengthWeight] = {}
        self._strengths: Vector = [1.0]
        self._numbers: dict[tuple[str, tuple[str, ...] | None], int] = {}
        self._groups: list[tuple[int, ...]] = []
        self._adders: list[Callable[[Vector], Sequence[float]]] = []
        self._plain: list[tuple[tuple[int, ...], int]] = []
        self._right = Vector()  # how often each group was, of plain rounds
        self._special: list[tuple[_Example, int, int]] = []

    # ---- looking

    def look(self, weights: Vector) -> Looked:
        """Penalised negative log-likelihood, and its slope.

        With powers of e of all groups' scores at hand a plain round is a sum of them,
        and what is right of all plain rounds together is linear in the scores.
        """
        slope = [s * w for s, w in zip(self._strengths, weights, strict=True)]
        loss = 0.5 * dot(slope, weights)
        scores = yield from self._scores(weights)
        highest = max(scores)
        powers = [exp(score - highest) for score in scores]
        shares = [0.0] * len(scores)
        for start in range(0, len(self._plain), SLICE // 5):
            for numbers, count in self._plain[start : start + SLICE // 5]:
                total = sum([powers[number] for number in numbers])
                total = max(total, SMALLEST)
                loss += count * (log(total) + highest)
                share = count / total
                for number in numbers:
                    shares[number] += share
            yield
        loss -= dot(self._right, scores)
        errors = [
            share * power - right
            for share, power, right in zip(shares, powers, self._right, strict=True)
        ]
        loss += yield from self._look_closely(scores, weights, errors, slope)
        yield from self._spread(errors, slope)
        return loss, slope

    def _scores(self, weights: Vector) -> Generator[None, None, Vector]:
        """Of every group, by what does not depend on a round."""
        scores = Vector()
        for start in range(0, len(self._adders), SLICE // 10):
            part = self._adders[start : start + SLICE // 10]
            scores += [sum(adder(weights)) for adder in part]
            yield
        return scores

    def _look_closely(
        self, bases: Vector, weights: Vector, errors: Vector, slope: Vector
    ) -> Generator[None, None, float]:
        """The loss of rounds that are not plain; adds to ``errors`` and ``slope``."""
        loss, seen = 0.0, 0
        for (numbers, scaled, possible), count, terms in self._special:
            scores = [bases[number] for number in numbers]
            for place, weight, times in scaled:
                scores[place] += weights[weight] * times
            highest = max(scores)
            powers = [exp(score - highest) for score in scores]
            total = sum(powers)
            known = max(sum([powers[place] for place in possible]), SMALLEST)
            loss += count * log(total / known)
            wrong = [count * power / total for power in powers]
            for place in possible:
                wrong[place] -= count * powers[place] / known
            for number, error in zip(numbers, wrong, strict=True):
                errors[number] += error
            for place, weight, times in scaled:
                slope[weight] += wrong[place] * times
            seen += terms
            if seen > SLICE:
                seen = 0
                yield
        return loss

    def _spread(self, errors: Vector, slope: Vector) -> Work:
        """Each group's error is that of all weights it is the sum of."""
        seen = 0
        for weights, error in zip(self._groups, errors, strict=True):
            for weight in weights:
                slope[weight] += error
            seen += len(weights)
            if seen > 4 * SLICE:
                seen = 0
                yield

    # ---- reading

    def read(self, rounds: Sequence[Round]) -> Work:
        if self._terms.lengths:
            yield from self._measure(rounds)
        seen = 0
        plain: dict[tuple[int, ...], int] = {}
        special: dict[_Example, int] = {}
        rights: dict[int, int] = {}
        for each in rounds:
            example = self._example(each)
            numbers, scaled, possible = example
            if scaled or len(possible) > 1:
                special[example] = special.get(example, 0) + 1
            else:
                plain[numbers] = plain.get(numbers, 0) + 1
                right = numbers[possible[0]]
                rights[right] = rights.get(right, 0) + 1
            seen += 4 * _terms(example)
            if seen > SLICE:
                seen = 0
                yield
        self._plain = list(plain.items())
        self._special = [(each, n, _terms(each)) for each, n in special.items()]
        self._right = [float(rights.get(n, 0)) for n in range(len(self._groups))]
        yield

    def _measure(self, rounds: Sequence[Round]) -> Work:
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
                self.scales[name] = LengthWeight(fmean(lengths), spread)

    def _example(self, each: Round) -> _Example:
        numbers = [self._group(group, each.task_type) for group in each.groups]
        numbers.append(self._group(None, each.task_type))
        scaled: list[tuple[int, int, float]] = []
        if self.scales and each.lengths:
            for place, group in enumerate(each.groups):
                for name in group:
                    scaled += self._by_length(place, name, each)
        return tuple(numbers), tuple(scaled), each.possible()

    def _group(self, group: tuple[str, ...] | None, task_type: str) -> int:
        """Its number among all; ``None`` is that none of a round's is right."""
        task_type = task_type if self._terms.by_type else ""
        number = self._numbers.setdefault((task_type, group), len(self._numbers))
        if number == len(self._groups):
            weights = self._none(task_type) if group is None else ()
            if group is not None:
                weights = self._features(sorted(group), task_type)
            self._groups.append(weights)
            self._adders.append(itemgetter(0, *weights, 0))
        return number

    def _none(self, task_type: str) -> tuple[int, ...]:
        places = [self._place("none", "", self._shrinkage.member)]
        if task_type:
            places.append(self._place("none_type", task_type, self._shrinkage.by_type))
        return tuple(places)

    def _features(self, names: Sequence[str], task_type: str) -> tuple[int, ...]:
        shrinkage = self._shrinkage
        places = [self._place("member", name, shrinkage.member) for name in names]
        if task_type:
            places += [
                self._place("type", f"{task_type}\n{name}", shrinkage.by_type)
                for name in names
            ]
        if self._terms.pairs:
            places += [
                self._place("pair", pair_key(one, other), shrinkage.pair)
                for one, other in combinations(names, 2)
            ]
        return tuple(places)

    def _by_length(self, place: int, name: str, each: Round) -> _Scaled:
        scale, length = self.scales.get(name), each.lengths.get(name)
        if scale is None or length is None:
            return ()
        shrinkage = self._shrinkage
        far = scale.distance(length)
        found = [
            (place, self._place("length", name, shrinkage.length), far),
            (place, self._place("bend", name, shrinkage.length), far**2 - 1.0),
        ]
        if self._terms.by_type and each.task_type:
            key = f"{each.task_type}\n{name}"
            typed = self._place("length_type", key, shrinkage.length_by_type)
            found.append((place, typed, far))
        return tuple(found)

    def _place(self, what: str, name: str, strength: float) -> int:
        place = self.places.setdefault((what, name), len(self._strengths))
        if place == len(self._strengths):
            self._strengths.append(strength)
        return place


def _terms(example: _Example) -> int:
    """How much work a round is."""
    numbers, scaled, _ = example
    return 3 * len(numbers) + 2 * len(scaled) + 4
