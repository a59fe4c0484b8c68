"""The rolling window against a reference that keeps every sample."""

from decimal import Decimal
from math import ceil, exp

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from actors.policy.window import (
    RollingWindow,
    Sample,
    WindowState,
    WindowSummary,
    WindowTotals,
)
from tests.support.steps import steps_of


class Reference:
    """Every figure computed anew from all samples, by its definition."""

    def __init__(self, samples: list[Sample], size: int, now: float) -> None:
        self.samples = samples
        self.now = now
        self.counted = [sample for sample in samples if sample.counted]
        self.last = self.counted[-size:]
        self.latencies = sorted(s.latency_s for s in self.last if s.ok)

    def success_rate(self) -> float | None:
        return len(self.latencies) / len(self.last) if self.last else None

    def latency_avg_s(self) -> float | None:
        if not self.latencies:
            return None
        return sum(self.latencies) / len(self.latencies)

    def latency_s(self, share: float) -> float | None:
        if not self.latencies:
            return None
        return self.latencies[ceil(share * len(self.latencies)) - 1]

    def posterior(self) -> tuple[float, float]:
        won = lost = 0.0
        for age, sample in enumerate(reversed(self.counted)):
            won += sample.ok * 0.995**age
            lost += (not sample.ok) * 0.995**age
        return 1.0 + won, 1.0 + lost

    def cost_per_1k_tokens_usd(self) -> Decimal | None:
        cost, tokens = Decimal(0), 0
        for sample in self.last:
            if sample.cost_usd is not None:
                cost += sample.cost_usd if has_tokens(sample) else 0
                tokens += tokens_of(sample)
        return cost * 1000 / tokens if tokens else None

    def recent(self) -> list[Sample]:
        first = self.now // 5.0 - 11
        return [sample for sample in self.samples if sample.now // 5.0 >= first]

    def long(self) -> list[Sample]:
        first = self.now // 60.0 - 9
        return [sample for sample in self.samples if sample.now // 60.0 >= first]

    def averages(self) -> tuple[float | None, float | None]:
        firsts: list[tuple[float, float]] = []
        speeds: list[tuple[float, float]] = []
        for s in self.counted:
            tokens = s.output_tokens or 0
            if s.ok and s.ttft_s is not None:
                firsts.append((s.now, s.ttft_s))
            if s.ok and tokens >= 16:
                waited = s.ttft_s is not None
                after_s = max(0.0, s.latency_s - (s.ttft_s or 0.0))
                speeds.append((s.now, after_s / (tokens - waited)))
        return peak_average(firsts), peak_average(speeds)

    def totals(self) -> WindowTotals:
        costs = [s.cost_usd for s in self.samples if s.cost_usd is not None]
        return WindowTotals(
            requests=len(self.samples),
            failures=sum(not s.ok for s in self.counted),
            prompt_tokens=sum(s.prompt_tokens or 0 for s in self.samples),
            output_tokens=sum(s.output_tokens or 0 for s in self.samples),
            cost_usd=sum(costs, Decimal(0)),
            unpriced_calls=len(self.samples) - len(costs),
        )


def has_tokens(sample: Sample) -> bool:
    return sample.prompt_tokens is not None or sample.output_tokens is not None


def tokens_of(sample: Sample) -> int:
    return (sample.prompt_tokens or 0) + (sample.output_tokens or 0)


def peak_average(values: list[tuple[float, float]]) -> float | None:
    average: float | None = None
    last = 0.0
    for now, value in values:
        if average is None or value > average:
            average = value
        else:
            average = value + (average - value) * exp(-(now - last) / 10.0)
        last = now
    return average


def recorded(samples: list[Sample], size: int = 100) -> RollingWindow:
    window = RollingWindow(size)
    for sample in samples:
        window.record(sample)
    return window


steps = st.builds(
    Sample,
    # Seconds since the one before; eighths, so that no sum of them is rounded.
    now=st.sampled_from([0.0, 0.125, 1.0, 4.875, 30.0, 61.0, 300.0]),
    ok=st.booleans(),
    latency_s=st.floats(0.001, 600.0),
    ttft_s=st.none() | st.floats(0.001, 60.0),
    output_tokens=st.none() | st.integers(0, 4000),
    prompt_tokens=st.none() | st.integers(0, 100_000),
    cost_usd=st.none() | st.decimals(0, 10, places=12),
    counted=st.booleans() | st.just(value=True),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Sample]:
    now = draw(st.sampled_from([0.0, 2.5, 123_456.75]))
    samples = []
    for step in draw(st.lists(steps, max_size=40)):
        now += step.now
        samples.append(msgspec.structs.replace(step, now=now))
    return samples


def assert_near(found: float | None, wanted: float | None, rel: float = 1e-6) -> None:
    assert (found is None) == (wanted is None)
    if found is not None and wanted is not None:
        assert found == pytest.approx(wanted, rel=rel, abs=1e-8)


def assert_agrees(found: WindowSummary, wanted: Reference) -> None:
    recent = wanted.recent()
    shares = (found.latency_p50_s, found.latency_p95_s, found.latency_p99_s)

    assert found.calls == len(wanted.last)
    assert found.failures == len(wanted.last) - len(wanted.latencies)
    assert found.success_rate == wanted.success_rate()
    assert_near(found.latency_avg_s, wanted.latency_avg_s())
    for share, quantile in zip((0.5, 0.95, 0.99), shares, strict=True):
        assert_near(quantile, wanted.latency_s(share), rel=0.02)
    assert (found.alpha, found.beta) == pytest.approx(wanted.posterior())
    assert found.cost_per_1k_tokens_usd == wanted.cost_per_1k_tokens_usd()
    assert found.recent_calls == sum(sample.counted for sample in recent)
    assert found.recent_failures == sum(s.counted and not s.ok for s in recent)
    assert found.recent_tokens == sum(tokens_of(sample) for sample in recent)
    long = wanted.long()
    assert found.long_calls == sum(sample.counted for sample in long)
    assert found.long_failures == sum(s.counted and not s.ok for s in long)
    assert found.long_tokens == sum(tokens_of(sample) for sample in long)
    assert found.totals == wanted.totals()
    averages = (found.ttft_ewma_s, found.seconds_per_token)
    for average, expected in zip(averages, wanted.averages(), strict=True):
        assert_near(average, expected)


@settings(deadline=None)
@given(
    histories(),
    st.sampled_from([1, 3, 10, 100]),
    st.sampled_from([0.0, 4.0, 55.0, 60.0, 70.0, 540.0, 601.0]),
)
@pytest.mark.slow
def test_every_figure_agrees_with_the_reference(
    samples: list[Sample], size: int, quiet_s: float
) -> None:
    now = (samples[-1].now if samples else 0.0) + quiet_s

    found = recorded(samples, size).summary(now)

    assert_agrees(found, Reference(samples, size, now))


@settings(deadline=None)
@given(histories(), histories(), st.sampled_from([3, 100]))
@pytest.mark.slow
def test_a_restored_window_goes_on_as_if_nothing_had_been(
    before: list[Sample], after: list[Sample], size: int
) -> None:
    end = before[-1].now if before else 0.0
    wire = msgspec.msgpack.encode(recorded(before, size).dump(end))
    start = end % 60.0 + 1200.0  # a new clock, at the same place within a bucket

    state = msgspec.msgpack.decode(wire, type=WindowState)
    window = RollingWindow.restore(state, start, size)
    samples = [at(sample, sample.now - end + start) for sample in before]
    for sample in after:
        samples.append(at(sample, sample.now - after[0].now + start))
        window.record(samples[-1])

    now = samples[-1].now if samples else start
    assert_agrees(window.summary(now), Reference(samples, size, now))


def at(sample: Sample, now: float) -> Sample:
    return msgspec.structs.replace(sample, now=now)


def test_an_empty_window_knows_nothing() -> None:
    summary = RollingWindow().summary(0.0)

    assert summary.calls == 0
    assert summary.success_rate is None
    assert summary.latency_p99_s is None
    assert summary.cost_per_1k_tokens_usd is None
    assert summary.last_call_age_s is None
    assert (summary.alpha, summary.beta) == (1.0, 1.0)
    assert RollingWindow.restore(RollingWindow().dump(0.0), 9.0).summary(9.0) == summary


def test_a_free_call_is_not_an_unpriced_one() -> None:
    free = recorded([Sample(0.0, True, 1.0, None, 10, 10, Decimal(0))]).summary(0.0)
    unknown = recorded([Sample(0.0, True, 1.0, None, 10, 10, None)]).summary(0.0)

    assert free.cost_per_1k_tokens_usd == 0
    assert free.totals.unpriced_calls == 0
    assert unknown.cost_per_1k_tokens_usd is None
    assert unknown.totals.unpriced_calls == 1


def test_money_is_exact_after_a_long_life() -> None:
    costs = [Decimal(n) / 10**12 for n in range(1, 2001)]
    samples = [
        Sample(float(n), True, 0.1, None, 500, 500, cost)
        for n, cost in enumerate(costs)
    ]

    summary = recorded(samples).summary(2000.0)

    assert summary.cost_per_1k_tokens_usd == sum(costs[-100:], Decimal(0)) / 100
    assert summary.totals.cost_usd == sum(costs, Decimal(0))


def test_what_does_not_count_still_costs() -> None:
    cancelled = Sample(3.0, False, 9.0, 1.0, 40, 60, Decimal("0.01"), counted=False)

    summary = recorded([cancelled]).summary(4.0)

    assert (summary.calls, summary.failures) == (0, 0)
    assert summary.ttft_ewma_s is None
    assert summary.recent_tokens == 100
    assert summary.totals == WindowTotals(
        requests=1, prompt_tokens=60, output_tokens=40, cost_usd=Decimal("0.01")
    )
    assert summary.last_call_age_s == 1.0


def test_a_peak_shows_at_once_and_fades() -> None:
    window = recorded([Sample(0.0, True, 1.0, 0.2), Sample(1.0, True, 9.0, 8.0)])
    assert window.summary(1.0).ttft_ewma_s == 8.0

    for second in range(2, 60):
        window.record(Sample(float(second), True, 1.0, 0.2))

    assert window.summary(60.0).ttft_ewma_s == pytest.approx(0.2, abs=0.03)


def test_short_answers_say_nothing_about_speed() -> None:
    short = recorded([Sample(0.0, True, 2.0, None, 15)]).summary(0.0)
    enough = recorded([Sample(0.0, True, 1.6, None, 16)]).summary(0.0)
    streamed = recorded([Sample(0.0, True, 2.0, 0.5, 16)]).summary(0.0)

    assert short.seconds_per_token is None
    assert enough.seconds_per_token == pytest.approx(0.1)
    assert streamed.seconds_per_token == pytest.approx(0.1)


def answers(count: int, slower: float = 1.0) -> list[Sample]:
    """Answers at 10 ms per token after half a second, of mixed lengths."""
    lengths = [5 + 97 * n % 500 for n in range(count)]
    return [
        Sample(0.0, True, slower * (0.5 + 0.01 * tokens), None, tokens)
        for tokens in lengths
    ]


def test_the_expected_latency_follows_the_length() -> None:
    window = recorded(answers(30))

    for tokens in (1, 50, 2000):
        expected_s = window.expected_latency_s(tokens)
        assert expected_s == pytest.approx(0.5 + 0.01 * tokens)
    assert recorded(answers(9)).expected_latency_s(50) is None


def test_a_slow_spell_stands_out_until_it_is_the_rule() -> None:
    window = recorded(answers(100))
    for sample in answers(30, slower=8.0):
        assert sample.latency_s > 3.0 * (
            window.expected_latency_s(sample.output_tokens or 0) or 0.0
        )
        window.record(sample)

    for sample in answers(500, slower=8.0):
        window.record(sample)

    assert (window.expected_latency_s(50) or 0.0) > 7.0


def test_the_expected_latency_survives_a_restart() -> None:
    window = recorded(answers(100))

    restored = RollingWindow.restore(window.dump(0.0), 50.0)

    assert restored.expected_latency_s(77) == window.expected_latency_s(77)


def test_memory_is_bounded() -> None:
    window = recorded([Sample(n / 7, n % 3 > 0, n / 100 + 0.001) for n in range(5000)])

    state = window.dump(5000 / 7)

    assert len(state.entries) == 100
    assert len(state.buckets) <= 12
    assert len(state.long_buckets) <= 10
    assert len(window._histogram._bins) <= 100


def test_a_window_that_is_resized_is_one_of_that_size() -> None:
    samples = [
        Sample(now=float(i), ok=i % 3 > 0, latency_s=i / 8, output_tokens=i)
        for i in range(40)
    ]
    window, small = RollingWindow(), RollingWindow(7)
    for each in samples[:30]:
        window.record(each)
        small.record(each)
    window.resize(7)
    assert window.summary(30.0) == small.summary(30.0)
    for each in samples[30:]:
        window.record(each)
        small.record(each)
    assert window.summary(40.0) == small.summary(40.0)
    window.resize(9)
    window.record(samples[0])
    window.record(samples[1])

    assert window.summary(40.0).calls == 9


def test_a_smaller_window_keeps_the_newest_calls() -> None:
    window = recorded([Sample(float(n), n >= 90, 1.0) for n in range(100)])

    restored = RollingWindow.restore(window.dump(100.0), 0.0, size=10)

    assert restored.summary(0.0).calls == 10
    assert restored.summary(0.0).success_rate == 1.0


def test_the_p95_of_first_tokens_counts_waits_in_vain_and_forgets() -> None:
    window = RollingWindow(size=20)
    for number in range(18):
        window.record(
            Sample(float(number), ok=True, latency_s=5.0, ttft_s=1.0, prompt_tokens=100)
        )
    before = window.summary(20.0)
    for at in (20.0, 21.0):
        window.record(Sample(at, ok=False, latency_s=2.0, waited_s=2.0))
    after = window.summary(22.0)

    assert before.ttft_p95_s == pytest.approx(1.0, rel=0.01)
    assert (before.ttft_samples, before.ttft_prompt_tokens) == (18, 100.0)
    assert after.ttft_p95_s == pytest.approx(2.0, rel=0.01)
    assert after.ttft_ewma_s == 2.0
    kept = RollingWindow.restore(window.dump(22.0), 22.0, 20).summary(22.0)
    assert (kept.ttft_p95_s, kept.ttft_samples) == (after.ttft_p95_s, 20)
    for number in range(20):
        window.record(Sample(30.0 + number, ok=True, latency_s=5.0))
    assert window.summary(60.0).ttft_p95_s is None
    assert window.summary(60.0).ttft_prompt_tokens is None


def test_a_wait_in_vain_is_the_least_a_first_token_takes() -> None:
    window = RollingWindow()
    window.waited(3.0, 0.0)
    window.waited(1.0, 1.0)

    assert window.summary(1.0).ttft_ewma_s == 3.0
    assert window.summary(1.0).ttft_samples == 0


def test_recording_takes_as_many_steps_however_much_there_is() -> None:
    def steps(before: int) -> int:
        window = recorded(
            [Sample(n / 7, n % 3 > 0, n % 50 / 10) for n in range(before)]
        )
        samples = [
            Sample(before / 7 + n / 7, True, 1.0, 0.2, 100, 100, Decimal("0.001"))
            for n in range(60)
        ]

        def work() -> None:
            for sample in samples:
                window.record(sample)

        return steps_of(work)

    few, many = steps(200), steps(5000)

    assert many <= 1.05 * few
