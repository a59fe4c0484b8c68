"""Whatever goes wrong, in whatever order: the retry rules hold."""

import math
from collections import Counter
from typing import get_args

import pytest
from hypothesis import event, given, settings, strategies as st
from msgspec import Struct

from actors import errors
from actors.errors import FailureClass
from actors.messages.routing import Target
from actors.policy.attempts import Call, GiveUp, RetryConfig
from actors.policy.retry_rules import ENDS
from tests.support.attempt_story import Story


class Trouble(Struct, frozen=True):
    """How one call fails; ``took_s`` and ``after_s`` in seconds."""

    kind: FailureClass
    after_s: float | None
    called: bool
    neutral: bool
    took_s: float
    draw: float


class Situation(Struct, frozen=True):
    """A request as it begins."""

    config: RetryConfig
    ranked: tuple[Target, ...]
    windows: dict[Target, int]
    ordered: bool
    forced: bool
    deadline: float

    def story(self) -> Story:
        return Story(
            self.ranked,
            self.config,
            ordered=self.ordered,
            forced=self.forced,
            deadline=self.deadline,
            windows=dict(self.windows),
        )


class Witness:
    """Remembers what happened, much more simply than the plan does, and objects."""

    def __init__(self, situation: Situation) -> None:
        self.situation = situation
        self.not_before: dict[Target, float] = {}
        self.too_long: set[str] = set()
        self.largest_too_small = 0
        self.dead: set[str] = set()
        self.finished: set[Target] = set()
        self.tried: set[Target] = set()
        self.refusals: Counter[Target] = Counter()
        self.calls = 0
        self.stale_forgiven = False

    def check(self, call: Call, now: float) -> None:
        target, begins = call.target, now + call.delay_s

        assert begins < self.situation.deadline
        assert begins >= self.not_before.get(target, -math.inf) - 1e-9
        assert target.model not in self.too_long
        assert target.provider not in self.dead
        assert target not in self.finished
        window = self.situation.windows.get(target, math.inf)
        assert window > self.largest_too_small
        if not call.repeat and target not in self.not_before:
            assert call.delay_s == 0.0
        if self.situation.forced:
            assert target.provider == self.situation.ranked[0].provider
        elif self.calls + 1 == self.situation.config.max_attempts:
            assert target not in self.tried or not self.fresh(now)

    def fresh(self, now: float) -> list[Target]:
        """Who could take the last attempt without having been tried."""
        return [
            target
            for target in self.situation.ranked
            if target not in self.tried | self.finished
            and target.provider not in self.dead
            and not self.too_long
            and self.not_before.get(target, now) <= now
        ]

    def note(self, target: Target, trouble: Trouble, now: float) -> None:
        stale = trouble.called and trouble.neutral and trouble.kind == "connect"
        if stale and not self.stale_forgiven and now < self.situation.deadline:
            self.stale_forgiven = True
            return
        if trouble.after_s is not None:
            self.not_before[target] = now + trouble.after_s
        if not trouble.called:
            self.refusals[target] += 1
            waitable = trouble.kind == "rate_limit" and trouble.after_s is not None
            if not waitable or self.refusals[target] == 3:
                self.finished.add(target)
            return
        self.calls += 1
        self.tried.add(target)
        if trouble.kind == "context_too_long":
            self.too_long.add(target.model)
            window = self.situation.windows.get(target, 0)
            self.largest_too_small = max(self.largest_too_small, window)
        self.end(target, trouble.kind)

    def end(self, target: Target, kind: FailureClass) -> None:
        if kind == "timeout" and not self.situation.ordered:
            return
        if ENDS[kind] == "provider":
            self.dead.add(target.provider)
        elif ENDS[kind] != "nothing":
            self.finished.add(target)


targets = st.builds(Target, st.sampled_from("abcd"), st.sampled_from(["m", "n", "o"]))
configs = st.builds(
    RetryConfig,
    max_attempts=st.integers(1, 6),
    max_retries=st.integers(0, 4),
    base_delay_s=st.floats(0.0, 3.0),
    max_delay_s=st.floats(0.0, 40.0),
    same_first=st.just("auto") | st.integers(0, 3),
    wait_retry_after_s=st.floats(0.0, 10.0),
    content_filter_fallback=st.booleans(),
)
situations = st.builds(
    Situation,
    config=configs,
    ranked=st.lists(targets, max_size=6).map(tuple),
    windows=st.dictionaries(targets, st.sampled_from([100, 200, 300])),
    ordered=st.booleans(),
    forced=st.booleans(),
    deadline=st.floats(1.0, 200.0),
)
troubles = st.builds(
    Trouble,
    kind=st.sampled_from(get_args(FailureClass)),
    after_s=st.none() | st.floats(0.0, 60.0),
    called=st.booleans() | st.just(value=True),
    neutral=st.booleans(),
    took_s=st.floats(0.0, 20.0),
    draw=st.floats(0.0, 1.0, exclude_max=True),
)


@pytest.mark.slow
@given(situations, st.lists(troubles, min_size=30, max_size=30))
@settings(deadline=None, max_examples=200)
def test_every_run_of_failures_keeps_the_rules_and_ends(
    situation: Situation, luck: list[Trouble]
) -> None:
    story, witness = situation.story(), Witness(situation)
    for trouble in luck:
        if isinstance(story.step, GiveUp):
            break
        call = story.call
        witness.check(call, story.now)
        story.fails(
            trouble.kind,
            after_s=trouble.after_s,
            called=trouble.called,
            neutral=trouble.neutral,
            took_s=trouble.took_s,
            draw=trouble.draw,
        )
        witness.note(call.target, trouble, story.now)

    assert isinstance(story.step, GiveUp), "a run of failures never ended"
    assert isinstance(story.error, errors.GitBridgeError)
    assert witness.calls == story.plan.calls <= situation.config.max_attempts
    event(f"{witness.calls} calls")


@given(
    st.lists(targets, min_size=1, max_size=5),
    st.booleans(),
    st.floats(0.0, 4.0),
    st.integers(1, 6),
)
@settings(deadline=None, max_examples=100)
def test_an_endless_rate_limit_is_a_bounded_number_of_calls(
    ranked: list[Target], ordered: bool, after_s: float, max_attempts: int
) -> None:
    """A 429 may be permanent for a prompt of that size."""
    config = RetryConfig(max_attempts=max_attempts)
    story = Story(ranked, config, ordered=ordered)
    while isinstance(story.step, Call):
        story.fails("rate_limit", after_s=after_s)

    assert isinstance(story.error, errors.ProviderRateLimited)
    assert story.plan.calls <= max_attempts
