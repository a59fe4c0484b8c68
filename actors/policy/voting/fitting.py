"""Fits ``JointWeights`` to labelled rounds, by maximum likelihood with L2 shrinkage.

The penalised likelihood is strictly concave. Weights of task types, pairs and lengths
are deviations shrunk harder than the members' own, so that few labels move little.
Last, ``anchoring`` looks whether they promise enough over the best member alone.
``Fitting.step`` does a slice of work of a few milliseconds, so that a loop may breathe.
"""

from collections.abc import Generator, Mapping, Sequence

from msgspec.structs import replace

from actors.policy.voting.anchoring import anchor
from actors.policy.voting.climbing import ITERATIONS, Climb, Work, finish
from actors.policy.voting.likelihood import (
    EVERYTHING,
    SHRINKAGE,
    Key,
    Likelihood,
    Round,
    Shrinkage,
    Terms,
)
from actors.policy.voting.weights import Anchor, JointWeights

MIN_LABELS = 50
"""With fewer labelled rounds prior accuracies are the better guess."""


class Fitting:
    """One fit in progress; it begins with the weights of ``start``, if there are any."""

    def __init__(
        self,
        rounds: Sequence[Round],
        *,
        terms: Terms = EVERYTHING,
        shrinkage: Shrinkage = SHRINKAGE,
        iterations: int = ITERATIONS,
        start: JointWeights | None = None,
        anchored: bool = True,
    ) -> None:
        self._likelihood = Likelihood(terms, shrinkage)
        self._start = {} if start is None else _flat(start)
        self._iterations = iterations
        self._labels = len(rounds)
        self._climb: Climb | None = None
        self._anchor: Anchor | None = None
        self._anchored = anchored
        self._work = self._all(rounds)
        self.done = not rounds

    def step(self) -> None:
        """A slice of the work; ``done`` says that there is no more."""
        try:
            next(self._work)
        except StopIteration:
            self.done = True

    def _all(self, rounds: Sequence[Round]) -> Work:
        likelihood, start = self._likelihood, self._start
        yield from likelihood.read(rounds)
        point = [start.get(key, 0.0) for key in likelihood.places]
        self._climb = Climb(likelihood.look, point)
        yield from self._climb.climb(self._iterations)
        if self._anchored:
            self._anchor = yield from anchor(rounds, self.weights())

    def weights(self) -> JointWeights:
        """As fitted so far."""
        point = [] if self._climb is None else self._climb.point
        found = dict(zip(self._likelihood.places, point, strict=False))
        return JointWeights(
            members=_named(found, "member"),
            pairs=_named(found, "pair"),
            by_type=_nested(found, "type"),
            none=found.get(("none", ""), 0.0),
            none_by_type=_named(found, "none_type"),
            lengths={
                name: replace(
                    scale,
                    slope=found.get(("length", name), 0.0),
                    bend=found.get(("bend", name), 0.0),
                )
                for name, scale in self._likelihood.scales.items()
            },
            lengths_by_type=_nested(found, "length_type"),
            anchor=self._anchor,
            labels=self._labels,
        )


def fit(
    rounds: Sequence[Round],
    *,
    terms: Terms = EVERYTHING,
    shrinkage: Shrinkage = SHRINKAGE,
    iterations: int = ITERATIONS,
) -> JointWeights:
    """Fit all at once; see ``fitted``."""
    return finish(
        fitted(rounds, terms=terms, shrinkage=shrinkage, iterations=iterations)
    )


def fitted(
    rounds: Sequence[Round],
    *,
    terms: Terms = EVERYTHING,
    shrinkage: Shrinkage = SHRINKAGE,
    iterations: int = ITERATIONS,
) -> Generator[None, None, JointWeights]:
    """Fit from nothing, in slices.

    Lengths come last: without them many rounds are alike, and soon looked at.
    """
    start: JointWeights | None = None
    measured = terms.lengths and any(each.lengths for each in rounds)
    for with_lengths in (False, True) if measured else (False,):
        fitting = Fitting(
            rounds,
            terms=replace(terms, lengths=with_lengths),
            shrinkage=shrinkage,
            iterations=iterations,
            start=start,
            anchored=with_lengths or not measured,
        )
        while not fitting.done:
            fitting.step()
            yield
        start = fitting.weights()
    assert start is not None
    return start


def _flat(weights: JointWeights) -> dict[Key, float]:
    """Back to how ``Likelihood`` names them."""
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


def _named(found: Mapping[Key, float], kind: str) -> dict[str, float]:
    return {name: weight for (what, name), weight in found.items() if what == kind}


def _nested(found: Mapping[Key, float], kind: str) -> dict[str, dict[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for (what, name), weight in found.items():
        if what == kind:
            task_type, _, member = name.partition("\n")
            nested.setdefault(task_type, {})[member] = weight
    return nested
