"""How good a model's answers are, from the scores that callers gave them.

For each model and task type a discounted Beta posterior: newer labels count more, every
further one takes ``DISCOUNT`` off all before it, so that about the last 200 count. The
prior is worth three labels with a mean of two thirds: somebody without labels is taken
for better than one known to be bad and for worse than one known to be good, and a
single label moves nobody far.

A task type that nobody has labels for has no qualities at all, and quality changes
nothing there. As soon as one candidate has one, the others stand at the prior's mean.
"""

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from actors.messages.ledger import Label
from actors.messages.routing import Target

DISCOUNT = 0.995
PRIOR_GOOD = 2.0
PRIOR_BAD = 1.0
PRIOR_MEAN = PRIOR_GOOD / (PRIOR_GOOD + PRIOR_BAD)

ENOUGH = 1500
"""Labels before the newest so many weigh less than a thousandth of one, together."""


class Quality(Struct, frozen=True, gc=False):
    """A posterior: ``good`` and ``bad`` are Beta's parameters, the prior included.

    ``labels`` is how many there are, undiscounted.
    """

    good: float
    bad: float
    labels: int

    @property
    def mean(self) -> float:
        """Expected score of the next answer, in (0, 1)."""
        return self.good / (self.good + self.bad)


def quality_of(scores: Iterable[float]) -> Quality:
    """The posterior after these scores in [0, 1], the oldest first."""
    good = bad = 0.0
    labels = 0
    for score in scores:
        good = good * DISCOUNT + score
        bad = bad * DISCOUNT + 1.0 - score
        labels += 1
    return Quality(PRIOR_GOOD + good, PRIOR_BAD + bad, labels)


_Known = dict[Target, Quality]


class QualityBook:
    """What is known of everybody. Pretended answers say nothing about real ones."""

    __slots__ = ("_real", "_simulated")

    def __init__(self, labels: Iterable[Label] = ()) -> None:
        self._real: dict[str | None, _Known] = {}
        self._simulated: dict[str | None, _Known] = {}
        scores: dict[tuple[bool, str | None, Target], list[float]] = {}
        for label in sorted(labels, key=lambda each: each.at):
            key = label.simulated, label.task_type, target_of(label)
            scores.setdefault(key, []).append(label.score)
        for (simulated, task_type, target), found in scores.items():
            self._pages(simulated=simulated).setdefault(task_type, {})[target] = (
                quality_of(found)
            )

    def learn(self, label: Label, scores: Iterable[float]) -> Quality:
        """All scores of the label's model and task type now, the oldest first."""
        quality = quality_of(scores)
        page = self._pages(simulated=label.simulated).setdefault(label.task_type, {})
        page[target_of(label)] = quality
        return quality

    def unlearn(self, label: Label, scores: Iterable[float]) -> None:
        """That label was moved elsewhere; these are left."""
        quality = quality_of(scores)
        page = self._pages(simulated=label.simulated).get(label.task_type, {})
        if quality.labels:
            page[target_of(label)] = quality
        else:
            page.pop(target_of(label), None)

    @property
    def empty(self) -> bool:
        """Nobody ever gave a label."""
        return not self._real and not self._simulated

    def of(
        self,
        task_type: str | None,
        targets: Collection[Target],
        simulated: Collection[str] = (),
    ) -> Mapping[Target, float]:
        """The mean quality of each target; nothing at all where nobody has labels.

        Args:
            task_type: Of the request.
            targets: The candidates.
            simulated: Names of the providers that are pretended ones.
        """
        real = self._real.get(task_type, {})
        pretended = self._simulated.get(task_type, {})
        means: dict[Target, float] = {}
        known = False
        for target in targets:
            page = pretended if target.provider in simulated else real
            quality = page.get(target)
            known = known or quality is not None
            means[target] = PRIOR_MEAN if quality is None else quality.mean
        return means if known else {}

    def rows(self) -> Iterable[tuple[Target, str | None, bool, Quality]]:
        """Everything known: target, task type, whether pretended, quality."""
        for simulated in (False, True):
            for task_type, page in self._pages(simulated=simulated).items():
                for target, quality in page.items():
                    yield target, task_type, simulated, quality

    def _pages(self, *, simulated: bool) -> dict[str | None, _Known]:
        return self._simulated if simulated else self._real


def target_of(label: Label) -> Target:
    return Target(label.provider, label.model)
