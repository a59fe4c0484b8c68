"""The commands and the rules in ``docs/events.md`` do what the page says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import blocks, run_commands, simulated_daemon


@pytest.mark.slow
def test_an_event_that_no_rule_wants_is_said_to_be_unwanted(tmp_path: Path) -> None:
    with simulated_daemon(tmp_path) as environ:
        done = run_commands("docs/events.md", environ)

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(": no rule wants it\n")


def test_the_rules_of_the_page_are_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "gitbridge.toml"
    config.write_text("".join(blocks("docs/events.md", "toml")))
    checked = subprocess.run(
        ["gitbridge", "config", "check", "--config", str(config)],
        check=False,
        env={"PATH": str(Path(sys.executable).parent), "OPENAI_API_KEY": "k"},
        capture_output=True,
        text=True,
        timeout=50,
    )

    assert (checked.returncode, checked.stderr) == (0, "")
