"""The daemon, its providers and their health as text."""

from collections.abc import Sequence

from actors.messages.lifecycle import Condition
from actors.messages.provider import ModelSnapshot, ProviderSnapshot
from actors.messages.routing import Weights
from daemon.cli.render.budgets import budgets
from daemon.cli.render.peers import peers
from daemon.cli.render.table import Cell, Paint, Row, Tone, one_line, table
from daemon.cli.render.units import (
    UNKNOWN,
    count,
    moment,
    money,
    name_of,
    seconds,
    share,
)
from ipc.feedback import QualityRow
from ipc.results import (
    MetricsResult,
    ProvidersResult,
    ProviderStatus,
    StatusResult,
    StrategyResult,
)

_SEVERITIES: dict[str, Tone] = {"info": "dim", "warning": "warn", "error": "bad"}
_BREAKERS: dict[str, Tone] = {"closed": "good", "half_open": "warn", "open": "bad"}

_NAMES = ("model", "provider/model", "provider", "task type")
_SPARE = (
    *("in flight", "window", "p50", "failures", "success", "p95"),
    *("requests", "latency", "cost", "model", "out/1M", "in/1M"),
)
_METRICS_SPARE = (
    *("last request", "unpriced", "cost/1k", "prompt", "completion", "success"),
    *("latency", "failures"),
)


def status(result: StatusResult, paint: Paint) -> str:
    """``gitbridge status``."""
    ready = paint("ready", "good") if result.ready else paint("not ready", "bad")
    simulated = f", {paint('simulated providers', 'warn')}" if result.simulated else ""
    waiting = sum(result.waiting.values())
    queued = f" ({waiting} of them waiting for a place)" if waiting else ""
    busy = (
        f"{result.in_flight} in flight{queued}, strategy {result.strategy} "
        f"({weights(result.weights)})"
    )
    lines = [
        f"gitbridge {result.version}, pid {result.pid}, {ready}{simulated}",
        f"up {seconds(result.uptime_s)} since {moment(result.started_at)}, {busy}",
        "",
        _status_table(result.providers, paint),
    ]
    there = [f"{n} {name.replace('_', ' ')}" for name, n in result.tasks.items() if n]
    if there:
        lines += ["", f"tasks: {', '.join(there)}"]
    if result.budgets:
        lines += ["", budgets(result.budgets, paint)]
    if result.peers:
        lines += ["", peers(result.peers, paint)]
    if result.conditions:
        lines += ["", *(_condition(each, paint) for each in result.conditions)]
    return "\n".join(lines)


def _status_table(providers: Sequence[ProviderStatus], paint: Paint) -> str:
    if not providers:
        return "no providers"
    numbers = ("success", "latency", "in flight", "requests", "failures", "cost")
    rows: list[Row] = [
        [
            each.provider + (" (simulated)" if each.simulated else ""),
            each.model or UNKNOWN,
            health_cell(healthy=each.healthy),
            breaker_cell(each.breaker),
            share(each.success_rate),
            seconds(each.latency_avg_s),
            _of_limit(each.in_flight, each.concurrency_limit),
            count(each.requests),
            count(each.failures),
            money(each.cost_usd),
        ]
        for each in providers
    ]
    headers = ["provider", "model", "health", "breaker", *numbers]
    return table(headers, rows, paint, right=numbers, names=_NAMES, spare=_SPARE)


def _of_limit(in_flight: int, limit: int | None) -> str:
    """``3`` calls, or ``3/8``: of as many as the provider takes at once."""
    return count(in_flight) if limit is None else f"{in_flight}/{limit}"


def _condition(condition: Condition, paint: Paint) -> str:
    space = " " * (len("warning") - len(condition.severity))
    mark = paint(condition.severity, _SEVERITIES[condition.severity]) + space
    text = f"{condition.title}: {one_line(condition.text)}"
    advice = paint(one_line(condition.advice), "dim")
    return f"{mark}  {text}, since {moment(condition.since)}\n         {advice}"


def health_cell(*, healthy: bool | None) -> Cell:
    """Not probed yet is a dash: neither good nor bad."""
    if healthy is None:
        return Cell(UNKNOWN, "dim")
    return Cell("healthy", "good") if healthy else Cell("unhealthy", "bad")


