"""The fault replay on a short made-up trace: what it prints, and that it repeats."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import anyio
import msgspec
import pytest
from structlog.testing import capture_logs

from actors.policy.breaker import BreakerConfig
from benchmarks.fault_replay.__main__ import main
from benchmarks.fault_replay.baselines import RULES, InARow, ShareOf, breaker_by
from benchmarks.fault_replay.faults import KINDS, schedule
from benchmarks.fault_replay.traces import Unreadable, read_arrivals, read_latencies
from benchmarks.fault_replay.virtual_time import Deadlock, run
from benchmarks.fault_replay.world import Callers, Policy, replay

REQUESTS = 500
NAMES = ("slug", "ant", "bee", "cat", "dog", "eel", "fox")
FIGURES = {
    "policy",
    "success",
    "first_try",
    "failed_per_request",
    "p50_s",
    "p95_s",
    "p99_s",
    "extra_calls",
}


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    draws, now = Random(1), 0.0
    lines = ["t_s,in_tok,out_tok"]
    for _ in range(REQUESTS):
        lines.append(f"{now:.4f},{draws.randint(10, 900)},{draws.randint(10, 300)}")
        now += draws.expovariate(5.0)
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def latency(tmp_path: Path) -> Path:
    draws = Random(2)
    lines = ["provider,size,seq,ttft_s,itl_s,e2e_s,in_tok,out_tok,error_code"]
    for place, name in enumerate(NAMES):
        for number in range(30):
            first = draws.uniform(0.2, 0.4) * (1 + place / 4)
            whole = first + 150 * draws.uniform(0.01, 0.02) * (1 + place / 4)
            lines.append(f"{name},70b,{number},{first},0.01,{whole},500,150,")
    lines += [f"lost,70b,{number},0,0,0,500,0,429" for number in range(30)]
    path = tmp_path / "latency.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def printed(
    trace: Path, latency: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, object]]:
    def printed(*more: str) -> dict[str, object]:
        given = ["--trace", str(trace), "--latency", str(latency), "--json", *more]
        with capture_logs():
            assert main([*given, "--seeds", "1"]) == 0
        return msgspec.json.decode(capsys.readouterr().out, type=dict[str, object])

    return printed


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_there_is_a_row_for_each_policy_and_ours_come_first(
    printed: Callable[..., dict[str, object]],
) -> None:
    rows = msgspec.convert(printed()["rows"], list[dict[str, object]])

    assert [row["policy"] for row in rows] == ["gitbridge", "gitbridge_flags", *RULES]
    by_name = {str(row["policy"]): row for row in rows}
    for row in rows:
        assert row.keys() >= FIGURES
        assert row["requests"] == REQUESTS
    for ours in ("gitbridge", "gitbridge_flags"):
        better, worse = by_name[ours], by_name["none"]
        assert float(str(better["success"])) >= float(str(worse["success"]))
        assert float(str(better["first_try"])) > float(str(worse["first_try"]))
        assert float(str(better["failed_per_request"])) < 0.75 * float(
            str(worse["failed_per_request"])
        )
        assert float(str(better["p99_s"])) < float(str(worse["p99_s"]))


@pytest.mark.slow
def test_the_same_seed_prints_the_same(
    printed: Callable[..., dict[str, object]],
) -> None:
    few = ("--policies", "gitbridge_flags,resilience4j")

    assert printed(*few) == printed(*few)
    assert printed(*few) != printed(*few, "--first-seed", "2")


@pytest.mark.slow
def test_everybody_is_told_once_and_nothing_is_left_open(
    trace: Path, latency: Path
) -> None:
    arrivals, latencies = read_arrivals(trace), read_latencies(latency, "70b")
    faults = schedule(sorted(latencies), arrivals[-1].at_s, 3)
    policy = Policy("ours", hedge=0.05, retry_budget=0.2)
    with capture_logs():
        tally = run(
            replay(policy, arrivals, latencies, faults, seed=3, callers=Callers())
        )

    assert tally.asked == tally.told == tally.ended == REQUESTS
    assert tally.calls >= tally.answered
    assert len(tally.latencies_s) == REQUESTS


def test_a_policy_that_is_not_known_is_named(
    capsys: pytest.CaptureFixture[str], trace: Path, latency: Path
) -> None:
    given = ["--trace", str(trace), "--latency", str(latency)]

    assert main([*given, "--policies", "polly,luck"]) == 64
    assert "no policy luck" in capsys.readouterr().err


def test_a_missing_data_file_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--trace", str(tmp_path / "none.csv")]) == 64
    assert "none.csv: No such file" in capsys.readouterr().err


def test_a_provider_that_was_mostly_refused_is_left_out(latency: Path) -> None:
    assert set(read_latencies(latency, "70b")) == set(NAMES)


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("t_s,in_tok\n0,1\n")

    with pytest.raises(Unreadable, match="no column out_tok"):
        read_arrivals(path)


def test_every_kind_of_fault_strikes_once_and_the_seed_decides_where() -> None:
    one, again = schedule(NAMES, 100.0, 1), schedule(NAMES, 100.0, 1)
    other = schedule(NAMES, 100.0, 2)

    assert sorted(fault.kind for fault in one) == sorted(KINDS)
    assert {fault.provider for fault in one} == set(NAMES)
    assert all(0.0 <= f.start_s < f.end_s <= 100.0 for f in one)
    assert one == again
    assert one != other


def test_virtual_time_passes_at_once_and_never_waits_for_nothing() -> None:
    async def sleeper() -> float:
        start = anyio.current_time()
        await anyio.sleep(86_400.0)
        return anyio.current_time() - start

    async def waiter() -> None:
        await anyio.Event().wait()

    assert run(sleeper()) == pytest.approx(86_400.0, abs=1e-3)
    with pytest.raises(Deadlock):
        run(waiter())


def test_so_many_failures_in_a_row_trip() -> None:
    trigger = InARow(3)
    told = [trigger.add(0.0, failed=f) for f in (True, True, False, True, True, True)]

    assert told == [False, False, False, False, False, True]


def test_a_share_trips_only_with_enough_calls_in_the_window() -> None:
    trigger = ShareOf(0.1, at_least=10, calls=None, seconds=30.0)
    early = [trigger.add(0.0, failed=True) for _ in range(9)]
    late = [trigger.add(31.0, failed=n == 0) for n in range(10)]

    assert not any(early)
    assert late == [False] * 9 + [True]


def test_a_ruled_breaker_opens_probes_and_closes() -> None:
    breaker = breaker_by(RULES["five_in_a_row"])(BreakerConfig())
    for number in range(5):
        assert breaker.admit(f"c{number}", 0.0)
        breaker.settle(f"c{number}", "failure", 0.0, 0.5)

    assert not breaker.admit("early", 29.0)
    assert breaker.admit("probe", 30.0)
    assert not breaker.admit("second", 30.0)
    breaker.settle("probe", "success", 31.0, 0.5)
    assert breaker.phase == "closed"


def test_a_cooldown_is_over_without_a_probe() -> None:
    breaker = breaker_by(RULES["cooldown"])(BreakerConfig())
    for number in range(3):
        breaker.admit(f"c{number}", 0.0)
        breaker.settle(f"c{number}", "failure", 0.0, 0.5)

    assert not breaker.admit("early", 4.9)
    assert breaker.admit("late", 5.0)
    assert breaker.phase == "closed"
