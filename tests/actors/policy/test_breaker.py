"""The breaker: every pair of the table, the half-open bugs of others, any history."""

import random
from typing import get_args

import msgspec
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

from actors.messages.provider import BreakerPhase
from actors.policy.breaker import (
    TRANSITIONS,
    Breaker,
    BreakerConfig,
    BreakerState,
    Change,
    Event,
    Verdict,
    next_phase,
)

CONFIG = BreakerConfig(jitter=0.0)
MIDDLE = 0.5  # the draw that leaves the open time as it is
PHASES: tuple[BreakerPhase, ...] = get_args(BreakerPhase)
EVENTS: tuple[Event, ...] = get_args(Event)


def run_call(
    breaker: Breaker,
    verdict: Verdict,
    now: float,
    call_id: str = "call",
    retry_after_s: float | None = None,
) -> Change | None:
    assert breaker.admit(call_id, now)
    return breaker.settle(call_id, verdict, now, MIDDLE, retry_after_s)


def opened(now: float = 0.0, config: BreakerConfig = CONFIG) -> Breaker:
    breaker = Breaker(config)
    for _ in range(config.consecutive_failures):
        run_call(breaker, "failure", now)
    assert breaker.phase == "open"
    return breaker


def probing(now: float = 5.0) -> Breaker:
    """Half-open with the probe ``probe`` in flight since ``now``."""
    breaker = opened()
    assert breaker.admit("probe", now)
    assert breaker.phase == "half_open"
    return breaker


# The table -------------------------------------------------------------------


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("phase", PHASES)
def test_every_pair_is_listed_or_raises(phase: BreakerPhase, event: Event) -> None:
    impossible = {
        ("closed", "waited"),
        ("closed", "recovered"),
        ("open", "tripped"),
        ("open", "recovered"),
        ("half_open", "tripped"),
        ("half_open", "waited"),
    }

    if (phase, event) in impossible:
        with pytest.raises(ValueError, match=f"{phase} cannot see '{event}'"):
            next_phase(phase, event)
    else:
        assert next_phase(phase, event) == TRANSITIONS[phase, event]


def cause(breaker: Breaker, event: Event) -> None:
    """Make the event happen to a breaker made by ``in_phase``."""
    match event:
        case "success" | "failure" | "slow" | "neutral":
            breaker.settle("inside", event, 5.0, MIDDLE)
        case "probe_passed":
            breaker.probe_passed(5.0)
        case "tripped":
            for _ in range(3):
                run_call(breaker, "failure", 5.0)
        case "waited":
            breaker.admit("new", 5.0)
        case "recovered":
            breaker.settle("inside", "success", 5.0, MIDDLE)
            run_call(breaker, "success", 5.0)


def in_phase(phase: BreakerPhase) -> Breaker:
    """A breaker with the call ``inside`` in flight, admitted in this phase."""
    breaker = Breaker(CONFIG) if phase == "closed" else opened()
    breaker.force_admit("inside", 0.0 if phase == "open" else 5.0)
    assert breaker.phase == phase
    return breaker


@pytest.mark.parametrize(("phase", "event"), sorted(TRANSITIONS))
def test_the_breaker_follows_the_table(phase: BreakerPhase, event: Event) -> None:
    breaker = in_phase(phase)

    cause(breaker, event)

    assert breaker.phase == TRANSITIONS[phase, event]


# Opening ---------------------------------------------------------------------


def test_opens_at_the_third_consecutive_failure() -> None:
    breaker = Breaker(CONFIG)

    assert run_call(breaker, "failure", 0.0) is None
    assert run_call(breaker, "failure", 0.0) is None
    change = run_call(breaker, "failure", 0.0)

    assert change == Change("closed", "open", "3 consecutive failures")
    assert breaker.open_until == 5.0
    assert not breaker.admit("next", 4.9)


@pytest.mark.parametrize("answer", ["success", "slow"])
def test_an_answer_ends_the_streak(answer: Verdict) -> None:
    breaker = Breaker(CONFIG)
    run_call(breaker, "failure", 0.0)
    run_call(breaker, "failure", 0.0)

    run_call(breaker, answer, 0.0)

    assert breaker.consecutive_failures == 0


def test_neutral_outcomes_count_nowhere() -> None:
    breaker = Breaker(CONFIG)
    run_call(breaker, "failure", 0.0)
    run_call(breaker, "failure", 0.0)

    for _ in range(100):
        assert run_call(breaker, "neutral", 0.0) is None

    assert breaker.phase == "closed"
    assert breaker.consecutive_failures == 2
    assert len(breaker.dump(0.0).outcomes) == 2


