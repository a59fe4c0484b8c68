"""Recorded decisions made again by other rules, and what that would have changed.

Each decision is ranked again from what it saw (``recall``), with the same draw, by the
other strategy or weights. Where the same candidate comes first, nothing changes: the
recorded figures count on both sides. Where another does, its figures are estimated:

* cost: the recorded tokens at the other candidate's prices of that moment;
* latency: what its measurements of that moment predict for the recorded output length,
  times how far such predictions were off for the calls that were made (the median ratio
  of the candidate itself where there are ten, else of all);
* first try: the posterior mean of its success rate at that moment.

The interval of a mean difference is 1.96 standard errors of the paired differences over
the requests, with the spread of the predictions (of a Bernoulli draw, of the ratios
above) added to those that are estimated. It covers chance, not the assumptions, which
are said beside it.
"""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from math import sqrt
from statistics import median, pvariance

from msgspec import Struct
from msgspec.structs import replace

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import AttemptRecord, RequestRecord, Target
from actors.messages.whatif import Change, Estimate, Move, WhatIf
from actors.policy.measures import Measured, target_of
from actors.policy.recall import Forgotten, Recalled, Recollection
from actors.policy.round_robin import RoundRobin
from actors.policy.scoring import rank

OWN_RATIOS = 10
"""From so many calls on, a candidate's own ratio of measured to predicted counts."""

_Z = 1.96
_MOVES = 10

ASSUMPTIONS = (
    "another candidate would have used as many tokens as the recorded answer",
    "its prices, speed and success rate were as measured at that moment, whatever load",
    "callers would have asked the same, and found the same prompts cached",
    "a request that goes elsewhere makes one call: later ones are not replayed",
)


class _Replayed(Struct, frozen=True):
    """One request, as it was and as it would have been; ``None`` is not known.

    ``predicted_s`` is the prediction for whom the other rules take, ``None`` for the
    same candidate: then the recorded figures stand.
    """

    after: Target
    same: bool
    cost_usd: Decimal | None
    other_cost_usd: Decimal | None
    latency_s: float
    predicted_s: float | None
    answered: bool
    chance: float


