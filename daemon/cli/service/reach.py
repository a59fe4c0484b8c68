"""What a system service cannot see of this program.

It runs as a user of its own (``DynamicUser=``), without home folders (``ProtectHome=``)
and with a ``/tmp`` of its own (``PrivateTmp=``).
"""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

import daemon

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - not written


def parts_of_program(command: Sequence[str]) -> list[Path]:
    """What must be readable to run it: entry point, interpreter, libraries, our code.

    Links are followed one by one: each of the folders on the way counts.
    """
    found: list[Path] = []
    for start in (*command[:1], sys.executable):
        path = Path(start)
        found.append(path)
        while path.is_symlink():
            path = path.parent / path.readlink()
            found.append(path)
    found += [Path(module) for module in (os.__file__, msgspec.__file__)]
    return [*found, Path(daemon.__file__)]


def out_of_reach(paths: Iterable[Path]) -> str | None:
    """Why the service cannot start this program: a sentence, ``None`` if it can."""
    for path in paths:
        absolute = os.path.normpath(path.absolute())  # `resolve` would follow links
        for seen in dict.fromkeys((absolute, str(path.resolve()))):
            hidden = next((h for h in HIDDEN if Path(seen).is_relative_to(h)), None)
            if hidden:
                return f"{seen} is below {hidden}, which a system service cannot see"
            closed = _closed_to_others(Path(seen))
            if closed:
                return f"{closed} may not be read by other users"
    return None


def _closed_to_others(path: Path) -> Path | None:
    """The first of its folders, or itself, that others may not read or pass."""
    for each in (*reversed(path.parents), path):
        try:
            mode = each.stat().st_mode
        except OSError:
            return each
        wanted = 0o5 if each == path else 0o1
        if mode & wanted != wanted and not (each == path and mode & 0o4):
            return each
    return None