def test_one_request_adds_one_consecutive_failure() -> None:
    breaker = Breaker(CONFIG)
    run_call(breaker, "failure", 0.0)

    for call_id in ("repeat 1", "repeat 2"):
        breaker.admit(call_id, 0.0)
        breaker.settle(call_id, "failure", 0.0, MIDDLE, counted=False)

    assert breaker.consecutive_failures == 1
    assert breaker.phase == "closed"


@pytest.mark.parametrize(
    ("bad", "bad_calls", "reason"),
    [("failure", 4, "4 of 10 calls failed"), ("slow", 6, "6 of 10 calls were slow")],
)
def test_opens_when_the_share_is_too_high(
    bad: Verdict, bad_calls: int, reason: str
) -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=100, jitter=0.0))
    for _ in range(10 - bad_calls):
        run_call(breaker, "success", 0.0)

    changes = [run_call(breaker, bad, 0.0) for _ in range(bad_calls)]

    assert changes == [None] * (bad_calls - 1) + [Change("closed", "open", reason)]


def test_a_share_below_the_ratio_keeps_it_closed() -> None:
    breaker = Breaker(CONFIG)
    for _ in range(40):
        for verdict in ("success", "failure", "success"):
            assert run_call(breaker, verdict, 0.0) is None

    assert breaker.phase == "closed"


def test_outcomes_older_than_the_window_do_not_count() -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=100))
    for _ in range(9):
        run_call(breaker, "failure", 0.0)

    assert run_call(breaker, "failure", 60.0) is None
    assert len(breaker.dump(60.0).outcomes) == 1


def test_only_the_last_outcomes_count() -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=100, failure_ratio=0.9))
    for _ in range(5):
        run_call(breaker, "slow", 0.0)

    for _ in range(100):
        run_call(breaker, "success", 0.0)

    assert breaker.dump(0.0).outcomes == ((0.0, "success"),) * 50


def test_a_call_that_hung_longer_than_the_window_counts_when_it_ends() -> None:
    breaker = Breaker(CONFIG)
    for call_id in "abc":
        breaker.admit(call_id, 0.0)

    changes = [breaker.settle(call_id, "failure", 300.0, MIDDLE) for call_id in "abc"]

    assert changes[-1] == Change("closed", "open", "3 consecutive failures")


# How long it stays open ------------------------------------------------------


def reopen(breaker: Breaker) -> float:
    """Fail the next probe as early as possible; returns the new open time."""
    now = breaker.open_until
    run_call(breaker, "failure", now)
    return breaker.open_until - now


def close(breaker: Breaker) -> None:
    now = breaker.open_until
    for _ in range(2):
        run_call(breaker, "success", now)
    assert breaker.phase == "closed"


def test_open_time_doubles_up_to_the_cap() -> None:
    breaker = opened()

    assert [reopen(breaker) for _ in range(4)] == [10.0, 15.0, 15.0, 15.0]


def test_two_closes_bring_the_shortest_open_time_back() -> None:
    breaker = opened()
    for _ in range(50):
        reopen(breaker)
    open_times = []

    for _ in range(3):
        close(breaker)
        for _ in range(3):
            run_call(breaker, "failure", 1000.0)
        open_times.append(breaker.open_until - 1000.0)

    assert open_times == [15.0, 10.0, 5.0]


@pytest.mark.parametrize(("draw", "open_s"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_jitter_spreads_the_open_time(draw: float, open_s: float) -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=1))
    breaker.admit("call", 0.0)

    breaker.settle("call", "failure", 0.0, draw)

    assert breaker.open_until == pytest.approx(open_s)


@pytest.mark.parametrize(
    ("retry_after_s", "open_until"),
    [(30.0, 30.0), (1.0, 5.0), (float("inf"), 5.0), (float("nan"), 5.0), (-9.0, 5.0)],
)
def test_retry_after_is_a_floor(retry_after_s: float, open_until: float) -> None:
    breaker = Breaker(CONFIG)
    run_call(breaker, "failure", 0.0, retry_after_s=retry_after_s)

    for _ in range(2):
        run_call(breaker, "failure", 0.0)

    assert breaker.open_until == open_until


