"""A health check's verdicts: is it healthy, and fast enough?"""

from collections.abc import Sequence

from msgspec import Struct

from actors.messages.provider import ProbeResult
from daemon.cli.render.status import health_cell
from daemon.cli.render.table import Paint, Row, table
from daemon.cli.render.units import seconds


class Verdict(Struct, frozen=True, kw_only=True):
    """One provider's check. ``healthy`` also means fast enough. ``at``: epoch seconds.

    ``error`` is a sentence, ``None`` when it is healthy. ``simulated``: it is pretended.
    """

    provider: str
    healthy: bool
    at: float
    latency_s: float | None
    max_latency_s: float | None
    probe: str
    error: str | None = None
    simulated: bool = False


class HealthReport(Struct, frozen=True, kw_only=True):
    """What ``gitbridge health --format json`` prints."""

    healthy: bool
    providers: tuple[Verdict, ...]


def judge(result: ProbeResult, max_latency_s: float | None) -> Verdict:
    """The verdict on a probe; without ``max_latency_s`` any latency will do."""
    latency = result.latency_s
    slow = max_latency_s is not None and latency is not None and latency > max_latency_s
    error = None
    if result.failure is not None:
        error = f"{result.failure.failure}: {result.failure.message}"
    elif not result.healthy:
        error = "not healthy"
    elif slow:
        error = f"slow: at most {max_latency_s:g} s is wanted"
    return Verdict(
        provider=result.provider,
        healthy=result.healthy and not slow,
        at=result.at,
        latency_s=latency,
        max_latency_s=max_latency_s,
        probe=result.probe,
        error=error,
        simulated=result.simulated,
    )


def report(verdicts: Sequence[Verdict]) -> HealthReport:
    """Healthy when everybody who was asked is, and somebody was."""
    healthy = bool(verdicts) and all(each.healthy for each in verdicts)
    return HealthReport(healthy=healthy, providers=tuple(verdicts))


def health(verdicts: Sequence[Verdict], paint: Paint) -> str:
    """``gitbridge health`` for people: one line a provider."""
    if not verdicts:
        return "no providers"
    rows: list[Row] = [
        [
            each.provider + (" (simulated)" if each.simulated else ""),
            health_cell(healthy=each.healthy),
            seconds(each.latency_s),
            each.probe,
            each.error or "",
        ]
        for each in verdicts
    ]
    headers = ["provider", "health", "latency", "probe", "error"]
    return table(headers, rows, paint, right=("latency",))
