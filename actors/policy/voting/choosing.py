"""Chooses the plan of a cascade from labelled rounds, in slices of a few milliseconds.

Order and ``tau`` are compared on rounds the weights were not fitted to (two halves, each
judged by the other), and the most accurate plan wins that keeps within the mean number
of calls and the mean cost.
"""

from collections.abc import Generator, Mapping, Sequence
from itertools import combinations
from math import inf

from actors.policy.voting.climbing import Work
from actors.policy.voting.fitting import fitted
from actors.policy.voting.likelihood import Round, Terms
from actors.policy.voting.planning import (
    Answered,
    Plan,
    Ran,
    rounds_of,
    steps_of,
    stop,
    walk,
)
from actors.policy.voting.stopping import cheap_first
from actors.policy.voting.weights import JointWeights, joint_posterior

TAUS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
AROUND = tuple(0.01 * step for step in range(5, -11, -1))
"""The last look at ``tau``, around the one of those that was found: the surest first."""

MAX_CALLS = 2.42
"""Mean members asked by a cascade: what two of three cost, and a bit."""

SAVING = 0.75
"""A cascade may cost this part of the best member alone."""

FIRST = 4
"""Any two of so many may be asked first."""

AT_ONCE = 50
"""Rounds looked at in one go: some 3 ms."""

Steps = tuple[tuple[str, ...], ...]
_Fitted = dict[tuple[str, ...], JointWeights]
_Credit = Mapping[str, float]
_Walked = tuple[Sequence[Ran], _Credit]
"""How a round would have ended after each step, and how right each answer is."""


def plan_for(
    rounds: Sequence[Answered], members: Sequence[str], usd: Mapping[str, float]
) -> Generator[None, None, Plan]:
    """The plan for these members, learned from rounds in which all were asked.

    Args:
        rounds: Labelled; ``usd`` of each is what asking each member cost.
        members: At least two.
        usd: What asking each costs on average; without some of them money is no matter.
    """
    accuracy = {name: _accuracy(rounds, name) for name in members}
    order = cheap_first(members, usd, accuracy)
    best = max(members, key=lambda name: accuracy[name])
    priced = set(members) <= usd.keys()
    limits = MAX_CALLS, SAVING * usd[best] if priced else inf
    walked = yield from _try_all(rounds, candidates(order), lengths=False)
    walked |= _without_last(walked)
    found = _most_accurate(walked, *limits)
    if found is None:
        steps, tau = _most_accurate(walked, inf, inf) or (steps_of(order), 1.0)
        return (yield from plan_with(rounds, steps, tau))
    steps, near = found
    walked = yield from _try_all(rounds, [steps], lengths=True)
    tau = _surest(walked[steps], near, *limits)
    return (yield from plan_with(rounds, steps, tau))


def _without_last(
    walked: Mapping[Steps, Sequence[_Walked]],
) -> dict[Steps, list[_Walked]]:
    """The same plans if the last member is never asked; two steps are the fewest."""
    return {
        steps[:-1]: [(ends[:-1], credit) for ends, credit in found]
        for steps, found in walked.items()
        if len(steps) > 2
    }


def _surest(
    walked: Sequence[_Walked], near: float, max_calls: float, max_usd: float
) -> float:
    """As much as may be spent is: lengths make rounds surer than was thought before."""
    for step in AROUND:
        _, calls, usd = _means(walked, near + step)
        if calls <= max_calls and usd <= max_usd:
            return round(near + step, 2)
    return near


def candidates(order: Sequence[str]) -> list[Steps]:
    """Two of the first asked first, then the others in this order."""
    found = []
    for pair in combinations(order[:FIRST], 2):
        rest = [name for name in order if name not in pair]
        found.append(steps_of((*pair, *rest)))
    return found


def plan_with(
    rounds: Sequence[Answered], steps: Steps, tau: float
) -> Generator[None, None, Plan]:
    """With the weights of every step fitted to all rounds."""
    known: _Fitted = {}
    yield from _fit_steps(rounds, steps, known, lengths=True)
    return _plan(steps, tau, known)


