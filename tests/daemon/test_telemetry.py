"""Metrics: names, labels, and the text that Prometheus reads."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from actors.messages.chat import Usage
from actors.messages.consensus import Ballot, ConsensusInfo
from actors.messages.lifecycle import Condition
from actors.messages.provider import BreakerTransition, ModelSnapshot, ProviderSnapshot
from actors.messages.reuse import Reused
from actors.messages.router import QueueExit
from actors.messages.routing import (
    AttemptRecord,
    Decision,
    Priority,
    RequestRecord,
    Weights,
)
from daemon.telemetry import MAX_SERIES, Figure, Telemetry


def attempt(provider: str, outcome: str = "ok", **given: object) -> AttemptRecord:
    fields: dict[str, object] = {
        "attempt_id": "a",
        "provider": provider,
        "model": "m",
        "outcome": outcome,
        "started_at": 0.0,
        "latency_s": 0.2,
    }
    return AttemptRecord(**(fields | given))  # type: ignore[arg-type]  # a test's words


def record(*attempts: AttemptRecord, **given: object) -> RequestRecord:
    fields: dict[str, object] = {
        "request_id": "r",
        "at": 0.0,
        "door": "http",
        "decision": Decision(
            decision_id="d", strategy="cost", weights=Weights(), candidates=()
        ),
        "attempts": attempts,
        "outcome": "ok",
        "provider": "one",
        "model": "m",
        "task_type": "general",
        "latency_s": 0.3,
        "overhead_s": 0.0004,
    }
    return RequestRecord(**(fields | given))  # type: ignore[arg-type]  # a test's words


CONDITION = Condition(
    code="breaker_open",
    severity="warning",
    title="T",
    text="x",
    since=0.0,
    advice="A.",
)


FIGURE = Figure("state_free_bytes", "Room.", 7_000_000_000)
COUNTED = Figure("log_lines_dropped_total", "Lost.", 3, "counter")


def lines(telemetry: Telemetry, *snapshots: ProviderSnapshot) -> list[str]:
    conditions = (CONDITION, CONDITION)
    waiting: dict[Priority, int] = {"high": 0, "normal": 3, "low": 1}
    return telemetry.render(
        snapshots, {"router": 2}, waiting, conditions, (FIGURE, COUNTED)
    ).splitlines()


def test_figures_of_the_process_are_shown_as_they_are() -> None:
    text = lines(Telemetry())

    assert "# TYPE gitbridge_state_free_bytes gauge" in text
    assert "gitbridge_state_free_bytes 7000000000" in text
    assert "# TYPE gitbridge_log_lines_dropped_total counter" in text
    assert "gitbridge_log_lines_dropped_total 3" in text


def test_conditions_are_counted_by_code_those_that_do_not_hold_too() -> None:
    text = lines(Telemetry())

    assert 'gitbridge_conditions{code="breaker_open",severity="warning"} 2' in text
    assert 'gitbridge_conditions{code="spool_unwritable",severity="error"} 0' in text


def test_a_round_of_consensus_is_counted_by_method_and_outcome() -> None:
    telemetry = Telemetry()
    info = ConsensusInfo(
        method="quorum",
        kind="none",
        rule="x",
        agreement=0.0,
        confidence=None,
        winner=None,
        groups=(),
        ballots=(),
    )
    telemetry.on_record(replace(record(), consensus=info))

    wanted = 'gitbridge_consensus_rounds_total{method="quorum",outcome="ok"} 1'
    assert wanted in lines(telemetry)


@pytest.mark.parametrize(
    ("winner", "judge", "model"),
    [(1, None, "big"), (None, "one/chair", "chair"), (None, None, "small")],
)
def test_a_round_has_the_label_of_the_model_it_was_decided_for(
    winner: int | None, judge: str | None, model: str
) -> None:
    telemetry = Telemetry()
    info = ConsensusInfo(
        method="majority",
        kind="text",
        rule="x",
        agreement=0.5,
        confidence=None,
        winner=winner,
        judge=judge,
        groups=(),
        ballots=(
            Ballot(member="one/small", state="answered", group=0),
            Ballot(member="two/m", state="answered", group=1),
            Ballot(member="one/big", state="answered", group=1),
        ),
    )
    found = replace(record(), consensus=info, provider="one", model="big-2024-08-06")
    telemetry.on_record(found)

    who = f'provider="one",model="{model}"'
    assert f"gitbridge_request_duration_seconds_count{{{who}}} 1" in lines(telemetry)


def test_a_request_is_counted_timed_and_paid_for() -> None:
    telemetry = Telemetry()
    paid = attempt(
        "one",
        cost_usd=Decimal("0.0000206"),
        usage=Usage(prompt_tokens=7, completion_tokens=3, reasoning_tokens=1),
    )
    telemetry.on_record(record(paid, time_to_first_token_s=0.1))
    text = lines(telemetry)

    who = 'provider="one",model="m"'
    assert (
        f'gitbridge_requests_total{{{who},task_type="general",outcome="ok"}} 1' in text
    )
    assert f'gitbridge_request_duration_seconds_bucket{{{who},le="0.25"}} 0' in text
    assert f'gitbridge_request_duration_seconds_bucket{{{who},le="0.5"}} 1' in text
    assert f'gitbridge_request_duration_seconds_bucket{{{who},le="+Inf"}} 1' in text
    assert f"gitbridge_request_duration_seconds_count{{{who}}} 1" in text
    assert f"gitbridge_cost_usd_total{{{who}}} 0.0000206" in text
    assert f'gitbridge_tokens_total{{{who},kind="prompt"}} 7' in text
    assert f"gitbridge_time_to_first_token_seconds_count{{{who}}} 1" in text
    assert 'gitbridge_overhead_seconds_bucket{le="0.0005"} 1' in text
    assert 'gitbridge_mailbox_depth{actor="router"} 2' in text


def test_a_cost_that_is_not_known_is_counted_apart_and_never_as_zero() -> None:
    telemetry = Telemetry()
    telemetry.on_record(record(attempt("one")))
    text = lines(telemetry)

    assert 'gitbridge_unpriced_calls_total{provider="one",model="m"} 1' in text
    assert not any(line.startswith("gitbridge_cost_usd_total{") for line in text)


def test_failovers_and_retries_are_told_apart() -> None:
    telemetry = Telemetry()
    telemetry.on_record(
        record(
            attempt("one", "server_error"),
            attempt("two", "server_error", kind="failover"),
            attempt("one", "server_error", kind="retry"),
            attempt("three", kind="failover"),
        )
    )
    text = lines(telemetry)

    assert 'gitbridge_retries_total{provider="one",model="m"} 1' in text
    assert 'gitbridge_failovers_total{provider="one",model="m"} 2' in text


def test_calls_that_go_on_are_counted_by_how_they_ended() -> None:
    telemetry = Telemetry()
    telemetry.on_record(
        record(attempt("two", "bad_response"), attempt("one", kind="resume"))
    )

    resumed = 'gitbridge_resumes_total{provider="one",model="m",outcome="ok"} 1'
    assert resumed in lines(telemetry)


def test_hedges_are_counted_by_how_they_ended() -> None:
    telemetry = Telemetry()
    telemetry.on_record(
        record(attempt("two"), attempt("one", "cancelled", kind="hedge"))
    )
    telemetry.on_record(
        record(attempt("two", "cancelled"), attempt("one", kind="hedge"))
    )
    text = lines(telemetry)

    hedges = 'gitbridge_hedges_total{provider="one",model="m",outcome='
    assert hedges + '"cancelled"} 1' in text
    assert hedges + '"ok"} 1' in text
    assert not any("failovers_total{" in line for line in text)


def test_shed_requests_and_breakers_are_counted() -> None:
    telemetry = Telemetry()
    telemetry.on_queue(QueueExit("low", 1.5, "overloaded"))
    telemetry.on_queue(QueueExit("low", 0.5, "left"))
    telemetry.on_transition(
        BreakerTransition(
            provider="one", model="m", before="closed", after="open", reason="", at=0.0
        )
    )
    text = lines(telemetry)

    assert 'gitbridge_shed_total{reason="overloaded"} 1' in text
    assert (
        'gitbridge_breaker_transitions_total{provider="one",model="m",to="open"} 1'
        in text
    )


def test_waits_for_a_place_are_timed_when_they_end_well() -> None:
    telemetry = Telemetry()
    telemetry.on_queue(QueueExit("high", 1.5, "served"))
    telemetry.on_queue(QueueExit("high", 9.5, "deadline"))
    text = lines(telemetry)

    assert 'gitbridge_queue_wait_seconds_sum{priority="high"} 1.5' in text
    assert 'gitbridge_queue_wait_seconds_count{priority="high"} 1' in text
    assert 'gitbridge_shed_total{reason="deadline"} 1' in text


def test_gauges_are_read_from_the_snapshots() -> None:
    known = ProviderSnapshot(
        provider="one",
        kind="openai",
        version=1,
        default_model="m",
        healthy=False,
        concurrency_limit=12,
        in_flight=7,
        models=(ModelSnapshot(provider="one", model="m", breaker="half_open"),),
    )
    unknown = msgspec.structs.replace(
        known, provider="two", healthy=None, concurrency_limit=None, models=()
    )
    text = lines(Telemetry(), known, unknown)

    assert 'gitbridge_provider_up{provider="one"} 0' in text
    assert not any('gitbridge_provider_up{provider="two"}' in line for line in text)
    assert 'gitbridge_breaker_state{provider="one",model="m"} 1' in text
    assert 'gitbridge_concurrency_limit{provider="one"} 12' in text
    assert not any('concurrency_limit{provider="two"}' in line for line in text)
    assert 'gitbridge_provider_in_flight{provider="one"} 7' in text
    assert 'gitbridge_queue_depth{priority="normal"} 3' in text


def test_a_callers_inventions_cannot_grow_the_registry() -> None:
    telemetry = Telemetry()
    for number in range(MAX_SERIES + 100):
        telemetry.on_record(record(task_type=f"invented-{number}"))
    series = [
        line
        for line in lines(telemetry)
        if line.startswith("gitbridge_requests_total{")
    ]

    assert len(series) == MAX_SERIES + 1
    assert any('task_type="other"' in line and line.endswith(" 100") for line in series)


def test_label_values_are_escaped() -> None:
    telemetry = Telemetry()
    telemetry.on_record(record(task_type='a"b\\c\nd'))

    assert any(r'task_type="a\"b\\c\nd"' in line for line in lines(telemetry))


def test_a_model_has_one_name_in_all_metrics() -> None:
    telemetry = Telemetry()
    paid = attempt("one", cost_usd=Decimal("0.5"), answered_model="m-2024-08-06")
    telemetry.on_record(record(paid, model="m-2024-08-06"))

    assert not any("2024" in line for line in lines(telemetry))


def test_a_request_that_nobody_answered_is_nobodys() -> None:
    telemetry = Telemetry()
    failed = attempt("one", "timeout")
    telemetry.on_record(
        record(failed, provider=None, model=None, outcome="provider_error")
    )

    assert (
        'gitbridge_requests_total{provider="none",model="none",task_type="general",'
        'outcome="provider_error"} 1'
    ) in lines(telemetry)


def test_what_is_given_again_says_nothing_of_how_fast_a_provider_is() -> None:
    metrics = Telemetry()
    saved = Reused(kind="cached", request_id="r0", saved_usd=Decimal("0.25"))
    metrics.on_record(record(reused=saved))
    metrics.on_record(record(reused=replace(saved, kind="joined", saved_usd=None)))
    metrics.on_record(record(reused=replace(saved, kind="joined"), outcome="cancelled"))

    assert metrics.cache_hits.values == {("cached",): 1, ("joined",): 1}
    assert metrics.cache_saved.values == {(): Decimal("0.25")}
    assert metrics.duration.counts == {}
    assert sum(metrics.requests.values.values()) == 3
