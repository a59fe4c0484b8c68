"""The entry point, wired to the real client and version."""

from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.release import version


def test_the_version_is_that_of_the_distribution(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gitbridge {version()}\n"


def test_without_a_daemon_its_absence_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--socket", str(tmp_path / "none.sock")]) == 69
    assert "the daemon is not running" in capsys.readouterr().err