def test_a_late_failure_may_still_say_when_to_come_back() -> None:
    breaker = Breaker(CONFIG)
    breaker.admit("late", 0.0)
    for _ in range(3):
        run_call(breaker, "failure", 0.0)

    assert breaker.settle("late", "failure", 1.0, MIDDLE, 30.0) is None

    assert breaker.open_until == 31.0
    assert breaker.probe_passed(30.0) is None
    assert breaker.probe_passed(31.0) is not None


# Half-open -------------------------------------------------------------------


def test_half_open_admits_one_probe() -> None:
    breaker = opened()
    assert breaker.permit_free(5.0)

    admitted = [breaker.admit(f"call {n}", 5.0) for n in range(10)]

    assert admitted == [True] + [False] * 9
    assert not breaker.can_admit(5.0)
    assert not breaker.permit_free(5.0)


def test_the_probe_asking_again_is_granted_again() -> None:
    breaker = probing()

    assert breaker.admit("probe", 5.0)
    breaker.force_admit("probe", 5.0)

    breaker.settle("probe", "success", 5.0, MIDDLE)
    assert breaker.settle("probe", "success", 5.0, MIDDLE) is None
    assert breaker.phase == "half_open"


def test_two_real_successes_close() -> None:
    breaker = probing()

    assert breaker.settle("probe", "success", 5.0, MIDDLE) is None
    change = run_call(breaker, "success", 5.0, "second")

    assert change == Change("half_open", "closed", "2 calls succeeded")
    assert breaker.consecutive_failures == 0
    assert breaker.open_until == 0.0


def test_a_breaker_that_closed_starts_with_an_empty_window() -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=100, jitter=0.0))
    for _ in range(10):
        run_call(breaker, "failure", 0.0)

    close(breaker)

    assert breaker.dump(5.0).outcomes == ()
    assert run_call(breaker, "failure", 5.0) is None


@pytest.mark.parametrize("verdict", ["failure", "slow"])
def test_a_bad_probe_reopens(verdict: Verdict) -> None:
    breaker = probing()

    change = breaker.settle("probe", verdict, 6.0, MIDDLE)

    assert change == Change("half_open", "open", f"probe: {verdict}")
    assert breaker.open_until == 16.0
    assert breaker.consecutive_failures == 3 + (verdict == "failure")


@pytest.mark.parametrize("verdict", ["success", "failure", "slow", "neutral"])
def test_a_call_admitted_before_opening_cannot_settle_a_newer_probe(
    verdict: Verdict,
) -> None:
    breaker = Breaker(CONFIG)
    breaker.admit("old", 0.0)
    for _ in range(3):
        run_call(breaker, "failure", 0.0)
    breaker.admit("probe", 5.0)

    assert breaker.settle("old", verdict, 6.0, MIDDLE) is None

    assert breaker.phase == "half_open"
    assert not breaker.can_admit(6.0)
    breaker.settle("probe", "success", 6.0, MIDDLE)
    assert run_call(breaker, "success", 6.0) is not None


@pytest.mark.parametrize("times", [1, 50])
def test_neutral_probes_give_the_permit_back_and_decide_nothing(times: int) -> None:
    # A 4xx, a cancelled call, a 429 and our own bug all arrive as neutral.
    breaker = probing()

    assert breaker.settle("probe", "neutral", 5.0, MIDDLE) is None
    for _ in range(times):
        assert run_call(breaker, "neutral", 5.0) is None

    assert breaker.phase == "half_open"
    assert breaker.permit_free(5.0)
    run_call(breaker, "success", 5.0)
    assert run_call(breaker, "success", 5.0) is not None


def test_an_abandoned_probe_loses_its_lease() -> None:
    breaker = probing()
    assert not breaker.admit("next", 604.9)

    assert breaker.can_admit(605.0)
    assert breaker.admit("next", 605.0)

    # What became of the abandoned one is no longer asked.
    assert breaker.settle("probe", "failure", 606.0, MIDDLE) is None
    assert breaker.phase == "half_open"
    assert not breaker.can_admit(606.0)


def test_a_probe_of_an_earlier_half_open_cannot_settle_a_later_one() -> None:
    breaker = probing()
    breaker.force_admit("forced", 5.0)
    assert breaker.settle("forced", "failure", 5.0, MIDDLE) is not None
    breaker.admit("new probe", breaker.open_until)

    assert breaker.settle("probe", "success", 20.0, MIDDLE) is None

    assert not breaker.can_admit(20.0)
    breaker.settle("new probe", "success", 20.0, MIDDLE)
    assert breaker.phase == "half_open"


