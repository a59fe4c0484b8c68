"""The systemd units are right as far as systemd can say without running them."""

import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.cli.service.places import SERVICE, Scope
from daemon.config_load import settings_from
from tests.support.check_units import (
    ANALYZE,
    MISSING,
    main,
    measure,
    verify,
    written_units,
)
from tests.support.documents import ROOT

FOLDER = ROOT / "systemd"
SCOPES: tuple[Scope, ...] = ("system", "user")

pytestmark = pytest.mark.slow

needs_systemd_analyze = pytest.mark.skipif(ANALYZE is None, reason=MISSING)


@pytest.fixture
def units() -> Iterator[dict[str, Path]]:
    with written_units("system") as paths:
        yield paths


def directives(unit: str) -> list[str]:
    lines = (FOLDER / unit).read_text().splitlines()
    return [line for line in lines if "=" in line and not line.startswith("#")]


def value(unit: str, name: str) -> str:
    (found,) = [x for x in directives(unit) if x.startswith(f"{name}=")]
    return found.partition("=")[2]


@needs_systemd_analyze
@pytest.mark.parametrize("scope", SCOPES)
def test_systemd_finds_no_fault_in_the_units(scope: Scope) -> None:
    with written_units(scope) as paths:
        done = verify(scope, paths)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd_analyze
def test_a_typing_error_would_be_found(units: dict[str, Path]) -> None:
    service = units[SERVICE]
    service.write_text(service.read_text().replace("ProtectHome=", "ProtectHoem="))
    done = verify("system", units)

    assert done.returncode != 0
    assert "ProtectHoem" in done.stdout + done.stderr


@needs_systemd_analyze
def test_the_service_can_do_little_and_not_a_tenth_more(
    units: dict[str, Path],
) -> None:
    assert measure(units[SERVICE]).returncode == 0
    assert measure(units[SERVICE], threshold=11).returncode == 1
    service = units[SERVICE]
    service.write_text(service.read_text().replace("RestrictNamespaces=yes", ""))
    assert measure(service).returncode == 1


@needs_systemd_analyze
def test_make_check_asks_systemd(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert "exposure at most 1.2" in capsys.readouterr().out
    assert "tests.support.check_units" in (ROOT / "Makefile").read_text()


def test_the_service_waits_longer_than_the_daemon_drains() -> None:
    config = tomllib.loads((FOLDER / "gitbridge.toml").read_text())
    drain_s = settings_from(config, environ={}).config.server.drain_s

    for unit in ("gitbridge.service", "user/gitbridge.service"):
        assert float(value(unit, "TimeoutStopSec")) > drain_s


def test_stopping_the_service_leaves_the_sockets_folder() -> None:
    """A RuntimeDirectory= would be removed with the socket in it."""
    for unit in ("gitbridge.service", "user/gitbridge.service"):
        assert not any("RuntimeDirectory" in line for line in directives(unit))


def test_the_access_group_is_not_called_like_the_service() -> None:
    """A group of the unit's name keeps DynamicUser= from making its user."""
    assert value("gitbridge.socket", "SocketGroup") == "gitbridge-users"
    (group,) = [
        line.split()[1]
        for line in (FOLDER / "gitbridge.sysusers").read_text().splitlines()
        if line.startswith("g ")
    ]
    assert group == "gitbridge-users"
    assert not any("PrivateUsers" in x for x in directives("gitbridge.service"))


def test_the_users_unit_restricts_the_process_and_not_its_files() -> None:
    """Mount-level settings make a user namespace, and every caller a nobody there."""
    allowed = ("Restrict", "SystemCall", "NoNewPriv", "LockPers", "MemoryDeny")
    ours = {line.partition("=")[0] for line in directives("user/gitbridge.service")}
    system = {line.partition("=")[0] for line in directives("gitbridge.service")}

    assert not any(
        name.startswith(("Protect", "Private", "Device", "Capability", "Dynamic"))
        for name in ours
    )
    assert {name for name in system if name.startswith(allowed)} <= ours


def test_the_example_is_a_configuration_and_every_setting_in_it_exists() -> None:
    text = (FOLDER / "gitbridge.toml").read_text()
    lines = [
        line.removeprefix("#") if line.startswith("#") and line[1] != " " else line
        for line in text.splitlines()
    ]
    whole = settings_from(tomllib.loads("\n".join(lines)), environ={})

    assert whole.config.access.admin_groups == ("wheel",)
    assert settings_from(tomllib.loads(text), environ={}).automatic


def test_a_wheel_carries_the_units(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="builds a wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    names = {str(x.relative_to(FOLDER)) for x in FOLDER.rglob("*") if x.is_file()}
    carried = site / "daemon" / "systemd"

    assert names == {str(x.relative_to(carried)) for x in carried.rglob("*.*")}

    printed = subprocess.run(
        [sys.executable, "-m", "daemon", "service", "print", "--user"],
        cwd=site,
        env={"HOME": "/home/alice", "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.startswith("# /home/alice/.config/systemd/user/gitbridge.so")
