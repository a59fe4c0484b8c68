"""`gitbridge top`."""

import pytest

from actors.messages.routing import Weights
from daemon.cli.parser import build_parser
from daemon.cli.top import top
from ipc.results import HistoryResult, StatusResult
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
ANSWERS = {"status": STATUS, "history": HistoryResult(())}


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
    daemon, screen = FakeDaemon(ANSWERS), Screen(tty=True)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    args = build_parser().parse_args(["top", "--interval", "0.5"])
    with pytest.raises(KeyboardInterrupt):
        top(args, daemon, screen.output(), sleep)

    assert waits == [0.5] * 3
    assert screen.out.count("\x1b[H") == 3
    assert screen.out.startswith("\x1b[?1049h")
    assert screen.out.endswith("\x1b[?1049l")
