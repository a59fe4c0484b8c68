"""The breaker over any history: against a model, and over ten thousand schedules.

What must hold after each event is in ``actors.policy.breaker_invariants``.
"""

import random
from typing import get_args

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from actors.messages.provider import BreakerCause, BreakerPhase
from actors.policy.breaker import BreakerConfig, Verdict
from actors.policy.breaker_invariants import BrokenInvariant, WatchedBreaker
from tests.support.breakers import assert_not_wedged, opened, probing


class ModelledBreaker(RuleBasedStateMachine):
    """The breaker against a naive model that keeps everything it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.config = BreakerConfig(
            min_calls=4, window_calls=6, limited_calls=3, permit_lease_s=40.0
        )
        self.breaker = WatchedBreaker(self.config)
        self.now = 0.0
        self.ids = 0
        self.phase: BreakerPhase = "closed"
        self.cause: BreakerCause | None = None
        self.era = 0
        self.calls: dict[str, tuple[int, float]] = {}
        self.probe: str | None = None
        self.streak = 0
        self.successes = 0
        self.outcomes: list[tuple[float, str]] = []
        self.asked: list[tuple[float, bool]] = []
        self.floor = 0.0
        self.open_until = 0.0

    @initialize(start=st.floats(0, 1e6))
    def begin(self, start: float) -> None:
        self.now = start

    def new_era(self, phase: BreakerPhase) -> None:
        self.phase, self.era = phase, self.era + 1
        self.outcomes, self.successes, self.probe = [], 0, None
        self.asked = []
        self.cause = None if phase == "closed" else self.cause
        self.open_until = self.breaker.open_until

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 6.0, 20.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(forced=st.booleans())
    def admit(self, forced: bool) -> None:
        self.ids += 1
        call_id = str(self.ids)
        for old, (_, at) in list(self.calls.items()):
            if self.now - at >= self.config.permit_lease_s:
                del self.calls[old]
                self.probe = None if self.probe == old else self.probe
        due = self.phase == "open" and self.now >= self.open_until
        free = due or (self.phase == "half_open" and self.probe is None)
        expected = self.phase == "closed" or free or self.cause == "slow"
        assert self.breaker.can_admit(self.now) == expected
        if forced:
            self.breaker.force_admit(call_id, self.now)
        else:
            assert self.breaker.admit(call_id, self.now) == expected
        if due:
            self.new_era("half_open")
        if free:
            self.probe = call_id
        if expected or forced:
            self.calls[call_id] = (self.era, self.now)

    @precondition(lambda self: self.calls)
    @rule(
        data=st.data(),
        verdict=st.sampled_from(get_args(Verdict)),
        draw=st.floats(0, 1, exclude_max=True),
        retry_after_s=st.none() | st.floats(0, 30),
        counted=st.booleans(),
    )
    def settle(
        self,
        data: st.DataObject,
        verdict: Verdict,
        draw: float,
        retry_after_s: float | None,
        counted: bool,
    ) -> None:
        call_id = data.draw(st.sampled_from(sorted(self.calls)))
        era, _ = self.calls.pop(call_id)
        before = self.phase
        change = self.breaker.settle(
            call_id, verdict, self.now, draw, retry_after_s, counted=counted
        )
        self.probe = None if self.probe == call_id else self.probe
        if verdict in ("failure", "limited") and retry_after_s is not None:
            self.floor = max(self.floor, self.now + retry_after_s)
        if era == self.era and verdict != "neutral":
            self.judge(verdict, counted)
        elif self.phase == "open":
            self.open_until = max(self.open_until, self.floor)
        assert (change is not None) == (before != self.phase)
        if change is not None:
            assert (change.before, change.after) == (before, self.phase)
            if self.phase == "open":
                open_s = self.open_until - self.now
                assert self.open_until >= self.floor
                assert open_s >= 3.99
                assert open_s <= 18.01 or self.open_until == self.floor

    def judge(self, verdict: Verdict, counted: bool) -> None:
        failed = verdict == "failure"
        if self.phase == "closed":
            self.judge_closed(verdict, counted)
        elif self.phase == "open":
            self.judge_open(verdict, counted)
        elif verdict == "success":
            self.successes += 1
            if self.successes == 2:
                self.streak = 0
                self.new_era("closed")
        elif verdict != "limited":
            self.streak += failed and counted
            self.cause = "failures" if failed else "slow"
            self.new_era("open")
        elif self.cause == "limited":
            self.new_era("open")

    def judge_closed(self, verdict: Verdict, counted: bool) -> None:
        self.count_streak(verdict, counted)
        self.asked.append((self.now, verdict == "limited"))
        if verdict != "limited":
            self.outcomes.append((self.now, verdict))
        recent = [
            what
            for at, what in self.outcomes[-self.config.window_calls :]
            if self.now - at < self.config.window_s
        ]
        enough = len(recent) >= self.config.min_calls
        asked = [
            limited
            for at, limited in self.asked[-3:]
            if self.now - at < self.config.window_s
        ]
        cause: BreakerCause | None = None
        if self.streak >= 3 or (
            enough and recent.count("failure") >= 0.4 * len(recent)
        ):
            cause = "failures"
        elif enough and recent.count("slow") >= 0.6 * len(recent):
            cause = "slow"
        elif sum(asked) == 3:
            cause = "limited"
        if cause is not None and verdict != "success":
            self.cause = cause
            self.new_era("open")

    def judge_open(self, verdict: Verdict, counted: bool) -> None:
        if self.cause == "slow":
            self.count_streak(verdict, counted)
            if self.streak >= 3:
                self.cause = "failures"
        if verdict == "success" and self.now >= self.floor:
            self.new_era("half_open")
            self.successes = 1
        else:
            self.open_until = max(self.open_until, self.floor)

    def count_streak(self, verdict: Verdict, counted: bool) -> None:
        if verdict == "failure":
            self.streak += counted
        elif verdict != "limited":
            self.streak = 0

    @rule()
    def health_probe(self) -> None:
        change = self.breaker.probe_passed(self.now)
        passes = self.phase == "open" and self.now >= self.floor

        assert (change is not None) == passes
        if passes:
            self.new_era("half_open")

    @rule()
    def restart(self) -> None:
        state = self.breaker.dump(self.now)
        self.breaker = WatchedBreaker.restore(self.config, state, self.now)
        self.calls.clear()
        self.asked = []
        self.probe = None
        self.open_until = self.breaker.open_until

    @invariant()
    def agrees(self) -> None:
        assert (self.breaker.phase, self.breaker.cause) == (self.phase, self.cause)
        assert self.breaker.consecutive_failures == self.streak
        assert self.breaker.open_until == pytest.approx(self.open_until)

    def teardown(self) -> None:  # type: ignore[explicit-override]  # from 3.12 on
        assert_not_wedged(self.breaker, self.now)


@pytest.mark.slow
def test_agrees_with_the_model_over_any_history() -> None:
    run_state_machine_as_test(
        ModelledBreaker,
        settings=settings(max_examples=60, stateful_step_count=40, deadline=None),
    )


WAYS: tuple[tuple[Verdict, ...], ...] = (
    ("failure", "failure", "slow", "limited", "neutral"),
    ("slow", "slow", "slow", "failure"),
    ("limited", "limited", "neutral"),
    ("failure",),
)


class Schedule:
    """One random life of a breaker; everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.breaker = WatchedBreaker(
            BreakerConfig(
                permit_lease_s=30.0, limited_calls=self.chance.choice((5, 20))
            )
        )
        self.now = 0.0
        self.in_flight: list[str] = []
        self.failing = self.chance.random()
        self.ways = self.chance.choice(WAYS)

    def run(self, steps: int) -> None:
        for n in range(steps):
            self.now += self.chance.choice((0.0, 0.1, 2.0, 7.0))
            step = self.chance.random()
            if step < 0.5:
                self.admit(f"{n}", forced=step < 0.05)
            elif step < 0.55:
                self.breaker.probe_passed(self.now)
            elif self.in_flight:
                self.settle(self.chance.randrange(len(self.in_flight)))

    def admit(self, call_id: str, *, forced: bool) -> None:
        if forced:
            self.breaker.force_admit(call_id, self.now)
        elif not self.breaker.admit(call_id, self.now):
            return
        self.in_flight.append(call_id)

    def settle(self, index: int) -> None:
        call_id = self.in_flight.pop(index)
        verdict: Verdict = "success"
        if self.chance.random() < self.failing:
            verdict = self.chance.choice(self.ways)
        self.breaker.settle(
            call_id,
            verdict,
            self.now,
            self.chance.random(),
            self.chance.choice((None, None, 20.0)),
        )


@pytest.mark.slow
def test_never_two_probes_and_never_wedged_in_ten_thousand_schedules() -> None:
    for seed in range(10_000):
        schedule = Schedule(seed)

        schedule.run(steps=40)

        assert_not_wedged(schedule.breaker, schedule.now)


def test_a_second_probe_in_flight_would_be_told_with_its_story() -> None:
    breaker = probing()
    assert isinstance(breaker, WatchedBreaker)
    breaker._permit = None  # as if it had been given back

    with pytest.raises(BrokenInvariant, match="at_most_one_probe_in_flight") as hit:
        breaker.admit("second", 5.0)

    assert "admit probe: True -> half_open" in str(hit.value)


def test_an_open_breaker_that_forgot_its_end_would_be_told() -> None:
    breaker = opened()
    breaker._open_until = float("inf")

    with pytest.raises(BrokenInvariant, match="it_admits_again_by_itself"):
        breaker.admit("next", 1.0)
