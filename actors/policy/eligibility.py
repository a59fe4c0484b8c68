"""Who can be chosen at all, and why not.

Hard exclusions hold for the whole request: ``no_model``, ``context``, ``budget``.
Soft ones are about now: ``rate_limited``, ``at_capacity``, ``slow``, ``unavailable``,
``unhealthy``, ``breaker_open``, ``auth``. Who became slow is left alone only while
another one is well: when everybody did, nobody is excluded for it. The last candidates
are never ejected: when only softly excluded ones are left, they are taken, least bad
first.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from actors.messages.provider import ModelSnapshot
from actors.messages.routing import Exclusion
from actors.policy.amounts import dollars, fitting, lasting
from actors.policy.measures import GATE_HIGH, Measured, expected_cost
from actors.policy.rank_input import RankInput

_PER_MILLION = -6

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
_DETAILS = {
    "auth": "the provider refuses our key",
    "unhealthy": "its last health probe failed",
}
IN_DOUBT = frozenset(_SEVERITY[3:])
"""Codes of candidates whose choice is a degraded one."""

Refused = tuple[Measured, str]
"""A candidate that cannot be chosen now, and the code that says why."""


class Groups:
    """The candidates, told apart, as far as the request does not matter.

    Attributes:
        eligible: May be chosen.
        soft: Not now, least bad first.
        best: The highest availability of those that may be chosen.
    """

    __slots__ = ("best", "eligible", "soft")

    def __init__(self, everybody: Iterable[Measured]) -> None:
        self.soft: list[Refused] = []
        self.eligible: list[Measured] = []
        for item in everybody:
            if item.code:
                self.soft.append((item, item.code))
            else:
                self.eligible.append(item)
        # A dead cheap provider would otherwise still score its full share of cost. A
        # half-open one is let through: its single call is how a breaker closes again.
        self._leave("slow", lambda item: item.slow)
        self._leave("unavailable", lambda item: item.weak)
        self.best = max((item.availability for item in self.eligible), default=0.0)
        self.soft.sort(key=_badness)

    def _leave(self, code: str, doubtful: Callable[[Measured], bool]) -> None:
        """Leave the doubtful ones aside while another one is well."""
        kept = [item for item in self.eligible if not doubtful(item)]
        if len(kept) == len(self.eligible):
            return
        if max((item.availability for item in kept), default=0.0) < GATE_HIGH:
            return
        self.soft += [(item, code) for item in self.eligible if doubtful(item)]
        self.eligible = kept

    def exclusion(self, refused: Refused, now: float) -> Exclusion:
        """The exclusion with its reason in words."""
        item, code = refused
        return Exclusion(item.target, code, self._detail(item, code, now))

    def _detail(self, item: Measured, code: str, now: float) -> str:
        snapshot = item.snapshot
        if code == "rate_limited":
            return f"rate limited for another {lasting(snapshot.blocked_until - now)}"
        if code == "at_capacity":
            return f"all {snapshot.concurrency_limit} places taken"
        if code == "unavailable":
            mine, best = item.availability, self.best
            return f"availability {mine:.2f} where another has {best:.2f}"
        if code in {"slow", "breaker_open"}:
            prefix = "slow: " if code == "slow" else ""
            return prefix + _breaker_detail(snapshot, now)
        return _DETAILS[code]


def fits(
    candidates: Sequence[Measured], ask: RankInput
) -> tuple[list[Measured], list[Exclusion]]:
    """Who may take this request at all, and the hard exclusions of the others."""
    kept: list[Measured] = []
    excluded: list[Exclusion] = []
    for item in candidates:
        never = _never(item, ask)
        if never is None:
            kept.append(item)
        else:
            excluded.append(never)
    return kept, excluded


def _never(item: Measured, ask: RankInput) -> Exclusion | None:
    snapshot, target = item.snapshot, item.target
    if not snapshot.model:
        return Exclusion(target, "no_model", "no model known yet")
    window = snapshot.context_window
    if window is not None:
        needed = ask.in_window
        if needed > window:
            detail = f"about {needed} tokens wanted, the window holds {window}"
            return Exclusion(target, "context", detail)
    return _too_dear(item, ask)


def _too_dear(item: Measured, ask: RankInput) -> Exclusion | None:
    if ask.budget_usd is None:
        return None
    output_tokens = ask.output_of(item.target)
    cost = expected_cost(item.snapshot, ask.prompt_tokens_estimate, output_tokens)
    if cost is None:
        detail = f"its price is unknown and the budget is {dollars(ask.budget_usd)}"
        return Exclusion(item.target, "budget", detail)
    if cost > ask.budget_usd:
        budget = dollars(ask.budget_usd)
        detail = f"expected to cost {dollars(cost)}, the budget is {budget}"
        detail += _shorter(item, cost, ask.budget_usd, output_tokens)
        return Exclusion(item.target, "budget", detail)
    return None


def _shorter(
    item: Measured, cost: Decimal, budget: Decimal, output_tokens: float
) -> str:
    """The longest answer that the budget has room for, where a shorter one would do."""
    each = (item.snapshot.output_price or Decimal(0)).scaleb(_PER_MILLION)
    prompt = cost - each * round(output_tokens)
    return fitting(budget, prompt, each, output_tokens)


def _breaker_detail(snapshot: ModelSnapshot, now: float) -> str:
    if snapshot.breaker == "half_open":
        return "half-open and its one permit is taken"
    return f"open for another {lasting(snapshot.breaker_open_until - now)}"


def _badness(refused: Refused) -> tuple[bool, int, float, float]:
    item, code = refused
    wait_s = item.snapshot.blocked_until if code == "rate_limited" else 0.0
    return item.rest, _SEVERITY.index(code), wait_s, -item.reliability()
