"""What systemd says of our units without running them: ``make check`` asks it.

Realism: they are checked as ``gitbridge service install`` would write them here.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from daemon.cli.service.places import SERVICE, SOCKET, Scope
from daemon.cli.service.units import program, unit_text

EXPOSURE: Final = 12
"""Tenths: 1.2 of 10, see ``systemd-analyze security``."""

ANALYZE: Final = shutil.which("systemd-analyze")
MISSING: Final = "systemd-analyze is not installed: the units are not checked"

Checked = subprocess.CompletedProcess[str]


@contextmanager
def written_units(scope: Scope) -> Iterator[dict[str, Path]]:
    """The units in a folder of their own, by name."""
    with tempfile.TemporaryDirectory(prefix="gitbridge-units-") as folder:
        paths = {name: Path(folder) / name for name in (SERVICE, SOCKET)}
        for name, path in paths.items():
            path.write_text(unit_text(scope, name, program()))
        yield paths


def verify(scope: Scope, units: dict[str, Path]) -> Checked:
    """Whether systemd understands every line; without the flags it forgives much."""
    paths = [str(path) for path in units.values()]
    flags = ("--man=no", "--recursive-errors=no")
    return _analyze("verify", f"--{scope}", *flags, *paths)


def measure(service: Path, threshold: int = EXPOSURE) -> Checked:
    """Whether the service may do no more than that."""
    return _analyze(
        "security", "--offline=true", f"--threshold={threshold}", str(service)
    )


def _analyze(*arguments: str) -> Checked:
    assert ANALYZE is not None, MISSING
    return subprocess.run(
        [ANALYZE, *arguments],
        capture_output=True,
        text=True,
        # a user's systemd wants a folder for the session, which root has not
        env={"XDG_RUNTIME_DIR": tempfile.gettempdir(), **os.environ},
        timeout=60,
        check=False,
    )


def main() -> int:
    """Print what is wrong; 0 if nothing is."""
    if ANALYZE is None:
        sys.stdout.write(f"{MISSING}\n")
        return 0
    code = 0
    for scope in ("system", "user"):
        with written_units(scope) as units:
            checks = [verify(scope, units)]
            if scope == "system":
                checks.append(measure(units[SERVICE]))
        for done in checks:
            code |= done.returncode
            if done.returncode != 0:
                sys.stderr.write(done.stdout + done.stderr)
    if code == 0:
        sys.stdout.write(f"Units: fine, exposure at most {EXPOSURE / 10}.\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
