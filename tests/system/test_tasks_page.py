"""The commands in ``docs/tasks.md`` do what the page says."""

import subprocess
from pathlib import Path

import pytest

from tests.support.documents import blocks, simulated_daemon


@pytest.mark.slow
def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    (commands,) = blocks("docs/tasks.md", "sh")
    with simulated_daemon(tmp_path) as environ:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            check=False,
            env=environ,
            capture_output=True,
            text=True,
            timeout=50,
        )
    assert (done.returncode, done.stdout.count("[")) == (0, 2), done.stderr
    assert "Summarise the plan" in done.stdout
    assert "cancelled" in done.stdout
    assert "Good morning" in done.stdout.splitlines()[-1]
