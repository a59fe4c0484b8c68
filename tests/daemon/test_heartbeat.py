"""What systemd hears from the event loop, in virtual time, and the line about how we are."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import anyio
import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from actors.messages.lifecycle import Condition
from actors.messages.provider import ProviderSnapshot
from daemon.heartbeat import ask_for_time, keep_informed, status_line
from daemon.sdnotify import Notifier


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": MockClock(autojump_threshold=0)})


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "n"))
        listening.setblocking(False)
        yield listening


def heard(systemd: socket.socket) -> list[str]:
    said: list[str] = []
    while True:
        try:
            said.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return said


def notifier_of(systemd: socket.socket, **more: str) -> Notifier:
    return Notifier.from_environ({"NOTIFY_SOCKET": systemd.getsockname(), **more})


async def test_a_status_is_sent_only_when_it_has_changed(
    systemd: socket.socket,
) -> None:
    active = 0
    with anyio.move_on_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(
                keep_informed, notifier_of(systemd), lambda: f"{active} active"
            )
            await anyio.sleep(20)
            active = 12

    assert heard(systemd) == ["STATUS=0 active", "STATUS=12 active"]


async def test_the_watchdog_is_fed_three_times_in_its_time(
    systemd: socket.socket,
) -> None:
    notifier = notifier_of(systemd, WATCHDOG_USEC="30000000")
    with anyio.move_on_after(29):
        await keep_informed(notifier, lambda: "")

    assert heard(systemd) == ["WATCHDOG=1"] * 3


async def test_without_systemd_nobody_is_asked_how_we_are() -> None:
    asked: list[str] = []

    def status() -> str:
        asked.append("how are you")
        return "fine"

    with anyio.move_on_after(3600):
        await keep_informed(Notifier.from_environ({}), status)

    assert asked == []


def provider(name: str, healthy: bool | None) -> ProviderSnapshot:
    return ProviderSnapshot(
        provider=name,
        kind="openai",
        version=1,
        models=(),
        default_model=None,
        healthy=healthy,
    )


def condition(
    severity: Literal["info", "warning", "error"],
    text: str,
) -> Condition:
    return Condition(
        code="c",
        severity=severity,
        title="T",
        text=text,
        since=0.0,
        advice="",
    )


PROVIDERS = [provider("a", True), provider("b", False), provider("c", None)]


def test_who_is_active_and_who_is_healthy() -> None:
    assert status_line(12, PROVIDERS, ()) == "12 active, 1/3 providers healthy"
    assert (
        status_line(2, PROVIDERS, (), draining=True)
        == "draining: 2 active, 1/3 providers healthy"
    )


def test_pretended_providers_are_called_so() -> None:
    pretended = [replace(each, simulated=True) for each in PROVIDERS]

    assert status_line(0, pretended, ()) == (
        "0 active, 1/3 simulated providers healthy"
    )


def test_the_gravest_condition_is_named() -> None:
    conditions = [
        condition("info", "all is well"),
        condition("warning", "the disk is nearly full"),
        condition("error", "openai refuses our key"),
    ]

    assert status_line(0, [], conditions) == (
        "0 active, 0/0 providers healthy; openai refuses our key (and 1 more)"
    )
    assert "all is well" not in status_line(0, [], conditions[:1])


def test_a_long_line_is_cut() -> None:
    line = status_line(0, [], [condition("error", "x" * 500)])

    assert len(line) == 160
    assert line.endswith("x…")


async def test_a_stop_that_takes_long_asks_for_time_again_and_again(
    systemd: socket.socket,
) -> None:
    with anyio.move_on_after(25):
        await ask_for_time(notifier_of(systemd))

    assert heard(systemd) == ["EXTEND_TIMEOUT_USEC=30000000"] * 3


async def test_nobody_is_asked_for_time_where_nobody_listens() -> None:
    with anyio.fail_after(1):
        await ask_for_time(Notifier(None, None))
