"""A machine with a pretended systemd: ``systemctl`` and its like as scripts on ``PATH``.

Realism: they record how they were called and answer from files; units are not parsed and
nothing is started. Without the scripts the machine has no systemd at all.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from daemon.cli.parser import build_parser
from daemon.cli.run import wants_json
from daemon.cli.service.command import service
from daemon.cli.service.places import Host
from tests.support.cli import FakeDaemon, Machine, Screen

SCRIPT = """\
#!/bin/sh
name=${0##*/}
echo "$name $*" >> "%(folder)s/calls"
case "$name $*" in
*"systemctl --version"*) cat "%(folder)s/version";;
*" show "*gitbridge.service*) cat "%(folder)s/service";;
*" show "*gitbridge.socket*) cat "%(folder)s/socket";;
journalctl*) cat "%(folder)s/journal";;
esac
fails=$(cat "%(folder)s/fails")
case "$name $*" in
"$fails"*) [ -z "$fails" ] || { echo "Failed for a reason." >&2; exit 1; };;
esac
"""
RUNNING = """\
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
StatusText=2 active, 3/3 providers healthy
MainPID=4711
NRestarts=1
Result=success
ExecMainStatus=0
InvocationID=abc
"""
LISTENING = (
    "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled"
)
ABSENT = "LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\nMainPID=0"


class FakeSystemd:
    """One machine; ``type`` runs ``gitbridge service ...`` on it."""

    def __init__(self, folder: Path, *, uid: int = 0, version: int = 252) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.uid = uid
        self.screen = Screen()
        self.environ = {
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.root / "home/alice"),
            "USER": "alice",
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }
        (folder / "bin").mkdir()
        for name in ("systemctl", "systemd-sysusers", "journalctl"):
            script = folder / "bin" / name
            script.write_text(SCRIPT % {"folder": folder})
            script.chmod(0o755)
        (self.root / "run/systemd/system").mkdir(parents=True)
        self.answer("version", f"systemd {version} ({version}.1)\n+PAM")
        self.answer("service", ABSENT)
        self.answer("socket", ABSENT)
        self.answer("fails", "")
        self.answer("journal", "")
        self.answer("calls", "")

    def answer(self, what: str, text: str) -> None:
        (self.folder / what).write_text(text)

    def starts(self) -> None:
        """From now on the service runs."""
        self.answer("service", RUNNING)
        self.answer("socket", LISTENING)

    @property
    def calls(self) -> list[str]:
        """How the programs were called, without mere questions."""
        asked = (" show ", "--version", "show-environment", "journalctl ")
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if not any(each in line for each in asked)]

    @property
    def units(self) -> Path:
        return self.root / "etc/systemd/system"

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        return build_parser().parse_args(["service", *argv])

    def type(self, *argv: str, daemon: FakeDaemon | None = None) -> int:
        """Raises what the command raises; the exit code otherwise."""
        self.screen = Screen()
        machine = Machine(daemon)
        host = Host(self.environ, self.uid, self.root)
        out = self.screen.output(as_json=wants_json(argv))
        return service(self.parse(argv), out, host, machine.connect)
