"""The commands in ``docs/tasks.md`` do what the page says."""

from pathlib import Path

import pytest

from tests.support.documents import run_commands, simulated_daemon


@pytest.mark.slow
def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    with simulated_daemon(tmp_path) as environ:
        done = run_commands("docs/tasks.md", environ)
    assert (done.returncode, done.stdout.count("[")) == (0, 2), done.stderr
    assert "Summarise the plan" in done.stdout
    assert "cancelled" in done.stdout
    assert "Good morning" in done.stdout.splitlines()[-1]
