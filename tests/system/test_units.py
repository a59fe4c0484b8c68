"""The systemd units are right as far as systemd can say without running them."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from daemon.config_load import settings_from
from tests.support.documents import ROOT

FOLDER = ROOT / "systemd"
UNITS = ("gitbridge.service", "gitbridge.socket")
COMMAND = "/usr/bin/gitbridge"
OURS = Path(sys.executable).parent / "gitbridge"

pytestmark = pytest.mark.slow


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units as they stand, but with the program of this virtual environment."""
    for name in UNITS:
        text = (FOLDER / name).read_text()
        (tmp_path / name).write_text(text.replace(COMMAND, str(OURS)))
    return [str(tmp_path / name) for name in UNITS]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def test_systemd_finds_no_fault_in_the_units(units: list[str]) -> None:
    if not OURS.exists():
        pytest.skip("gitbridge is not installed beside this Python")
    done = analyze("verify", "--man=no", "--recursive-errors=no", *units)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_typing_error_would_be_found(units: list[str]) -> None:
    service = Path(units[0])
    service.write_text(service.read_text().replace("ProtectHome=", "ProtectHoem="))
    done = analyze("verify", "--man=no", "--recursive-errors=no", *units)

    assert done.returncode != 0
    assert "ProtectHoem" in done.stdout + done.stderr


def test_the_service_can_do_little(units: list[str]) -> None:
    done = analyze("security", "--offline=true", "--threshold=15", units[0])

    assert done.returncode == 0, done.stdout[-2000:]


def test_the_service_waits_longer_than_the_daemon_drains() -> None:
    service = (FOLDER / "gitbridge.service").read_text()
    config = tomllib.loads((FOLDER / "gitbridge.toml").read_text())
    drain_s = settings_from(config, environ={}).config.server.drain_s
    (limit,) = [x for x in service.splitlines() if x.startswith("TimeoutStopSec=")]

    assert float(limit.partition("=")[2]) > drain_s


def test_the_example_is_a_configuration_and_every_setting_in_it_exists() -> None:
    text = (FOLDER / "gitbridge.toml").read_text()
    lines = [
        line.removeprefix("#") if line.startswith("#") and line[1] != " " else line
        for line in text.splitlines()
    ]
    whole = settings_from(tomllib.loads("\n".join(lines)), environ={})

    assert whole.config.access.admin_groups == ("wheel",)
    assert settings_from(tomllib.loads(text), environ={}).automatic
