"""``gitbridge top``: the daemon, its providers and the last requests, again and again."""

import argparse
import shutil
import time
from collections.abc import Callable

from msgspec import Struct

from daemon.cli.connection import Client, typed
from daemon.cli.output import Output
from daemon.cli.render import records, status
from daemon.exits import EXIT_OK
from ipc.results import HistoryResult, StatusResult

REQUESTS = 20

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # another screen, no cursor, no wrapping
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"


class View(Struct, frozen=True):
    """What is shown at one time; the document of ``--json``."""

    status: StatusResult
    history: HistoryResult


def top(
    args: argparse.Namespace,
    client: Client,
    out: Output,
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """Show it until interrupted; once, where nobody watches."""
    if out.as_json:
        out.document(_look(client))
    elif args.once or not out.on_terminal:
        out.result(_text(_look(client), out))
    else:
        _watch(client, out, lambda: sleep(args.interval))
    return EXIT_OK


def _watch(client: Client, out: Output, wait: Callable[[], object]) -> None:
    out.control(_ENTER)
    try:
        while True:
            lines = _text(_look(client), out).splitlines()
            room = shutil.get_terminal_size().lines - 1
            shown = "".join(f"{line}{_REST_OF_LINE}\r\n" for line in lines[:room])
            out.control(_HOME + shown + _REST)
            wait()
    finally:
        out.control(_LEAVE)


def _look(client: Client) -> View:
    return View(
        typed(client.call("status", {}), StatusResult),
        typed(client.call("history", {"limit": REQUESTS}), HistoryResult),
    )


def _text(view: View, out: Output) -> str:
    parts = (
        status.status(view.status, out.paint),
        records.history(view.history, out.paint),
    )
    return "\n\n".join(part.rstrip("\n") for part in parts)
