"""What systemd is told, read from a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.sdnotify import Notifier, take_environment


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


def notifier_of(listening: socket.socket, **more: str) -> Notifier:
    return Notifier.from_environ({"NOTIFY_SOCKET": listening.getsockname(), **more})


def test_each_message_is_one_datagram(systemd: socket.socket) -> None:
    notifier = notifier_of(systemd)
    notifier.ready("3 providers\nhealthy")
    notifier.status("busy")
    notifier.watchdog()
    notifier.extend(1.5)
    notifier.stopping()

    assert [systemd.recv(4096).decode() for _ in range(5)] == [
        "READY=1\nSTATUS=3 providers healthy",
        "STATUS=busy",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=1500000",
        "STOPPING=1",
    ]


def test_a_reload_says_when_it_began_in_the_same_datagram(
    systemd: socket.socket,
) -> None:
    notifier_of(systemd).reloading()
    first, second = systemd.recv(4096).decode().split("\n")

    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")
    assert int(second.partition("=")[2]) > 0


def test_nothing_is_sent_for_an_empty_status(systemd: socket.socket) -> None:
    notifier = notifier_of(systemd)
    notifier.status("")
    notifier.watchdog()

    assert systemd.recv(4096) == b"WATCHDOG=1"


def test_outside_of_systemd_everything_is_harmless() -> None:
    Notifier.from_environ({}).ready("x")
    Notifier.from_environ({"NOTIFY_SOCKET": "/nonexistent/socket"}).ready("x")


def test_an_abstract_address_is_understood() -> None:
    name = f"gitbridge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(5)
        Notifier.from_environ({"NOTIFY_SOCKET": f"@{name}"}).watchdog()

        assert listening.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_wants_a_sign_three_times_in_its_time(
    environ: dict[str, str], interval: float | None
) -> None:
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": "/x", **environ}, pid=7)

    assert notifier.watchdog_interval_s == interval


def test_without_a_socket_there_is_no_watchdog() -> None:
    assert Notifier.from_environ({"WATCHDOG_USEC": "1000"}).watchdog_interval_s is None


def test_what_is_for_this_process_alone_is_not_left_for_its_children() -> None:
    ours = {
        "NOTIFY_SOCKET": "/run/n",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": "7",
        "LISTEN_PID": "7",
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "api",
    }
    environ = {"PATH": "/bin", "CREDENTIALS_DIRECTORY": "/run/c", **ours}
    taken = take_environment(environ)

    assert environ == {"PATH": "/bin", "CREDENTIALS_DIRECTORY": "/run/c"}
    assert taken == {**environ, **ours}
    assert Notifier.from_environ(taken, pid=7).watchdog_interval_s == 10.0
