"""One line a probe, in the folder and under the name the old scripts used."""

from pathlib import Path

import msgspec
import pytest

from actors.messages.provider import Failure, ProbeResult
from daemon import health_log
from daemon.health_log import HealthLog, file_name, health_line

HEALTHY = ProbeResult(
    provider="openai", healthy=True, at=1_800_000_000.25, latency_s=0.5, probe="models"
)
UNHEALTHY = ProbeResult(
    provider="openai",
    healthy=False,
    at=1_800_000_000.25,
    latency_s=None,
    probe="models",
    failure=Failure(failure="auth", message="bad\nkey", owner="provider"),
)


def test_a_line_says_when_who_how_and_why() -> None:
    assert (
        health_line(HEALTHY) == "2027-01-15T08:00:00.250Z openai healthy 0.500s models"
    )
    assert health_line(UNHEALTHY) == (
        "2027-01-15T08:00:00.250Z openai unhealthy - models auth: bad key"
    )


def test_lines_are_appended_under_the_providers_name(tmp_path: Path) -> None:
    log = HealthLog(tmp_path / "logs")
    log.append(HEALTHY)
    log.append(UNHEALTHY)

    text = (tmp_path / "logs" / "openai_healthcheck.log").read_text()
    assert text.splitlines() == [health_line(HEALTHY), health_line(UNHEALTHY)]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("my-provider_1", "my-provider_1"), ("../etc/x", "_etc_x"), ("..", "_")],
)
def test_names_cannot_leave_the_folder(name: str, wanted: str) -> None:
    assert file_name(name) == wanted


def test_a_large_log_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_log, "MAX_BYTES", 10)
    log = HealthLog(tmp_path)
    log.append(HEALTHY)
    log.append(UNHEALTHY)

    assert (tmp_path / "openai_healthcheck.log.1").read_text() == (
        health_line(HEALTHY) + "\n"
    )
    assert "unhealthy" in (tmp_path / "openai_healthcheck.log").read_text()


def test_a_folder_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file in the way")
    log = HealthLog(tmp_path / "logs")

    log.append(HEALTHY)
    log.append(HEALTHY)
    [finding] = log.findings()
    (tmp_path / "logs").unlink()
    log.append(HEALTHY)

    assert finding.code == "health_log_unwritable"
    assert finding.values["path"] == tmp_path / "logs" / "openai_healthcheck.log"
    assert log.findings() == ()


def test_a_pretended_provider_is_called_so() -> None:
    pretended = msgspec.structs.replace(HEALTHY, simulated=True)

    assert health_line(pretended).endswith(" healthy 0.500s models simulated")
