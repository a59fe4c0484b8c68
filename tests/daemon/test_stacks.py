"""Where a process was, said on its stderr."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, threading
from daemon.stacks import dump_stacks_on_signals

dump_stacks_on_signals()

def where_it_hangs():
    os.kill(os.getpid(), signal.{name})

where_it_hangs()
print("went on")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("SIGQUIT", 0, "went on\n"), ("SIGABRT", -signal.SIGABRT, "")],
)
def test_a_signal_shows_the_stack(name: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{name}", name)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (done.returncode, done.stdout) == (code, said)
    assert "in where_it_hangs" in done.stderr
