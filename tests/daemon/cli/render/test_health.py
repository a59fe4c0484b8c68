"""Verdicts on probes."""

from actors.messages.provider import Failure, ProbeResult
from daemon.cli.render.health import health, judge, report
from daemon.cli.render.table import no_colours


def probe(**changes: object) -> ProbeResult:
    plain: dict[str, object] = {
        "provider": "openai",
        "healthy": True,
        "at": 0.0,
        "latency_s": 0.5,
        "probe": "models",
    }
    return ProbeResult(**{**plain, **changes})  # type: ignore[arg-type] # any field


def test_fast_enough_is_healthy() -> None:
    verdict = judge(probe(), 2.0)

    assert (verdict.healthy, verdict.error) == (True, None)
    assert judge(probe(latency_s=None), 2.0).healthy
    assert judge(probe(latency_s=99.0), None).healthy


def test_too_slow_is_not() -> None:
    verdict = judge(probe(latency_s=2.5), 2.0)

    assert verdict.healthy is False
    assert verdict.error == "slow: at most 2 s is wanted"


def test_a_failure_is_said() -> None:
    failure = Failure(failure="connect", message="refused", owner="provider")

    assert judge(probe(healthy=False, failure=failure), 2.0).error == "connect: refused"
    assert judge(probe(healthy=False), 2.0).error == "not healthy"


def test_a_report_is_healthy_when_all_are_and_somebody_is() -> None:
    good, bad = judge(probe(), 2.0), judge(probe(healthy=False), 2.0)

    assert report([good, good]).healthy is True
    assert report([good, bad]).healthy is False
    assert report([]).healthy is False


def test_a_line_per_provider() -> None:
    verdicts = [judge(probe(), 2.0), judge(probe(latency_s=None, healthy=False), 2.0)]
    lines = health(verdicts, no_colours).splitlines()

    assert lines[1].split() == ["openai", "healthy", "500", "ms", "models"]
    assert lines[2].split() == ["openai", "unhealthy", "-", "models", "not", "healthy"]
    assert health([], no_colours) == "no providers"


def test_a_pretended_provider_is_called_so() -> None:
    verdicts = [judge(probe(simulated=True), 2.0)]

    assert "openai (simulated)  healthy" in health(verdicts, no_colours)
