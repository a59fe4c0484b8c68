"""`gitbridge top`."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import pytest

from actors.errors import InternalError, QueueUnavailable
from actors.messages.ledger import UsageRow
from actors.messages.notices import Topic
from actors.messages.routing import Weights
from daemon.cli.parser import build_parser
from daemon.cli.top import AGAIN_S, CALM_S, top
from ipc.results import DeltaParams, HistoryResult, StatusResult, UsageResult
from ipc.subscribing import NoticeParams
from ipc.tasks import TaskListResult
from tests.support.cli import FakeDaemon, Machine, Screen

STATUS = StatusResult(
    version="1.2.3",
    pid=7,
    started_at=0.0,
    uptime_s=5.0,
    ready=True,
    strategy="hybrid",
    weights=Weights(),
    in_flight=2,
    providers=(),
)
USAGE = UsageResult(by="provider", since=0.0, rows=())
ANSWERS: dict[str, object] = {
    "status": STATUS,
    "history": HistoryResult(()),
    "usage": USAGE,
    "tasks.list": TaskListResult(()),
    "subscribe": None,
}


def told(topic: Topic | None, lost: int = 0) -> NoticeParams:
    return NoticeParams(id=1, name="x", body={}, topic=topic, lost=lost)


class Silence(Exception):
    """Raised to end watching, when nothing more is told."""


class Watched:
    """A daemon that is watched on a terminal for a few looks."""

    def __init__(self, *pieces: NoticeParams | None, looks: int = 3) -> None:
        self.daemon, self.screen = FakeDaemon(ANSWERS), Screen(tty=True)
        self.told = Told(pieces, looks)
        self.slept: list[float] = []

    def watch(self, *flags: str) -> list[str]:
        """The methods that were called, in order."""
        args = build_parser().parse_args(["top", *flags])
        with pytest.raises(Silence):
            top(
                args, self.daemon, self.screen.output(), self._listen, self.slept.append
            )
        return [method for method, _ in self.daemon.calls]

    def _listen(self) -> "Told":
        return self.told


class Told:
    """A connection of its own for what is told; ``None`` among it is a silence."""

    def __init__(self, pieces: Sequence[NoticeParams | None], looks: int) -> None:
        self._pieces = list(pieces)
        self._looks = looks
        self.waits: list[float] = []
        self.topics: object = None

    def stream(self, method: str, params: object = None) -> "Told":
        assert method == "subscribe"
        self.topics = params
        return self

    def call(self, method: str, params: object = None) -> object:
        raise AssertionError("this one is only told")

    def wait_for_end(self) -> None: ...

    def __iter__(self) -> Iterator[DeltaParams]:
        return iter(())

    def pieces(self) -> Iterator[DeltaParams | NoticeParams]:
        return iter(())

    @property
    def result(self) -> object:
        return None

    def wait_for(self, timeout_s: float) -> NoticeParams | None:
        if timeout_s > 0.01:
            self.waits.append(timeout_s)
            if len(self.waits) >= self._looks:
                raise Silence
        return self._pieces.pop(0) if self._pieces else None


@pytest.mark.parametrize("flags", [[], ["--once"]])
def test_where_nobody_watches_it_is_shown_once(flags: list[str]) -> None:
    machine = Machine(FakeDaemon(ANSWERS))

    assert machine.type("top", *flags) == 0
    assert "hybrid" in machine.screen.out
    assert "\x1b" not in machine.screen.out


def test_programs_get_one_document() -> None:
    machine = Machine(FakeDaemon(ANSWERS))

    assert machine.type("top", "--json") == 0
    document = machine.screen.document
    assert isinstance(document, dict)
    assert document["status"]["in_flight"] == 2
    assert document["history"]["entries"] == []


def test_on_a_terminal_it_is_painted_until_interrupted_and_leaves_no_trace() -> None:
    watched = Watched()
    watched.watch("--interval", "0.5")

    assert watched.told.waits == [0.5] * 3
    assert watched.screen.out.count("\x1b[H") == 3
    assert watched.screen.out.startswith("\x1b[?1049h")
    assert watched.screen.out.endswith("\x1b[?1049l")


def test_where_nothing_happens_only_the_state_is_asked_for_again() -> None:
    calls = Watched().watch()

    assert calls == ["history", "usage", "tasks.list", "status", "status", "status"]


def test_what_happens_is_looked_at_soon_and_once_more_when_it_is_written() -> None:
    watched = Watched(told("requests"), told("requests"), None, None, looks=4)
    calls = watched.watch("--interval", "30")

    assert calls[4:] == [
        *("history", "usage", "status"),
        *("history", "usage", "status"),
        "status",
    ]
    assert watched.slept == [CALM_S]  # two at a time are one look
    assert watched.told.waits == [30.0, AGAIN_S, 30.0, 30.0]


def test_tasks_are_looked_at_when_there_is_news_of_them() -> None:
    calls = Watched(told("tasks"), None, looks=2).watch()

    assert calls[4:] == ["tasks.list", "status"]


def test_after_a_loss_everything_is_looked_at() -> None:
    calls = Watched(told("breakers", lost=3), None, looks=2).watch()

    assert calls[4:] == ["history", "usage", "tasks.list", "status"]


def test_spend_and_tasks_are_shown() -> None:
    row = UsageRow(
        key="openai",
        requests=3,
        attempts=4,
        failures=1,
        prompt_tokens=1,
        completion_tokens=1,
        cached_tokens=0,
        reasoning_tokens=0,
        cost_usd=Decimal("0.5"),
        unpriced_attempts=2,
        simulated=False,
    )
    usage = UsageResult(by="provider", since=0.0, rows=(row,))
    answers = {**ANSWERS, "usage": usage, "tasks.list": QueueUnavailable("no")}
    machine = Machine(FakeDaemon(answers))

    assert machine.type("top", "--once") == 0
    assert (
        "spent in 24h: $0.5000 for 3 requests (openai $0.5000), 2 calls of unknown cost"
        in machine.screen.out
    )
    assert "tasks: not to be reached now" in machine.screen.out


def test_another_failure_of_tasks_is_one() -> None:
    answers = {**ANSWERS, "tasks.list": InternalError("oh")}

    assert Machine(FakeDaemon(answers)).type("top", "--once") == 70
