"""Whom to ask first and when to stop, chosen from labelled rounds.

A plan asks its first members together, then one more at a time while the posterior of
the leading answer stays below ``tau``. Each step has weights of its own, fitted to what
was known then: weights of a full round would claim too little for half of one. Order
and ``tau`` are compared on rounds the weights were not fitted to (two halves, each
judged by the other), and the most accurate plan wins that keeps within the given mean
number of calls and mean cost.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from actors.policy.voting.fitting import fit
from actors.policy.voting.likelihood import Round, Terms
from actors.policy.voting.weights import (
    NO_LENGTHS,
    JointWeights,
    Posterior,
    joint_posterior,
)

TAUS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


class Answered(Struct, frozen=True, kw_only=True):
    """One labelled round: who said which answer, which was right, who cost what.

    ``said`` maps a member to its answer, abstentions left out; ``right`` is the right
    answer, said or not; ``usd`` is what asking each member cost, ``lengths`` those of
    the answers by ``length_of``.
    """

    said: Mapping[str, str]
    right: str
    task_type: str = ""
    usd: Mapping[str, float] = {}
    lengths: Mapping[str, float] = {}

    def groups(self, members: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """Answers in order of appearance, and who of ``members`` gave each."""
        by_answer: dict[str, list[str]] = {}
        for name in members:
            answer = self.said.get(name)
            if answer is not None:
                by_answer.setdefault(answer, []).append(name)
        return list(by_answer), list(by_answer.values())

    def as_round(self, members: Sequence[str], *, lengths: bool = True) -> Round:
        """For ``fitting``, with the lengths of the answers or without."""
        answers, groups = self.groups(members)
        right = answers.index(self.right) if self.right in answers else None
        known = self.lengths if lengths else {}
        found = {name: known[name] for name in members if name in known}
        return Round(tuple(map(tuple, groups)), right, self.task_type, lengths=found)


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
    return _stop(_walk(plan, each), plan.tau)


def _walk(plan: Plan, each: Answered) -> Iterator[Ran]:
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


def _stop(ends: Iterable[Ran], tau: float) -> Ran:
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


def plan_with(
    rounds: Sequence[Answered],
    steps: Sequence[tuple[str, ...]],
    tau: float,
    *,
    lengths: bool = True,
    fitted: dict[tuple[str, ...], JointWeights] | None = None,
) -> Plan:
    """Fit the weights of every step; without ``lengths`` it is done much sooner.

    ``fitted`` keeps the weights by whom was asked, for other plans of these rounds.
    """
    fitted = {} if fitted is None else fitted
    asked: tuple[str, ...] = ()
    weights = []
    for step in steps:
        asked += step
        if asked not in fitted:
            seen = [each.as_round(asked) for each in rounds]
            fitted[asked] = fit(seen, terms=Terms(lengths=lengths))
        weights.append(fitted[asked])
    return Plan(steps=tuple(steps), tau=tau, weights=tuple(weights))


def choose_plan(
    rounds: Sequence[Answered],
    candidates: Sequence[Sequence[tuple[str, ...]]],
    *,
    max_calls: float,
    max_usd: float,
) -> Plan | None:
    """The most accurate plan within both means; of equals the cheaper one.

    Returns:
        The plan, fitted to all rounds; ``None`` when no candidate keeps within.
    """
    halves = rounds[::2], rounds[1::2]
    fitted: tuple[dict[tuple[str, ...], JointWeights], ...] = {}, {}
    best: tuple[float, float, Sequence[tuple[str, ...]], float] | None = None
    for steps in candidates:
        plans = [
            plan_with(half, steps, 1.0, lengths=False, fitted=known)
            for half, known in zip(halves, fitted, strict=True)
        ]
        walked = [
            (tuple(_walk(plan, each)), each.right)
            for plan, half in zip(plans, reversed(halves), strict=True)
            for each in half
        ]
        for tau in TAUS:
            right, calls, usd = _means(walked, tau)
            fits = calls <= max_calls and usd <= max_usd
            if fits and (best is None or (right, -usd) > best[:2]):
                best = right, -usd, steps, tau
    return None if best is None else plan_with(rounds, best[2], best[3])


def _means(
    walked: Sequence[tuple[Sequence[Ran], str]], tau: float
) -> tuple[float, float, float]:
    """Share of right answers, calls and USD, with this threshold."""
    ran = [(_stop(ends, tau), right) for ends, right in walked]
    return (
        sum(each.answer == right for each, right in ran) / len(ran),
        sum(each.calls for each, _ in ran) / len(ran),
        sum(each.usd for each, _ in ran) / len(ran),
    )