def test_unknown_ids_change_nothing() -> None:
    for breaker in (Breaker(CONFIG), opened(), probing()):
        before = breaker.dump(5.0)

        assert breaker.settle("nobody", "failure", 5.0, MIDDLE, 100.0) is None

        assert breaker.dump(5.0) == before


def test_calls_nobody_settles_are_forgotten() -> None:
    breaker = Breaker(CONFIG)
    for n in range(1000):
        breaker.admit(f"leak {n}", float(n))
        breaker.admit(f"leak {n}", float(n))

    assert len(breaker._calls) == 600
    assert breaker.settle("leak 0", "failure", 1000.0, MIDDLE) is None


# Health probes and the last candidate ----------------------------------------


def test_a_health_probe_brings_half_open_forward_and_never_closes() -> None:
    breaker = opened()

    change = breaker.probe_passed(1.0)

    assert change == Change("open", "half_open", "health probe passed")
    for _ in range(10):
        assert breaker.probe_passed(1.0) is None
    assert breaker.phase == "half_open"
    assert breaker.admit("real", 1.0)


def test_a_health_probe_says_nothing_to_a_closed_breaker() -> None:
    assert Breaker(CONFIG).probe_passed(0.0) is None


def test_the_last_candidate_is_let_in_whatever_the_phase() -> None:
    breaker = opened()
    breaker.force_admit("forced", 1.0)

    change = breaker.settle("forced", "success", 1.0, MIDDLE)

    # A real success: one of the two that close.
    assert change == Change("open", "half_open", "a forced call succeeded")
    assert run_call(breaker, "success", 1.0) is not None
    assert breaker.phase == "closed"


def test_a_forced_failure_does_not_lengthen_the_open_time() -> None:
    breaker = opened()
    breaker.force_admit("forced", 1.0)

    assert breaker.settle("forced", "failure", 1.0, MIDDLE) is None

    assert breaker.open_until == 5.0


def test_a_forced_success_does_not_undercut_a_retry_after() -> None:
    breaker = Breaker(CONFIG)
    for _ in range(3):
        run_call(breaker, "failure", 0.0, retry_after_s=30.0)
    breaker.force_admit("forced", 1.0)

    assert breaker.settle("forced", "success", 2.0, MIDDLE) is None

    assert breaker.open_until == 30.0


def test_forcing_takes_the_free_permit() -> None:
    breaker = opened()

    breaker.force_admit("forced", 5.0)

    assert breaker.phase == "half_open"
    assert not breaker.can_admit(5.0)


# Surviving a restart ---------------------------------------------------------


def test_a_restored_open_breaker_waits_out_what_remained() -> None:
    breaker = Breaker(CONFIG)
    for _ in range(3):
        run_call(breaker, "failure", 1000.0, retry_after_s=7.0)
    wire = msgspec.msgpack.encode(breaker.dump(1002.0))

    state = msgspec.msgpack.decode(wire, type=BreakerState)
    restored = Breaker.restore(CONFIG, state, 3.0)

    assert restored.phase == "open"
    assert restored.open_until == 8.0
    assert restored.probe_passed(7.9) is None
    assert restored.consecutive_failures == 3
    assert reopen(restored) == 10.0


def test_a_restored_half_open_breaker_has_its_permit_free() -> None:
    breaker = probing()
    breaker.settle("probe", "success", 5.0, MIDDLE)
    breaker.admit("dies with the process", 5.0)

    restored = Breaker.restore(CONFIG, breaker.dump(6.0), 0.0)

    assert not restored.open_until
    assert restored.permit_free(0.0)
    assert run_call(restored, "success", 0.0) is not None
    assert restored.phase == "closed"


def test_a_restored_window_goes_on_counting_and_ageing() -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=100))
    for at in (0.0, 50.0):
        for _ in range(4):
            run_call(breaker, "slow", at)

    restored = Breaker.restore(CONFIG, breaker.dump(59.0), 1.0)
    later = Breaker.restore(CONFIG, breaker.dump(61.0), 1.0)

    assert restored.dump(1.0) == breaker.dump(59.0)
    assert later.dump(1.0).outcomes == ((11.0, "slow"),) * 4


# Any history -----------------------------------------------------------------


