"""Ten thousand small schedules and a day of chaos, without a broken invariant.

The router and its provider actors are the daemon's own, in virtual time on pretend
providers; what must hold stands in ``tests.support.invariants``. A schedule depends on
its seed alone: a failure names the seed and the command that plays it again.
``GITBRIDGE_LONG=1`` plays ten times as much.
"""

import os
from collections import Counter
from collections.abc import Iterable

import pytest

from benchmarks.fault_replay.virtual_time import run
from tests.support.chaos_world import Plan, Turns, play
from tests.support.invariants import Watch, told

TIMES = 10 if "GITBRIDGE_LONG" in os.environ else 1
SCHEDULES = 10_000
DAY_S = 86_400.0
SEED = os.environ.get("GITBRIDGE_CHAOS_SEED")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 * TIMES)]


def seeds(count: int) -> Iterable[int]:
    return [int(SEED)] if SEED is not None else range(count)


class Heard:
    """What came of all schedules together."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.crashes = self.hedges = self.extra = 0
        self.longest_s = 0.0

    def add(self, watch: Watch) -> None:
        stories = list(watch.stories.values())
        self.outcomes.update(told(stories))
        self.crashes += watch.crashes
        self.hedges += watch.hedges
        self.extra += watch.extra
        if stories:
            first, last = min(s.began for s in stories), max(s.began for s in stories)
            self.longest_s = max(self.longest_s, last - first)


def played(test: str, wanted: Iterable[int], plan: Plan | None = None) -> Heard:
    """Play them all in one loop; what fails tells its seed."""
    turns, heard, seed = Turns(), Heard(), -1

    async def main() -> None:
        nonlocal seed
        for seed in wanted:
            heard.add(await play(seed, plan, turns))

    try:
        run(main(), turns)
    except BaseException as error:
        error.add_note(
            f"seed {seed}; again: GITBRIDGE_CHAOS_SEED={seed} "
            f".venv/bin/python -m pytest tests/system/test_chaos.py -k {test}"
        )
        raise
    return heard


def test_small_schedules_break_no_invariant() -> None:
    heard = played("small", seeds(SCHEDULES * TIMES))

    if SEED is None:  # all of it has happened
        assert heard.outcomes.keys() >= {
            "ok",
            "cancelled",
            "interrupted",
            "deadline_exceeded",
            "provider_error",
            "rate_limited",
            "unknown_model",
            "overloaded",
        }
        assert min(heard.crashes, heard.extra) > 100


def test_a_day_of_chaos_breaks_no_invariant() -> None:
    gaps_s = (0.0, 0.0, 0.1, 1.0, 4.0, 20.0)
    steps = int(DAY_S * TIMES / (sum(gaps_s) / len(gaps_s)))
    plan = Plan(steps=steps, gaps_s=gaps_s, providers=4, calm_end=True, hedge=1.0)
    heard = played("day", [int(SEED or 1)], plan)

    assert heard.longest_s > 0.95 * DAY_S * TIMES
    assert heard.outcomes["ok"] > 0.2 * heard.outcomes.total()
    assert min(heard.crashes, heard.extra) > 100
    assert heard.hedges > 10
