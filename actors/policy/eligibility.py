"""Who can be chosen at all, and why not.

Hard exclusions hold for the whole request: ``not_listed``, ``no_model``, ``context``,
``budget``.
Soft ones are about now: ``rate_limited``, ``at_capacity``, ``slow``, ``unavailable``,
``unhealthy``, ``breaker_open``, ``auth``. Who became slow is left alone only while
another one is well: when everybody did, nobody is excluded for it. The last candidates are never ejected: when
only softly excluded ones are left, they are taken, least bad first.
"""

from collections.abc import Collection, Iterable, Sequence

from actors.messages.provider import ModelSnapshot, ProviderSnapshot
from actors.messages.routing import Exclusion, Target
from actors.policy.measures import Measured, expected_cost, target_of
from actors.policy.rank_input import RankInput

GATE_LOW = 0.2
GATE_HIGH = 0.5

# Worst last. Waiting a moment is better than a provider in doubt; a refused key is
# tried only to tell the caller so.
_SEVERITY = (
    "rate_limited",
    "at_capacity",
    "slow",
    "unavailable",
    "unhealthy",
    "breaker_open",
    "auth",
)
IN_DOUBT = frozenset(_SEVERITY[3:])
"""Codes of candidates whose choice is a degraded one."""


def unwell(
    snapshots: Iterable[ProviderSnapshot],
) -> tuple[frozenset[str], frozenset[str]]:
    """Providers whose last probe failed, and those whose last probe said our key is bad.

    A provider never probed is in neither.
    """
    unhealthy: set[str] = set()
    refused: set[str] = set()
    for snapshot in snapshots:
        if snapshot.healthy is not False:
            continue
        probe = snapshot.last_probe
        failure = None if probe is None else probe.failure
        bad_key = failure is not None and failure.failure == "auth"
        (refused if bad_key else unhealthy).add(snapshot.provider)
    return frozenset(unhealthy), frozenset(refused)


class Sorted:
    """The candidates, told apart.

    Attributes:
        eligible: May be chosen.
        soft: Not now, with the reason; least bad first after ``rank_soft``.
        hard: Not for this request.
    """

    __slots__ = ("eligible", "hard", "soft")

    def __init__(self) -> None:
        self.eligible: list[Measured] = []
        self.soft: list[tuple[Measured, Exclusion]] = []
        self.hard: list[Exclusion] = []


def sort_out(
    candidates: Sequence[ModelSnapshot],
    ask: RankInput,
    allowed: Collection[Target] | None,
    others: Collection[Target],
) -> Sorted:
    """Tell candidates that may be chosen from those that may not, in O(n)."""
    result = Sorted()
    needed = ask.prompt_tokens_upper + ask.max_output_tokens
    for snapshot in candidates:
        target = target_of(snapshot.provider, snapshot.model)
        listed = allowed is None or target in allowed
        if not listed and target not in others:
            detail = "not among the models asked for, or not in the task's rule"
            result.hard.append(Exclusion(target, "not_listed", detail))
            continue
        never = _never(snapshot, target, ask)
        if never is not None:
            result.hard.append(never)
            continue
        measured = Measured(snapshot, ask.now)
        measured.rest = not listed
        window = snapshot.context_window
        measured.tight = window is not None and needed > window
        not_now = _not_now(measured, ask)
        if not_now is None:
            result.eligible.append(measured)
        else:
            result.soft.append((measured, not_now))
    _gate_slow(result, ask.now)
    _gate(result)
    result.soft.sort(key=_badness)
    return result


def _never(snapshot: ModelSnapshot, target: Target, ask: RankInput) -> Exclusion | None:
    if not snapshot.model:
        return Exclusion(target, "no_model", "no model known yet")
    window = snapshot.context_window
    if window is not None:
        needed = ask.prompt_tokens_estimate + ask.max_output_tokens
        if needed > window:
            detail = f"about {needed} tokens wanted, the window holds {window}"
            return Exclusion(target, "context", detail)
    return _too_dear(snapshot, target, ask)


def _too_dear(
    snapshot: ModelSnapshot, target: Target, ask: RankInput
) -> Exclusion | None:
    if ask.budget_usd is None:
        return None
    cost = expected_cost(
        snapshot, ask.prompt_tokens_estimate, ask.expected_output_tokens
    )
    if cost is None:
        detail = f"its price is unknown and the budget is ${ask.budget_usd:f}"
        return Exclusion(target, "budget", detail)
    if cost > ask.budget_usd:
        detail = f"expected to cost ${cost:f}, the budget is ${ask.budget_usd:f}"
        return Exclusion(target, "budget", detail)
    return None


def _not_now(measured: Measured, ask: RankInput) -> Exclusion | None:
    snapshot, target = measured.snapshot, measured.target
    code: str | None = None
    detail = ""
    if snapshot.auth_refused or target.provider in ask.refused:
        code, detail = "auth", "the provider refuses our key"
    elif measured.state == 0.0:
        code, detail = "breaker_open", _breaker_detail(snapshot, ask.now)
    elif snapshot.healthy is False or target.provider in ask.unhealthy:
        code, detail = "unhealthy", "its last health probe failed"
    elif snapshot.blocked_until > ask.now:
        wait_s = snapshot.blocked_until - ask.now
        code, detail = "rate_limited", f"rate limited for another {wait_s:.3g} s"
    elif _full(snapshot):
        code, detail = "at_capacity", f"all {snapshot.concurrency_limit} places taken"
    return None if code is None else Exclusion(target, code, detail)


def _breaker_detail(snapshot: ModelSnapshot, now: float) -> str:
    if snapshot.breaker == "half_open":
        return "half-open and its one permit is taken"
    return f"open for another {snapshot.breaker_open_until - now:.3g} s"


def _full(snapshot: ModelSnapshot) -> bool:
    limit = snapshot.concurrency_limit
    return limit is not None and snapshot.provider_in_flight >= limit


def _gate_slow(result: Sorted, now: float) -> None:
    quick = [item.availability for item in result.eligible if not item.slow]
    if max(quick, default=0.0) < GATE_HIGH:
        return
    kept = []
    for item in result.eligible:
        if item.slow:
            detail = f"slow: {_breaker_detail(item.snapshot, now)}"
            result.soft.append((item, Exclusion(item.target, "slow", detail)))
        else:
            kept.append(item)
    result.eligible = kept


def _gate(result: Sorted) -> None:
    # A dead cheap provider would otherwise still score its full share of cost. A
    # half-open one is let through: its single call is how a breaker closes again.
    best = max((item.availability for item in result.eligible), default=0.0)
    if best < GATE_HIGH:
        return
    kept = []
    for item in result.eligible:
        if item.availability >= GATE_LOW or item.trial:
            kept.append(item)
            continue
        detail = f"availability {item.availability:.2f} where another has {best:.2f}"
        result.soft.append((item, Exclusion(item.target, "unavailable", detail)))
    result.eligible = kept


def _badness(entry: tuple[Measured, Exclusion]) -> tuple[bool, int, float, float]:
    measured, exclusion = entry
    wait_s = (
        measured.snapshot.blocked_until if exclusion.code == "rate_limited" else 0.0
    )
    severity = _SEVERITY.index(exclusion.code)
    return measured.rest, severity, wait_s, -measured.reliability()
