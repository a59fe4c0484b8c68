"""The code blocks of our documents, to be run as they stand there."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 20.0
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, language: str) -> list[str]:
    """The code blocks of one language, in order."""
    text = (ROOT / document).read_text()
    return [code for kind, code in BLOCK.findall(text) if kind == language]


def run_commands(
    document: str, environ: dict[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the one block of shell commands of a page; the first that fails ends it."""
    (commands,) = blocks(document, "sh")
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        check=False,
        env=environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=50,
    )


@contextmanager
def simulated_daemon(home: Path) -> Iterator[dict[str, str]]:
    """A daemon with pretend providers; yields a user's environment that finds it.

    The user has the venv's programs first, a home of their own, and no keys; warnings
    are errors.
    """
    path = home / "gb.sock"
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "GITBRIDGE_SOCKET": str(path),
        "PYTHONWARNINGS": "error",
        "LANG": "C.UTF-8",
    }
    command = [sys.executable, "-m", "daemon", "serve", "--simulate"]
    with (home / "daemon.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, cwd=home, stdout=log)
        try:
            limit = time.monotonic() + START_LIMIT_S
            while not _accepts(path):
                assert process.poll() is None
                assert time.monotonic() < limit
            yield environ
        finally:
            process.terminate()
            assert process.wait(15) == 0


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
