"""Status, providers, metrics and the strategy as text."""

from decimal import Decimal

import msgspec

from actors.messages.lifecycle import Condition
from actors.messages.provider import (
    ModelSnapshot,
    ProviderSnapshot,
    ProviderTotals,
)
from actors.messages.routing import Weights
from daemon.cli.render import status as rendered
from daemon.cli.render.table import colours, no_colours
from ipc.feedback import QualityRow
from ipc.results import (
    MetricsResult,
    ProvidersResult,
    ProviderStatus,
    StatusResult,
    StrategyResult,
)

AT_A_GLANCE = ProviderStatus(
    provider="openai",
    kind="openai",
    model="gpt-4o",
    healthy=True,
    breaker="closed",
    success_rate=0.99,
    latency_avg_s=1.25,
    consecutive_failures=0,
    in_flight=2,
    requests=1234,
    failures=3,
    cost_usd=Decimal("0.5"),
    last_request_at=0.0,
)


def status_of(**changes: object) -> StatusResult:
    plain: dict[str, object] = {
        "version": "0.1.0",
        "pid": 7,
        "started_at": 0.0,
        "uptime_s": 3660.0,
        "ready": True,
        "strategy": "hybrid",
        "weights": Weights(),
        "in_flight": 2,
        "providers": (AT_A_GLANCE,),
    }
    return StatusResult(**{**plain, **changes})  # type: ignore[arg-type] # any field


def snapshot(**changes: object) -> ProviderSnapshot:
    plain: dict[str, object] = {
        "provider": "grok",
        "kind": "xai",
        "version": 1,
        "models": (
            ModelSnapshot(
                provider="grok", model="grok-3-mini", input_price=Decimal("0.3")
            ),
            ModelSnapshot(provider="grok", model="grok-4", breaker="half_open"),
        ),
        "default_model": "grok-3-mini",
    }
    return ProviderSnapshot(**{**plain, **changes})  # type: ignore[arg-type] # any field


def test_status_says_who_waits_and_how_many_calls_a_provider_takes() -> None:
    limited = msgspec.structs.replace(AT_A_GLANCE, concurrency_limit=8)
    result = status_of(
        in_flight=5, waiting={"high": 1, "normal": 2, "low": 0}, providers=(limited,)
    )

    shown = rendered.status(result, no_colours)

    assert "5 in flight (3 of them waiting for a place)," in shown
    assert " 2/8 " in shown


QUALITY = QualityRow(
    provider="grok", model="grok-4", task_type=None, quality=0.75, labels=3
)


def test_what_feedback_has_taught_stands_below_the_providers() -> None:
    found = snapshot()
    result = ProvidersResult((found,), (QUALITY,))

    shown = rendered.providers(result, no_colours).splitlines()

    assert shown[-2].split() == ["task", "type", "provider/model", "quality", "labels"]
    assert shown[-1].split() == ["-", "grok/grok-4", "0.750", "3"]
    assert "quality" not in rendered.providers(ProvidersResult((found,)), no_colours)


def test_status_says_who_and_how() -> None:
    shown = rendered.status(status_of(), no_colours)

    assert "gitbridge 0.1.0, pid 7, ready" in shown
    assert "up 1 h 01 m since 1970-01-01 00:00:00Z, 2 in flight" in shown
    assert "strategy hybrid (cost 0.40, performance 0.30, availability 0.30)" in shown
    row = shown.splitlines()[-1].split("  ")
    assert [cell.strip() for cell in row if cell.strip()] == [
        "openai", "gpt-4o", "healthy", "closed", "99.0%", "1.25 s", "2", "1,234", "3",
        "$0.5000",
    ]  # fmt: skip


def test_status_says_what_is_wrong() -> None:
    condition = Condition(
        code="x",
        severity="warning",
        title="Disk",
        text="it is\x1bfull",
        since=0.0,
        advice="Free some.",
    )
    about = Condition(
        code="y",
        severity="info",
        title="Slow",
        text="grok is slow",
        since=0.0,
        advice="Wait.",
        provider="grok",
    )
    result = status_of(
        ready=False, simulated=True, providers=(), conditions=(condition, about)
    )
    shown = rendered.status(result, no_colours)

    assert "not ready, simulated providers" in shown
    assert "no providers" in shown
    assert shown.splitlines()[-4:] == [
        "warning  Disk: it is full, since 1970-01-01 00:00:00Z",
        "         Free some.",
        "info     Slow: grok is slow, since 1970-01-01 00:00:00Z",
        "         Wait.",
    ]


def test_colours_mark_health() -> None:
    assert "\x1b[32mhealthy\x1b[0m" in rendered.status(status_of(), colours)
    assert rendered.health_cell(healthy=None).text == "-"
    assert rendered.health_cell(healthy=False).tone == "bad"
    assert rendered.breaker_cell("half_open").text == "half-open"


def test_simulated_providers_are_called_so() -> None:
    simulated = msgspec.structs.replace(AT_A_GLANCE, simulated=True)
    assert "openai (simulated)" in rendered.status(
        status_of(providers=(simulated,)), no_colours
    )


def test_providers_list_every_model_and_mark_the_default() -> None:
    shown = rendered.providers(ProvidersResult((snapshot(simulated=True),)), no_colours)

    assert "grok/grok-3-mini *" in shown
    assert "xai (simulated)" in shown
    assert "half-open" in shown
    assert "$0.3000" in shown
    assert rendered.providers(ProvidersResult(()), no_colours) == "no providers"


def metrics_of(*providers: ProviderSnapshot) -> str:
    result = MetricsResult(
        requests=10,
        failures=1,
        prompt_tokens=100,
        completion_tokens=200,
        cost_usd=Decimal("0.25"),
        unpriced_calls=2,
        providers=providers,
    )
    return rendered.metrics(result, no_colours)


def test_metrics_end_with_the_sum() -> None:
    totals = ProviderTotals(requests=10, cost_usd=Decimal("0.25"), unpriced_calls=2)
    shown = metrics_of(snapshot(totals=totals, simulated=True)).splitlines()

    assert "grok (simulated)" in shown[1]
    assert "$0.2500" in shown[1]
    assert shown[-1].startswith("all")
    assert "$0.2500" in shown[-1]


def test_metrics_of_calls_without_a_price_are_not_free() -> None:
    unpriced = ProviderTotals(requests=3, unpriced_calls=3)

    assert "$0" not in metrics_of(snapshot(totals=unpriced)).splitlines()[1]
    assert "$0" in metrics_of(snapshot()).splitlines()[1]


def test_the_strategy_says_whose_choice_it_was() -> None:
    configured = rendered.strategy(StrategyResult("cost", Weights()))
    strategy = StrategyResult("cost", Weights(), True, strategy_overridden=True)
    weights = StrategyResult("cost", Weights(), True, weights_overridden=True)

    assert configured.splitlines() == [
        "strategy cost, as configured",
        "weights of hybrid: cost 0.40, performance 0.30, availability 0.30, as configured",
    ]
    first, second = rendered.strategy(strategy).splitlines()
    assert first == "strategy cost, set at run time"
    assert second.endswith("as configured")
    first, second = rendered.strategy(weights).splitlines()
    assert first == "strategy cost, as configured"
    assert second.endswith("set at run time")


def test_status_says_how_many_tasks_there_are_where_there_are_any() -> None:
    shown = rendered.status(
        status_of(tasks={"queued": 3, "in_work": 1, "dead": 0}), no_colours
    )
    assert "tasks: 3 queued, 1 in work" in shown
    assert "tasks" not in rendered.status(status_of(), no_colours)
