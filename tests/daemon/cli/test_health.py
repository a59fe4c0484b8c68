"""``gitbridge health`` with a daemon and without one."""

from collections.abc import Sequence
from pathlib import Path

from actors.messages.provider import ProbeResult
from daemon.cli.health import run_health
from daemon.config import HealthOptions
from ipc.results import HealthResult
from tests.support.cli import FakeDaemon, Machine, Screen


def probe(provider: str = "openai", latency_s: float | None = 0.1) -> ProbeResult:
    return ProbeResult(
        provider=provider,
        healthy=latency_s is not None,
        at=0.0,
        latency_s=latency_s,
        probe="models",
    )


class Providers:
    """Answers round after round; notes who was asked."""

    def __init__(self, *rounds: list[ProbeResult]) -> None:
        self.rounds = list(rounds)
        self.asked: list[Sequence[str] | None] = []
        self.slept: list[float] = []
        self.logged: list[ProbeResult] = []
        self.screen = Screen()

    def probe(self, names: Sequence[str] | None) -> Sequence[ProbeResult]:
        self.asked.append(names)
        return self.rounds.pop(0)

    def check(self, options: HealthOptions, *, tty: bool = False) -> int:
        self.screen = Screen(tty=tty)
        return run_health(
            self.probe,
            options,
            out=self.screen.output(as_json=options.as_json),
            on_result=self.logged.append,
            sleep=self.slept.append,
        )


def test_all_healthy_is_0_at_once() -> None:
    providers = Providers([probe(), probe("grok")])

    assert providers.check(HealthOptions(max_latency_s=2.0)) == 0
    assert providers.slept == []
    assert [each.provider for each in providers.logged] == ["openai", "grok"]
    assert "healthy" in providers.screen.out


def test_only_the_unhealthy_are_checked_again_ever_later() -> None:
    down = probe("grok", None)
    providers = Providers([probe(), down], [down], [probe("grok")])

    assert providers.check(HealthOptions(retries=3)) == 0
    assert providers.asked == [None, ["grok"], ["grok"]]
    assert providers.slept == [1.0, 2.0]


def test_who_stays_unhealthy_makes_it_1() -> None:
    down = probe("grok", None)
    providers = Providers([down], [down], [down])

    assert providers.check(HealthOptions(retries=2), tty=True) == 1
    assert providers.slept == [1.0, 2.0]
    assert providers.logged == [down]
    assert "not healthy: grok; again in 2 s" in providers.screen.err


def test_slow_is_not_healthy() -> None:
    slow = probe(latency_s=3.0)
    providers = Providers([slow])

    assert providers.check(HealthOptions(retries=0, max_latency_s=2.0)) == 1
    assert "slow: at most 2 s is wanted" in providers.screen.out


def test_json_is_one_document() -> None:
    providers = Providers([probe()])
    providers.check(HealthOptions(as_json=True, max_latency_s=2.0))

    assert providers.screen.document == {
        "healthy": True,
        "providers": [
            {
                "provider": "openai",
                "healthy": True,
                "at": 0.0,
                "latency_s": 0.1,
                "max_latency_s": 2.0,
                "probe": "models",
                "error": None,
                "simulated": False,
            }
        ],
    }


def test_a_running_daemon_checks_and_retries_itself() -> None:
    daemon = FakeDaemon(
        {"health.check": HealthResult(healthy=True, providers=(probe(),))}
    )
    typed = Machine(daemon)
    line = "health openai --model m --max-latency 1.5 --retries 5"

    assert typed.type(*line.split()) == 0
    assert daemon.calls == [
        (
            "health.check",
            {"retries": 5, "provider": "openai", "model": "m", "max_latency_s": 1.5},
        )
    ]
    assert typed.checked == []


def test_without_a_daemon_the_caller_checks() -> None:
    typed = Machine()

    assert typed.type("health", "grok", "--format", "json", "--state-dir", "/d") == 1
    assert typed.checked == [
        HealthOptions(provider="grok", as_json=True, state_dir="/d")
    ]


def test_a_daemon_answers_even_where_the_configuration_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("nonsense = 1\n")
    daemon = FakeDaemon(
        {"health.check": HealthResult(healthy=True, providers=(probe(),))}
    )

    assert Machine(daemon).type("health", "--config", str(path)) == 0
    assert daemon.calls == [("health.check", {"retries": 3})]


def test_the_daemons_own_threshold_holds_when_none_is_said() -> None:
    slow = HealthResult(healthy=False, providers=(probe(),), max_latency_s=0.05)
    machine = Machine(FakeDaemon({"health.check": slow}))

    assert machine.type("health") == 1
    assert "slow: at most 0.05 s is wanted" in machine.screen.out