class ModelledBreaker(RuleBasedStateMachine):
    """The breaker against a naive model that keeps everything it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.config = BreakerConfig(min_calls=4, window_calls=6, permit_lease_s=40.0)
        self.breaker = Breaker(self.config)
        self.now = 0.0
        self.ids = 0
        self.phase: BreakerPhase = "closed"
        self.era = 0
        self.calls: dict[str, tuple[int, float]] = {}
        self.probe: str | None = None
        self.streak = 0
        self.successes = 0
        self.outcomes: list[tuple[float, str]] = []
        self.floor = 0.0
        self.open_until = 0.0

    @initialize(start=st.floats(0, 1e6))
    def begin(self, start: float) -> None:
        self.now = start

    def new_era(self, phase: BreakerPhase) -> None:
        self.phase, self.era = phase, self.era + 1
        self.outcomes, self.successes, self.probe = [], 0, None
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
        expected = self.phase == "closed" or due
        expected |= self.phase == "half_open" and self.probe is None
        assert self.breaker.can_admit(self.now) == expected
        if forced:
            self.breaker.force_admit(call_id, self.now)
        else:
            assert self.breaker.admit(call_id, self.now) == expected
        if due:
            self.new_era("half_open")
        if expected and self.phase == "half_open":
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
        if verdict == "failure" and retry_after_s is not None:
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
            self.streak = self.streak + counted if failed else 0
            self.outcomes.append((self.now, verdict))
            recent = [
                what
                for at, what in self.outcomes[-self.config.window_calls :]
                if self.now - at < self.config.window_s
            ]
            enough = len(recent) >= self.config.min_calls
            if (
                self.streak >= 3
                or (enough and recent.count("failure") >= 0.4 * len(recent))
                or (enough and recent.count("slow") >= 0.6 * len(recent))
            ):
                self.new_era("open")
        elif self.phase == "half_open":
            if verdict == "success":
                self.successes += 1
                if self.successes == 2:
                    self.streak = 0
                    self.new_era("closed")
            else:
                self.streak += failed and counted
                self.new_era("open")
        elif verdict == "success" and self.now >= self.floor:
            self.new_era("half_open")
            self.successes = 1
        else:
            self.open_until = max(self.open_until, self.floor)

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
        self.breaker = Breaker.restore(self.config, state, self.now)
        self.calls.clear()
        self.probe = None
        self.open_until = self.breaker.open_until

    @invariant()
    def agrees(self) -> None:
        assert self.breaker.phase == self.phase
        assert self.breaker.consecutive_failures == self.streak
        assert self.breaker.open_until == pytest.approx(self.open_until)

    def teardown(self) -> None:  # type: ignore[explicit-override]  # from 3.12 on
        assert_not_wedged(self.breaker, self.now)


def assert_not_wedged(breaker: Breaker, now: float) -> None:
    """Enough time and two successes close it, whatever was before."""
    now += 10_000.0
    for n in range(2):
        assert breaker.admit(f"healing {n}", now)
        breaker.settle(f"healing {n}", "success", now, MIDDLE)

    assert breaker.phase == "closed"


@pytest.mark.slow
def test_agrees_with_the_model_over_any_history() -> None:
    run_state_machine_as_test(
        ModelledBreaker,
        settings=settings(max_examples=60, stateful_step_count=40, deadline=None),
    )


class Schedule:
    """One random life of a breaker; everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.breaker = Breaker(BreakerConfig(permit_lease_s=30.0))
        self.now = 0.0
        self.in_flight: list[str] = []
        self.probe: tuple[str, float] | None = None
        self.failing = self.chance.random()

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
        becomes_probe = self.breaker.permit_free(self.now)
        if forced:
            self.breaker.force_admit(call_id, self.now)
        elif not self.breaker.admit(call_id, self.now):
            assert not self.breaker.can_admit(self.now)
            return
        self.in_flight.append(call_id)
        if becomes_probe:
            leased = self.probe is not None and self.now - self.probe[1] < 30.0
            assert not leased, f"two probes in flight, seed {self.seed}"
            self.probe = (call_id, self.now)

    def settle(self, index: int) -> None:
        call_id = self.in_flight.pop(index)
        verdict: Verdict = "success"
        if self.chance.random() < self.failing:
            verdict = self.chance.choice(("failure", "failure", "slow", "neutral"))
        change = self.breaker.settle(
            call_id,
            verdict,
            self.now,
            self.chance.random(),
            self.chance.choice((None, None, 20.0)),
        )
        if change is not None or (self.probe is not None and self.probe[0] == call_id):
            self.probe = None


@pytest.mark.slow
def test_never_two_probes_and_never_wedged_in_ten_thousand_schedules() -> None:
    for seed in range(10_000):
        schedule = Schedule(seed)

        schedule.run(steps=40)

        assert_not_wedged(schedule.breaker, schedule.now)
