"""Whom to ask first and when to stop, learned from labelled rounds.

A plan asks its first members together, then one more at a time while the posterior of
the leading answer stays below ``tau``. Each step has weights of its own, fitted to what
was known then: weights of a full round would claim too little for half of one.
``choosing`` makes plans.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from actors.policy.voting.likelihood import Round
from actors.policy.voting.weights import (
    NO_LENGTHS,
    JointWeights,
    Posterior,
    joint_posterior,
)


class Answered(Struct, frozen=True, kw_only=True):
    """One labelled round: who said which answer, which was right, who cost what.

    ``said`` maps a member to its answer, abstentions left out; ``right`` is the right
    answer, said or not; ``usd`` is what asking each member cost, ``lengths`` those of
    the answers by ``length_of``. Where it is only known that some answers were not
    right, ``wrong`` names those, and ``right`` says nothing.
    """

    said: Mapping[str, str]
    right: str
    task_type: str = ""
    usd: Mapping[str, float] = {}
    lengths: Mapping[str, float] = {}
    wrong: frozenset[str] = frozenset()

    @classmethod
    def of(cls, each: Round, usd: Mapping[str, float]) -> "Answered":
        """A labelled round of everybody; its answers are named by their places."""
        places = list(enumerate(each.groups))
        return cls(
            said={name: str(place) for place, group in places for name in group},
            right="" if each.right is None else str(each.right),
            task_type=each.task_type,
            usd=usd,
            lengths=each.lengths,
            wrong=frozenset(map(str, each.wrong)),
        )

    def groups(self, members: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """Answers in order of appearance, and who of ``members`` gave each."""
        by_answer: dict[str, list[str]] = {}
        for name in members:
            answer = self.said.get(name)
            if answer is not None:
                by_answer.setdefault(answer, []).append(name)
        return list(by_answer), list(by_answer.values())

    def as_round(self, members: Sequence[str], *, lengths: bool = True) -> Round | None:
        """For ``fitting``, with the lengths of the answers or without.

        ``None`` where these members' answers show nothing of what is known to be wrong.
        """
        answers, groups = self.groups(members)
        right = answers.index(self.right) if self.right in answers else None
        wrong = tuple(n for n, answer in enumerate(answers) if answer in self.wrong)
        if self.wrong and not wrong:
            return None
        known = self.lengths if lengths else {}
        found = {name: known[name] for name in members if name in known}
        return Round(
            tuple(map(tuple, groups)), right, self.task_type, wrong, lengths=found
        )


def rounds_of(
    answered: Iterable[Answered], members: Sequence[str], *, lengths: bool = True
) -> list[Round]:
    """All of them that show something, for ``fitting``."""
    made = (each.as_round(members, lengths=lengths) for each in answered)
    return [each for each in made if each is not None]


class Plan(Struct, frozen=True, kw_only=True):
    """``steps`` are whom to ask, in turn; ``weights`` decide after each of them."""

    steps: tuple[tuple[str, ...], ...]
    tau: float
    weights: tuple[JointWeights, ...]

    def asked(self, step: int) -> tuple[str, ...]:
        """Everybody asked up to and with a step."""
        return tuple(name for each in self.steps[: step + 1] for name in each)

    def posterior(
        self,
        step: int,
        groups: Sequence[Sequence[str]],
        task_type: str,
        lengths: Mapping[str, float] = NO_LENGTHS,
    ) -> Posterior:
        return joint_posterior(groups, self.weights[step], task_type, lengths)


class Ran(Struct, frozen=True):
    """How a plan ended on one round; ``answer`` is ``None`` when nobody said any."""

    answer: str | None
    confidence: float
    calls: int
    usd: float


def run_plan(plan: Plan, each: Answered) -> Ran:
    """What the plan would have asked and decided on a recorded round."""
    return stop(walk(plan, each), plan.tau)


def walk(plan: Plan, each: Answered) -> Iterator[Ran]:
    """How it would have ended after each step."""
    for step in range(len(plan.steps)):
        asked = plan.asked(step)
        answers, groups = each.groups(asked)
        posterior = plan.posterior(step, groups, each.task_type, each.lengths)
        best = posterior.best
        yield Ran(
            None if best is None else answers[best],
            0.0 if best is None else posterior.groups[best],
            len(asked),
            sum(each.usd.get(name, 0.0) for name in asked),
        )


def stop(ends: Iterable[Ran], tau: float) -> Ran:
    """The first that is sure enough, else the last."""
    last: Ran | None = None
    for last in ends:
        if last.answer is not None and last.confidence >= tau:
            break
    if last is None:
        raise ValueError("a plan has at least one step")
    return last


def steps_of(order: Sequence[str], together: int = 2) -> tuple[tuple[str, ...], ...]:
    """The first ``together`` of an order at once, then one at a time."""
    return (tuple(order[:together]), *((name,) for name in order[together:]))
