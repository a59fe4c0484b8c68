"""What is to be done, one step after the other: said before, or done and said."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from daemon.cli.connection import CommandFailed
from daemon.exits import EXIT_NOT_PERMITTED

Action = Literal["write", "make", "keep", "remove", "run"]


class Step(Struct, frozen=True, kw_only=True):
    """One thing. ``what`` is a path, or a command's words; ``note`` explains.

    ``text`` is what is written, ``mode`` its permissions or the folder's. A command
    that is ``optional`` may fail.
    """

    action: Action
    what: str
    note: str = ""
    text: str = ""
    mode: int = 0o644
    argv: tuple[str, ...] = ()
    optional: bool = False


def write(path: Path, text: str) -> Step:
    """Have this text there, unless it is there already."""
    if _read(path) == text:
        return Step(action="keep", what=str(path), note="unchanged")
    return Step(action="write", what=str(path), text=text)


def write_once(path: Path, text: str) -> Step:
    """Have a file there; one that is there is somebody's work."""
    if path.exists():
        return Step(action="keep", what=str(path), note="yours")
    return Step(action="write", what=str(path), text=text)


def make_folder(path: Path, mode: int) -> Step:
    """Have a folder there with these permissions; one that is there is kept."""
    if path.is_dir():
        return Step(action="keep", what=str(path), note="yours")
    return Step(action="make", what=str(path), mode=mode, note=f"mode {mode:04o}")


def remove(path: Path) -> Step:
    return Step(action="remove", what=str(path))


def run(*argv: str, optional: bool = False) -> Step:
    return Step(action="run", what=" ".join(argv), argv=argv, optional=optional)


def perform(step: Step, environ: Mapping[str, str]) -> None:
    """Do it.

    Raises:
        CommandFailed: It cannot be done; the message says which step and why.
    """
    try:
        _DOING[step.action](step, environ)
    except PermissionError as error:
        raise CommandFailed(
            f"may not {step.action} {step.what}: {error.strerror}", EXIT_NOT_PERMITTED
        ) from error
    except OSError as error:
        raise CommandFailed(
            f"cannot {step.action} {step.what}: {error.strerror or error}"
        ) from error


def _write(step: Step, _environ: Mapping[str, str]) -> None:
    """All of it or nothing: systemd may read at any moment."""
    path = Path(step.what)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(step.text)
            os.fchmod(file.fileno(), step.mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _make(step: Step, _environ: Mapping[str, str]) -> None:
    path = Path(step.what)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700)
    path.chmod(step.mode)


def _remove(step: Step, _environ: Mapping[str, str]) -> None:
    Path(step.what).unlink(missing_ok=True)


def _keep(_step: Step, _environ: Mapping[str, str]) -> None:
    pass


def _run(step: Step, environ: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - words of ours, no shell
        step.argv,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0 and not step.optional:
        said = " ".join(done.stderr.split()) or f"it exits with {done.returncode}"
        raise CommandFailed(f"{step.what} failed: {said}")


_DOING: Mapping[Action, Callable[[Step, Mapping[str, str]], None]] = {
    "write": _write,
    "make": _make,
    "keep": _keep,
    "remove": _remove,
    "run": _run,
}


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
