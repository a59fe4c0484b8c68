"""``make demo`` does what it says, told by its exit status and its account."""

import subprocess
import sys

import pytest

from tests.support.documents import ROOT


@pytest.mark.slow
def test_the_demo_ends_with_figures_that_agree() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "daemon.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("breaker open", "breaker closed", "pieces, the first after", "total"):
        assert said in done.stdout
