"""``gitbridge health``: the old check scripts in one; with and without a daemon."""

import time
from collections.abc import Callable, Sequence

from actors.messages.provider import ProbeResult
from daemon.cli.connection import Client, typed
from daemon.cli.output import Output
from daemon.cli.render.health import Verdict, health, judge, report
from daemon.config import HealthOptions
from daemon.exits import EXIT_FAILED, EXIT_OK
from ipc.results import HealthResult

BASE_DELAY_S = 1.0

Probe = Callable[[Sequence[str] | None], Sequence[ProbeResult]]
"""Checks these providers once, or all that are on; free unless configured otherwise."""


def health_by_daemon(options: HealthOptions, client: Client, out: Output) -> int:
    """Have the daemon check, which also retries and writes the log lines."""
    params: dict[str, object] = {"retries": options.retries}
    for name in ("provider", "model", "max_latency_s"):
        value: object = getattr(options, name)
        if value is not None:
            params[name] = value
    result = typed(client.call("health.check", params), HealthResult)
    limit_s = result.max_latency_s
    return show([judge(each, limit_s) for each in result.providers], out)


def run_health(
    probe: Probe,
    options: HealthOptions,
    *,
    out: Output | None = None,
    on_result: Callable[[ProbeResult], None] = lambda _result: None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Check without a daemon; those that are not healthy again, 1, 2, 4... s apart.

    ``probe`` must know about ``options.provider`` and ``model``; it is asked again for
    the unhealthy ones only. ``on_result`` gets each provider's last result, for the log.
    Returns the process's exit code.
    """
    out = Output(as_json=options.as_json) if out is None else out
    results = {each.provider: each for each in probe(None)}
    for retry in range(options.retries):
        bad = [n for n, r in results.items() if not judged(r, options).healthy]
        if not bad:
            break
        delay_s = BASE_DELAY_S * 2.0**retry
        if out.errors_on_terminal:
            out.note(f"not healthy: {', '.join(bad)}; again in {delay_s:g} s")
        sleep(delay_s)
        results |= {each.provider: each for each in probe(bad)}
    for result in results.values():
        on_result(result)
    return show([judged(each, options) for each in results.values()], out)


def judged(result: ProbeResult, options: HealthOptions) -> Verdict:
    return judge(result, options.max_latency_s)


def show(verdicts: Sequence[Verdict], out: Output) -> int:
    """Print the verdicts; 0 when all are healthy, else 1."""
    whole = report(verdicts)
    if out.as_json:
        out.document(whole)
    else:
        out.result(health(verdicts, out.paint))
    return EXIT_OK if whole.healthy else EXIT_FAILED
