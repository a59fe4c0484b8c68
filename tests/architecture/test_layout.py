"""The tree as it is meant to be: what is installed, what is named, what is mirrored."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("actors", "daemon", "ipc")
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "actors",
    "benchmarks",
    "daemon",
    "docs",
    "ipc",
    "pyproject.toml",
    "requirements.lock",
    "systemd",
    "tests",
}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [Path(line) for line in listed.stdout.splitlines()]


def test_no_other_distribution_claims_our_package_names() -> None:
    claims = {
        dist.metadata["Name"]
        for dist in distributions()
        for name in (dist.read_text("top_level.txt") or "").split()
        if name in OURS
    }

    assert claims <= {"gitbridge-smartrouter"}


def test_the_top_level_is_what_the_design_says() -> None:
    assert {path.parts[0] for path in tracked()} <= TOP_LEVEL


def test_no_source_file_is_longer_than_400_lines() -> None:
    long = {
        str(path): lines
        for path in tracked()
        if path.suffix == ".py" and path.parts[0] in OURS
        if (lines := len((ROOT / path).read_text().splitlines())) > 400
    }

    assert long == {}


def test_every_package_says_what_it_is() -> None:
    silent = [
        str(path)
        for path in tracked()
        if path.name == "__init__.py" and path.parts[0] in OURS
        if not (ROOT / path).read_text().lstrip().startswith('"""')
    ]

    assert silent == []


def test_no_file_names_a_package_registrys_host() -> None:
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "registry.npm" + "js.org")
    naming = [
        str(path)
        for path in tracked()
        if any(host.encode() in (ROOT / path).read_bytes() for host in hosts)
    ]

    assert naming == []


def loaded_by(module: str) -> set[str]:
    """Every module that importing this one alone brings along."""
    code = f"import sys, {module}; print(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.slow
def test_importing_the_command_line_loads_neither_http_nor_event_loop() -> None:
    assert not {
        "aiohttp",
        "anyio",
        "uvloop",
        "structlog",
        "aiosqlite",
        "sqlite3",
    } & loaded_by("daemon.__main__")


@pytest.mark.slow
def test_the_daemon_never_imports_the_price_library() -> None:
    assert not {"genai_prices", "pydantic", "aiohttp.web", "trio"} & loaded_by(
        "daemon.app"
    )


@pytest.mark.slow
def test_the_http_door_takes_the_server_without_the_framework_around_it() -> None:
    loaded = loaded_by("ipc.http")

    assert "aiohttp.web_server" in loaded
    assert not {"aiohttp.web", "aiohttp.web_app", "aiohttp.web_fileresponse"} & loaded


@pytest.mark.slow
def test_who_asks_for_no_consensus_does_not_carry_it() -> None:
    assert not {"actors.consensus", "rapidfuzz"} & loaded_by("daemon.app")


@pytest.mark.slow
def test_who_configures_no_redis_does_not_carry_its_client() -> None:
    assert not {"redis", "daemon.storage.redis"} & loaded_by("daemon.app")