class Replay:
    """Feed it records, oldest first; ``account`` sums up.

    Args:
        change: The other rules.
    """

    def __init__(self, change: Change) -> None:
        self._change = change
        self._recollection = Recollection()
        self._rotation = RoundRobin()
        self._requests = 0
        self._left_out: Counter[str] = Counter()
        self._moves: Counter[tuple[Target, Target]] = Counter()
        self._replayed: list[_Replayed] = []
        self._ratios: dict[Target, list[float]] = {}

    def add(self, record: RequestRecord, *, counted: bool = True) -> None:
        """Take one; those that are not counted only say what later ones saw."""
        recalled = self._recollection.recall(record)
        if not counted:
            return
        self._requests += 1
        reason = self._replay(record, recalled)
        if reason is not None:
            self._left_out[reason] += 1

    def account(self) -> WhatIf:
        replayed = self._replayed
        costs = [
            (float(each.cost_usd), float(other), 0.0)
            for each in replayed
            if each.cost_usd is not None
            and (other := each.cost_usd if each.same else each.other_cost_usd)
            is not None
        ]
        return WhatIf(
            change=self._change,
            requests=self._requests,
            replayed=len(replayed),
            changed=sum(not each.same for each in replayed),
            cost_usd=_estimate(costs),
            latency_s=_estimate(self._latencies()),
            first_try=_estimate([_chance(each) for each in replayed]),
            total_cost_difference_usd=self._total_cost_difference(),
            moves=tuple(
                Move(before=_name(before), after=_name(after), requests=number)
                for (before, after), number in self._moves.most_common(_MOVES)
            ),
            left_out=dict(self._left_out),
            assumptions=ASSUMPTIONS,
        )

    def _replay(
        self, record: RequestRecord, recalled: Recalled | Forgotten
    ) -> str | None:
        """Decide again; why that cannot be, if it cannot."""
        if isinstance(recalled, Forgotten):
            return recalled.reason
        if not record.attempts:
            return "nobody was asked"
        first = record.attempts[0]
        was = target_of(first.provider, first.model)
        change, ask = self._change, recalled.ask
        ask = replace(
            ask,
            strategy=change.strategy or ask.strategy,
            weights=change.weights or ask.weights,
        )
        if ask.strategy == "round_robin" and ask.rotation is None:
            ask = replace(ask, rotation=self._rotation)
        # Each by itself: a ranker is for the same candidates, and for one clock.
        ranking = rank(recalled.candidates, ask)
        if not ranking.order:
            return "nobody could have been asked"
        known = {target_of(s.provider, s.model): s for s in recalled.candidates}
        if was not in known:
            return "who was asked first is not among what was seen"
        self._learn(known[was], first, ask.now)
        after = ranking.order[0]
        self._replayed.append(_replayed(record, was, known[after], ask.now))
        if after != was:
            self._moves[was, after] += 1
        return None

    def _learn(self, snapshot: ModelSnapshot, call: AttemptRecord, now: float) -> None:
        """How far the prediction for a call that was made was off."""
        if call.outcome != "ok" or call.usage.completion_tokens is None:
            return
        predicted = Measured(snapshot, now).latency_s(call.usage.completion_tokens)
        if predicted:
            target = target_of(call.provider, call.model)
            self._ratios.setdefault(target, []).append(call.latency_s / predicted)

    def _latencies(self) -> list[tuple[float, float, float]]:
        """Recorded, estimated and the variance of the estimate, a request each."""
        everybody = [ratio for ratios in self._ratios.values() for ratio in ratios]
        found = []
        for each in self._replayed:
            if each.same:
                found.append((each.latency_s, each.latency_s, 0.0))
            elif each.predicted_s is not None:
                own = self._ratios.get(each.after, [])
                ratios = own if len(own) >= OWN_RATIOS else everybody
                factor = median(ratios) if ratios else 1.0
                spread = pvariance(ratios) if ratios else 1.0
                estimated = each.predicted_s * factor
                noise = each.predicted_s**2 * spread
                found.append((each.latency_s, estimated, noise))
        return found

    def _total_cost_difference(self) -> Decimal | None:
        total, known = Decimal(0), False
        for each in self._replayed:
            other = each.cost_usd if each.same else each.other_cost_usd
            if each.cost_usd is not None and other is not None:
                total += other - each.cost_usd
                known = True
        return total if known else None


def _replayed(
    record: RequestRecord, was: Target, snapshot: ModelSnapshot, now: float
) -> _Replayed:
    first, usage = record.attempts[0], record.usage
    measured = Measured(snapshot, now)
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    known = prompt is not None and completion is not None
    return _Replayed(
        after=measured.target,
        same=measured.target == was,
        cost_usd=record.cost_usd,
        other_cost_usd=measured.cost_usd(prompt or 0, completion or 0)
        if known
        else None,
        latency_s=record.latency_s,
        predicted_s=None if completion is None else measured.latency_s(completion),
        answered=first.outcome == "ok",
        chance=measured.alpha / (measured.alpha + measured.beta),
    )


def _chance(each: _Replayed) -> tuple[float, float, float]:
    recorded = 1.0 if each.answered else 0.0
    if each.same:
        return recorded, recorded, 0.0
    return recorded, each.chance, each.chance * (1.0 - each.chance)


def _estimate(pairs: Sequence[tuple[float, float, float]]) -> Estimate:
    """Means, and the interval of their difference; see the module."""
    count = len(pairs)
    if not count:
        return Estimate(requests=0)
    differences = [estimated - recorded for recorded, estimated, _ in pairs]
    mean = sum(differences) / count
    spread = pvariance(differences, mean) + sum(noise for *_, noise in pairs) / count
    error = _Z * sqrt(spread / count)
    return Estimate(
        requests=count,
        recorded=sum(recorded for recorded, *_ in pairs) / count,
        estimated=sum(estimated for _, estimated, _ in pairs) / count,
        difference=mean,
        low=mean - error,
        high=mean + error,
    )


def _name(target: Target) -> str:
    return f"{target.provider}/{target.model}"
