"""The units' text, with the program that is to be started in it.

They stand in the checkout's ``systemd`` folder, and in an installed package beside this
one (``daemon/systemd``): there the program is ``/usr/bin/gitbridge``.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import daemon
from daemon.cli.connection import CommandFailed
from daemon.cli.service.places import SERVICE, SOCKET, Layout, Scope

SHIPPED_PROGRAM = "/usr/bin/gitbridge"
OURS = "# GitBridge SmartRouter's "
"""How each of our files begins: what does not is somebody else's."""

_FORBIDDEN = "\"'\\$"


def shipped(name: str) -> str:
    """One of the files of the ``systemd`` folder.

    Raises:
        CommandFailed: The package was installed without them.
    """
    package = Path(daemon.__file__).parent
    for folder in (package / "systemd", package.parent / "systemd"):
        path = folder / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise CommandFailed(f"this installation lacks its systemd files: no {name}")


def program() -> list[str]:
    """How this very gitbridge is started, by absolute paths."""
    beside = Path(sys.executable).parent / "gitbridge"
    if beside.is_file() and os.access(beside, os.X_OK):
        return [str(beside)]
    return [sys.executable, "-P", "-m", "daemon"]


def unit_text(scope: Scope, name: str, command: Sequence[str]) -> str:
    """A unit that starts this program.

    Raises:
        CommandFailed: The program's path cannot be written in a unit.
    """
    text = shipped(f"user/{name}" if scope == "user" else name)
    return text.replace(SHIPPED_PROGRAM, " ".join(quoted(each) for each in command))


def quoted(word: str) -> str:
    """A word of ``ExecStart=``: ``%`` begins a specifier, spaces part words."""
    if any(c in _FORBIDDEN or not c.isprintable() for c in word):
        raise CommandFailed(
            f"{word!r} has a character that cannot be in a unit: install gitbridge "
            "where the path has none"
        )
    escaped = word.replace("%", "%%")
    return f'"{escaped}"' if " " in escaped else escaped


def unit_files(layout: Layout, command: Sequence[str]) -> dict[Path, str]:
    """The units by the path where systemd finds them; the socket first."""
    return {
        layout.units / name: unit_text(layout.scope, name, command)
        for name in (SOCKET, SERVICE)
    }