def breaker_cell(phase: str) -> Cell:
    return Cell(phase.replace("_", "-"), _BREAKERS[phase])


def weights(value: Weights) -> str:
    """The three weights of the hybrid strategy on one line."""
    return (
        f"cost {value.cost:.2f}, performance {value.performance:.2f}, "
        f"availability {value.availability:.2f}"
    )


def strategy(result: StrategyResult) -> str:
    """``gitbridge strategy`` and ``gitbridge weights``."""
    strategy_from = _source(overridden=result.strategy_overridden)
    weights_from = _source(overridden=result.weights_overridden)
    return (
        f"strategy {result.strategy}, {strategy_from}\n"
        f"weights of hybrid: {weights(result.weights)}, {weights_from}"
    )


def _source(*, overridden: bool) -> str:
    return "set at run time" if overridden else "as configured"


def providers(result: ProvidersResult, paint: Paint) -> str:
    """``gitbridge providers``: every model of every provider."""
    rows: list[Row] = [
        _model_row(provider, model)
        for provider in result.providers
        for model in provider.models
    ]
    if not rows:
        return "no providers"
    numbers = ("success", "p50", "p95", "in/1M", "out/1M", "window", "in flight")
    headers = ["provider/model", "kind", "health", "breaker", *numbers]
    return table(
        headers, rows, paint, right=numbers, names=_NAMES, spare=_SPARE
    ) + quality(result.quality, paint)


def _model_row(provider: ProviderSnapshot, model: ModelSnapshot) -> Row:
    default = " *" if model.model == provider.default_model else ""
    simulated = " (simulated)" if provider.simulated else ""
    return [
        name_of(model.provider, model.model) + default,
        provider.kind + simulated,
        health_cell(healthy=provider.healthy),
        breaker_cell(model.breaker),
        share(model.success_rate),
        seconds(model.latency_p50_s),
        seconds(model.latency_p95_s),
        money(model.input_price),
        money(model.output_price),
        count(model.context_window),
        count(model.in_flight),
    ]


def quality(rows: Sequence[QualityRow], paint: Paint) -> str:
    """What feedback has taught, by task type; empty without any."""
    if not rows:
        return ""
    cells: list[Row] = [
        [
            each.task_type or UNKNOWN,
            name_of(each.provider, each.model)
            + (" (simulated)" if each.simulated else ""),
            f"{each.quality:.3f}",
            count(each.labels),
        ]
        for each in rows
    ]
    headers = ["task type", "provider/model", "quality", "labels"]
    return "\n\n" + table(
        headers, cells, paint, right=("quality", "labels"), names=_NAMES
    )


def metrics(result: MetricsResult, paint: Paint) -> str:
    """``gitbridge metrics``: each provider's window and totals, and their sum."""
    numbers = ["success", "latency", "cost/1k", "requests", "failures", "prompt"]
    numbers += ["completion", "cost", "unpriced"]
    rows: list[Row] = [_metrics_row(each) for each in result.providers]
    total: Row = [
        *(Cell("all", "bold"), "", "", "", count(result.requests)),
        *(count(result.failures), count(result.prompt_tokens)),
        *(count(result.completion_tokens), money(result.cost_usd)),
        *(count(result.unpriced_calls), ""),
    ]
    headers = ["provider", *numbers, "last request"]
    shown = table(
        headers,
        [*rows, total],
        paint,
        right=numbers,
        names=_NAMES,
        spare=_METRICS_SPARE,
    )
    return shown + quality(result.quality, paint)


def _metrics_row(provider: ProviderSnapshot) -> Row:
    totals = provider.totals
    priced = totals.unpriced_calls < totals.requests or not totals.requests
    return [
        provider.provider + (" (simulated)" if provider.simulated else ""),
        share(provider.success_rate),
        seconds(provider.latency_avg_s),
        money(provider.cost_per_1k_tokens_usd),
        count(totals.requests),
        count(totals.failures),
        count(totals.prompt_tokens),
        count(totals.completion_tokens),
        money(totals.cost_usd if priced else None),
        count(totals.unpriced_calls),
        moment(totals.last_request_at),
    ]
