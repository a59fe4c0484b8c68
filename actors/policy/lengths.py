"""How long answers are, learned per task type and model.

The expected length of a task type's answers is the discounted mean of those seen, drawn
towards ``DEFAULT_TOKENS`` as if that had been seen ``PRIOR_ANSWERS`` times before; that
of one model for this task type is drawn towards the task type's, and harder, so that a
few answers do not make a model look terse beside one that nobody has asked yet. In output tokens, reasoning included. O(1) per answer; bounded.
"""

from collections import OrderedDict
from collections.abc import Mapping

from actors.messages.routing import Target

DEFAULT_TOKENS = 256
PRIOR_ANSWERS = 5.0
PRIOR_ANSWERS_OF_MODEL = 20.0
DISCOUNT = 0.98
"""What an answer counts less with each newer one: the last 50 or so decide."""

KEPT_TASKS = 256
KEPT_MODELS = 256


class _Mean:
    """A discounted mean that begins at a prior."""

    __slots__ = ("total", "weight")

    def __init__(self) -> None:
        self.total = self.weight = 0.0

    def add(self, value: float) -> None:
        self.total = self.total * DISCOUNT + value
        self.weight = self.weight * DISCOUNT + 1.0

    def drawn_to(self, prior: float, weight: float) -> float:
        return (prior * weight + self.total) / (weight + self.weight)


class _Task:
    __slots__ = ("known", "mean", "models")

    def __init__(self) -> None:
        self.mean = _Mean()
        self.models: dict[Target, _Mean] = {}
        self.known: dict[Target, int] = {}


class OutputLengths:
    """See the module."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, _Task] = OrderedDict()

    def learn(self, task_type: str | None, target: Target, tokens: int) -> None:
        """An answer of this model to such a task had so many output tokens."""
        name = task_type or ""
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = _Task()
            if len(self._tasks) > KEPT_TASKS:
                self._tasks.popitem(last=False)
        self._tasks.move_to_end(name)
        task.mean.add(tokens)
        model = task.models.get(target)
        if model is None:
            if len(task.models) >= KEPT_MODELS:
                gone = next(iter(task.models))
                del task.models[gone], task.known[gone]
            model = task.models[target] = _Mean()
        model.add(tokens)
        expected = task.mean.drawn_to(DEFAULT_TOKENS, PRIOR_ANSWERS)
        own = model.drawn_to(expected, PRIOR_ANSWERS_OF_MODEL)
        task.known[target] = max(1, round(own))

    def expected(
        self, task_type: str | None, at_most: int | None = None
    ) -> tuple[int, Mapping[Target, int]]:
        """What to expect of any model, and of those that are known apart.

        Args:
            task_type: What kind of task it is, if that is known.
            at_most: The cap that the request sets.
        """
        task = self._tasks.get(task_type or "")
        expected, known = DEFAULT_TOKENS, _NOTHING
        if task is not None:
            expected = max(1, round(task.mean.drawn_to(DEFAULT_TOKENS, PRIOR_ANSWERS)))
            known = task.known
        if at_most is None:
            return expected, known
        if known and max(known.values()) > at_most:
            known = {target: min(each, at_most) for target, each in known.items()}
        return min(expected, at_most), known


_NOTHING: dict[Target, int] = {}