def _plan(steps: Steps, tau: float, known: _Fitted) -> Plan:
    asked = [sum(steps[: n + 1], ()) for n in range(len(steps))]
    return Plan(
        steps=steps, tau=tau, weights=tuple(known[_key(each)] for each in asked)
    )


def _key(asked: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(asked))


def _fit_steps(
    rounds: Sequence[Answered], steps: Steps, known: _Fitted, *, lengths: bool
) -> Work:
    """Into ``known``, by whom was asked; without ``lengths`` it is done much sooner."""
    asked: tuple[str, ...] = ()
    for step in steps:
        asked += step
        if _key(asked) in known:
            continue
        seen: list[Round] = []
        for start in range(0, len(rounds), 10 * AT_ONCE):
            seen += rounds_of(rounds[start : start + 10 * AT_ONCE], asked)
            yield
        known[_key(asked)] = yield from fitted(seen, terms=Terms(lengths=lengths))


def _try_all(
    rounds: Sequence[Answered], tried: Sequence[Steps], *, lengths: bool
) -> Generator[None, None, dict[Steps, list[_Walked]]]:
    """Each half of the rounds by weights fitted to the other."""
    walked: dict[Steps, list[_Walked]] = {steps: [] for steps in tried}
    halves = rounds[::2], rounds[1::2]
    for fit_to, judged in (halves, halves[::-1]):
        known: _Fitted = {}
        everybody = tuple(name for step in tried[0] for name in step)
        yield from _fit_steps(fit_to, (everybody,), known, lengths=lengths)
        credit_of = [
            _credit(each, everybody, known[_key(everybody)]) for each in judged
        ]
        for steps in tried:
            yield from _fit_steps(fit_to, steps, known, lengths=lengths)
            plan = _plan(steps, 1.0, known)
            for start in range(0, len(judged), AT_ONCE):
                walked[steps] += [
                    (tuple(walk(plan, each)), credit)
                    for each, credit in zip(
                        judged[start : start + AT_ONCE],
                        credit_of[start : start + AT_ONCE],
                        strict=True,
                    )
                ]
                yield
    return walked


def _credit(each: Answered, members: Sequence[str], weights: JointWeights) -> _Credit:
    """How right each answer is: where only wrong ones are known, as far as is likely."""
    if not each.wrong:
        return {each.right: 1.0}
    answers, groups = each.groups(members)
    posterior = joint_posterior(groups, weights, each.task_type)
    shares = dict(zip(answers, posterior.groups, strict=True))
    left = {name: share for name, share in shares.items() if name not in each.wrong}
    total = sum(left.values()) + posterior.none
    return {name: share / total for name, share in left.items()}


def _most_accurate(
    walked: Mapping[Steps, Sequence[_Walked]],
    max_calls: float,
    max_usd: float,
) -> tuple[Steps, float] | None:
    """Of equals the cheaper, then the one with fewer calls; ``None`` if none fits."""
    best: tuple[tuple[float, float, float], Steps, float] | None = None
    for steps, found in walked.items():
        for tau in TAUS:
            right, calls, usd = _means(found, tau)
            if calls > max_calls or usd > max_usd:
                continue
            standing = (right, -usd, -calls)
            if best is None or standing > best[0]:
                best = standing, steps, tau
    return None if best is None else best[1:]


def _means(walked: Sequence[_Walked], tau: float) -> tuple[float, float, float]:
    """Share of right answers, calls and USD, with this threshold."""
    ran = [(stop(ends, tau), credit) for ends, credit in walked]
    count = max(1, len(ran))
    return (
        sum(
            credit.get(each.answer, 0.0)
            for each, credit in ran
            if each.answer is not None
        )
        / count,
        sum(each.calls for each, _ in ran) / count,
        sum(each.usd for each, _ in ran) / count,
    )


def _accuracy(rounds: Sequence[Answered], member: str) -> float:
    """Of what is known to be right or wrong."""
    known = [
        each for each in rounds if not each.wrong or each.said.get(member) in each.wrong
    ]
    right = sum(each.said.get(member) == each.right for each in known if not each.wrong)
    return right / max(1, len(known))
