"""``gitbridge logs``: the daemon's log from the journal, a file or stdin."""

import argparse
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from msgspec import Struct

from daemon.cli.connection import CommandFailed
from daemon.cli.output import Output
from daemon.cli.render.log_lines import (
    Line,
    Wanted,
    document,
    from_journal,
    from_text,
    log_line,
)
from daemon.exits import EXIT_OK, EXIT_UNREACHABLE
from ipc.times import parse_since

JOURNAL_LINES = 100
RECENT = 1000
"""How many lines are searched for those that are wanted before following."""

POLL_S = 0.2
_WITHOUT = (
    "Name a file, or pipe the daemon's output: gitbridge serve 2>&1 | gitbridge logs -"
)


class Asked(Struct, frozen=True, kw_only=True):
    """What was typed. ``last``: how many lines at most; ``None``: all."""

    file: str | None
    follow: bool
    last: int | None
    wanted: Wanted
    unit: str
    user: bool


def logs(args: argparse.Namespace, out: Output) -> int:
    """Show the lines, and those that come if asked to."""
    now = time.time()  # noqa: TID251 - an age is counted from now
    asked = Asked(
        file=args.file,
        follow=args.follow,
        last=args.lines,
        wanted=Wanted(
            level=args.level,
            request=args.request,
            since=parse_since(args.since, now),
        ),
        unit=args.unit,
        user=args.user,
    )
    with _source(asked, out) as lines:
        shown = filter(asked.wanted.takes, lines)
        if asked.follow or (asked.last is None and not out.as_json):
            for line in shown:
                _show(line, out)
        else:
            _show_all(deque(shown, maxlen=asked.last), out)
    return EXIT_OK


def _show_all(lines: Iterable[Line], out: Output) -> None:
    if out.as_json:
        out.document({"lines": [document(line) for line in lines]})
        return
    for line in lines:
        _show(line, out)


def _show(line: Line, out: Output) -> None:
    if out.as_json:
        out.document(document(line))
    else:
        out.result(log_line(line, out.paint))


@contextmanager
def _source(asked: Asked, out: Output) -> Iterator[Iterator[Line]]:
    if asked.file is None:
        with _journal(asked, out) as lines:
            yield lines
    elif asked.file == "-":
        # A line that is no UTF-8 must not end the reading.
        with open(0, encoding="utf-8", errors="replace", closefd=False) as stdin:
            yield map(from_text, stdin)
    else:
        with _opened(asked.file) as file:
            yield map(from_text, _followed(file, asked.last) if asked.follow else file)


def _opened(path: str) -> IO[str]:
    try:
        return Path(path).open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}") from None


def _followed(file: IO[str], last: int | None) -> Iterator[str]:
    """The lines that are there, the last so many of them, and those that come."""
    yield from deque(file, maxlen=last)
    begun = ""
    while True:
        begun += file.readline()
        if begun.endswith("\n"):
            yield begun
            begun = ""
        else:
            time.sleep(POLL_S)


@contextmanager
def _journal(asked: Asked, out: Output) -> Iterator[Iterator[Line]]:
    """What journalctl prints, line by line; it is gone when the context is left."""
    program = shutil.which("journalctl")
    if program is None:
        raise CommandFailed(f"there is no journal here. {_WITHOUT}", EXIT_UNREACHABLE)
    whose = ["--user"] if asked.user else []
    if asked.follow and _is_empty(program, whose):
        raise CommandFailed(f"the journal is empty. {_WITHOUT}", EXIT_UNREACHABLE)
    process = subprocess.Popen(  # noqa: S603 - arguments apart, no shell
        [program, *whose, *_journal_flags(asked)],
        stdout=subprocess.PIPE,
        stderr=None if asked.follow else subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        yield _entries(process, asked, program, whose, out)
    finally:
        process.kill()
        process.communicate()


def _entries(
    process: subprocess.Popen[str],
    asked: Asked,
    program: str,
    whose: list[str],
    out: Output,
) -> Iterator[Line]:
    assert process.stdout is not None
    count = 0
    for entry in process.stdout:
        count += 1
        try:
            yield from_journal(entry)
        except ValueError as error:
            raise CommandFailed(str(error)) from None
    said = process.stderr.read().strip() if process.stderr is not None else ""
    if process.wait() != 0:
        raise CommandFailed(f"journalctl failed: {said or 'it does not say why'}")
    if count == 0 and _is_empty(program, whose):
        why = f" ({said})" if said else ""
        raise CommandFailed(f"the journal is empty{why}. {_WITHOUT}", EXIT_UNREACHABLE)
    if count == 0:
        out.note(f"nothing of unit {asked.unit} in the journal")
    if said:
        out.note(said)


def _journal_flags(asked: Asked) -> list[str]:
    flags = ["--no-pager", "--all", "--output=json", f"--unit={asked.unit}"]
    wanted = asked.wanted
    if wanted.since is not None:
        flags.append(f"--since=@{wanted.since:.6f}")
    if asked.follow:
        flags.append("--follow")
    # Lines that are not wanted must not use up the number of those that are.
    filtered = wanted.level is not None or wanted.request is not None
    if asked.last is not None and not (filtered and not asked.follow):
        flags.append(f"--lines={asked.last}")
    elif wanted.since is None and not filtered:
        flags.append(f"--lines={JOURNAL_LINES}")
    elif asked.follow:
        flags.append("--no-tail" if wanted.since is not None else f"--lines={RECENT}")
    return flags


def _is_empty(program: str, whose: list[str]) -> bool:
    command = [program, *whose, "--no-pager", "--quiet", "--lines=1", "--output=cat"]
    done = subprocess.run(  # noqa: S603 - as above
        command, capture_output=True, check=False, timeout=30
    )
    return done.returncode == 0 and not done.stdout
