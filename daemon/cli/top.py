"""``gitbridge top``: the daemon, its providers, tasks, spend and last requests.

Looks again when something happens, and when nothing did for a while: what is in flight
tells of nothing. What only changes when something happens is asked for only then.
"""

import argparse
import shutil
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from actors.errors import GitBridgeError
from actors.messages.notices import Topic
from daemon.cli.connection import Client, Stream, typed
from daemon.cli.output import Output
from daemon.cli.render import records, status, tasks
from daemon.cli.render.spend import spend
from daemon.exits import EXIT_OK
from ipc.results import HistoryResult, StatusResult, UsageResult
from ipc.subscribing import NoticeParams
from ipc.tasks import TaskListResult

REQUESTS: Final = 20
TASKS: Final = 5
SPEND_OVER: Final = "24h"
CALM_S: Final = 0.1
"""The shortest time between two looks, however much happens."""

AGAIN_S: Final = 1.0
"""When to look once more after something has happened."""

_TOPICS: Final[tuple[Topic, ...]] = ("requests", "tasks", "breakers", "conditions")
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # another screen, no cursor, no wrapping
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"


class View(Struct, frozen=True):
    """What is shown at one time; the document of ``--json``.

    ``tasks`` are ``None`` where whoever keeps them cannot be reached.
    """

    status: StatusResult
    history: HistoryResult
    usage: UsageResult
    tasks: TaskListResult | None


def top(
    args: argparse.Namespace,
    client: Client,
    out: Output,
    listener: Callable[[], Client] | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """Show it until interrupted; once, where nobody watches.

    Args:
        args: The flags.
        client: To ask.
        out: Where it is shown.
        listener: Opens another connection, to be told of what happens.
        sleep: For between two looks.
    """
    if out.as_json:
        out.document(_Looking(client).look())
    elif args.once or not out.on_terminal:
        out.result(_text(_Looking(client).look(), out))
    else:
        teller = client if listener is None else listener()
        told = teller.stream("subscribe", {"topics": _TOPICS})
        _watch(_Looking(client), out, _News(told, sleep), args.interval)
    return EXIT_OK


def _watch(looking: "_Looking", out: Output, news: "_News", interval_s: float) -> None:
    out.control(_ENTER)
    try:
        while True:
            lines = _text(looking.look(), out).splitlines()
            room = shutil.get_terminal_size().lines - 1
            shown = "".join(f"{line}{_REST_OF_LINE}\r\n" for line in lines[:room])
            out.control(_HOME + shown + _REST)
            patience_s = min(interval_s, AGAIN_S) if looking.heard else interval_s
            looking.hear(news.wait(patience_s))
    finally:
        out.control(_LEAVE)


class _News:
    """Waits until something happens, and for all that happens at the same time."""

    def __init__(self, told: Stream, sleep: Callable[[float], object]) -> None:
        self._told = told
        self._sleep = sleep

    def wait(self, patience_s: float) -> frozenset[str]:
        """Of which topics something was told; of none after so many seconds.

        Raises:
            Interrupted: The daemon stops.
        """
        piece = self._told.wait_for(patience_s)
        if piece is None:
            return frozenset()
        self._sleep(CALM_S)
        topics: set[str] = set()
        while piece is not None:
            if isinstance(piece, NoticeParams):
                topics |= set(_TOPICS) if piece.lost else {piece.topic or ""}
            piece = self._told.wait_for(0.001)
        return frozenset(topics)


class _Looking:
    """Asks for what may have changed since the last time.

    Attributes:
        heard: Of which topics there was news before the last look.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stale = frozenset[str](_TOPICS)
        self.heard = frozenset[str]()
        self._history = HistoryResult(())
        self._usage: UsageResult | None = None
        self._tasks: TaskListResult | None = None

    def hear(self, topics: frozenset[str]) -> None:
        """Something happened there; what was told last is looked at once more.

        It is told before it is where it can be read.
        """
        self._stale = topics | self.heard
        self.heard = topics

    def look(self) -> View:
        call = self._client.call
        if "requests" in self._stale or self._usage is None:
            history = call("history", {"limit": REQUESTS})
            self._history = typed(history, HistoryResult)
            self._usage = typed(call("usage", {"since": SPEND_OVER}), UsageResult)
        if "tasks" in self._stale:
            self._tasks = self._look_at_tasks()
        return View(
            typed(call("status", {}), StatusResult),
            self._history,
            self._usage,
            self._tasks,
        )

    def _look_at_tasks(self) -> TaskListResult | None:
        try:
            found = self._client.call("tasks.list", {"limit": TASKS})
        except GitBridgeError as error:
            if error.kind != "overloaded":
                raise
            return None
        return typed(found, TaskListResult)


def _text(view: View, out: Output) -> str:
    parts = [
        status.status(view.status, out.paint),
        spend(view.usage, SPEND_OVER),
        "tasks: not to be reached now" if view.tasks is None else "",
        records.history(view.history, out.paint),
    ]
    if view.tasks is not None and view.tasks.tasks:
        parts[2] = tasks.listing(TaskListResult(view.tasks.tasks), out.paint)
    return "\n\n".join(part.rstrip("\n") for part in parts if part)
