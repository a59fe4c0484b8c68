"""README's commands and programs do what they say, as they stand there."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import ROOT, blocks

SERVE = "gitbridge serve --simulate\n"
SHELL_RUNNER = ["bash", "-euo", "pipefail", "-c"]
START_LIMIT_S = 20.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user's environment: the venv's programs first, a home of its own, no keys."""
    home = tmp_path_factory.mktemp("home")
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "GITBRIDGE_SOCKET": str(home / "gb.sock"),
        "PYTHONWARNINGS": "error",
        "LANG": "C.UTF-8",
    }


@pytest.fixture(scope="module")
def daemon(environ: dict[str, str]) -> Iterator[Path]:
    """The daemon, started by README's own words."""
    assert SERVE in blocks("README.md", "bash")
    path = Path(environ["GITBRIDGE_SOCKET"])
    log = path.with_suffix(".log").open("wb")
    process = subprocess.Popen(
        SERVE.split(), env=environ, cwd=environ["HOME"], stdout=log
    )
    try:
        limit = time.monotonic() + START_LIMIT_S
        while not accepts(path):
            assert process.poll() is None
            assert time.monotonic() < limit
        # A reader has asked something before they look at the history.
        run('gitbridge ask "Hello"', SHELL_RUNNER, environ)
        yield path
    finally:
        process.terminate()
        assert process.wait(15) == 0
        log.close()


def accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def run(code: str, interpreter: list[str], environ: dict[str, str]) -> str:
    done = subprocess.run(
        [*interpreter, code],
        env=environ,
        cwd=environ["HOME"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


SHELL = [
    code
    for page in ("README.md", "docs/consensus.md")
    for code in blocks(page, "bash")
    if code != SERVE
]
PYTHON = blocks("README.md", "python")


@pytest.mark.parametrize(
    "code", SHELL, ids=[f"{n}-{code[:40]!r}" for n, code in enumerate(SHELL)]
)
def test_shell_blocks_run(code: str, daemon: Path, environ: dict[str, str]) -> None:
    for program in ("socat", "curl"):
        if f"{program} " in code and shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")

    assert run(code, SHELL_RUNNER, environ).strip()


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.split("\n")[0][:40])
def test_python_blocks_run(code: str, daemon: Path, environ: dict[str, str]) -> None:
    assert "simulated" in run(code, [sys.executable, "-c"], environ)


def test_a_full_disk_behind_stdout_is_told_and_is_no_bug(
    daemon: Path, environ: dict[str, str]
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            ["gitbridge", "status"],
            env=environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == (
        "gitbridge: cannot write the answer: No space left on device\n"
    )


def test_the_environment_that_readme_sets_up_is_the_one_it_uses(
    environ: dict[str, str],
) -> None:
    """Everything but the make targets, as a shell in the checkout reads it."""
    if not (ROOT / ".venv" / "bin" / "activate").exists():
        pytest.skip("the tests run in another environment than make's")
    setup = next(c for c in blocks("README.md", "console") if "activate" in c)
    code = "\n".join(li for li in setup.splitlines() if not li.startswith("make "))
    done = subprocess.run(
        ["bash", "-euc", f'{code}\ncommand -v gitbridge; echo "$GITBRIDGE_SOCKET"'],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": environ["HOME"]},
        capture_output=True,
        text=True,
        check=True,
    )

    program, path = done.stdout.split()
    assert program == str(ROOT / ".venv" / "bin" / "gitbridge")
    assert path.startswith(str(ROOT))


def test_every_make_target_that_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = [
        line.split()[1]
        for code in blocks("README.md", "console")
        for line in code.splitlines()
        if line.startswith("make ")
    ]

    assert {"demo", "test", "check"} <= set(named)
    for target in named:
        assert f"\n{target}:" in makefile


def test_every_document_that_readme_links_exists() -> None:
    text = (ROOT / "README.md").read_text()
    links = [part.split(")")[0] for part in text.split("](")[1:]]

    assert [
        link
        for link in links
        if not link.startswith("#") and not (ROOT / link.split("#")[0]).exists()
    ] == []
