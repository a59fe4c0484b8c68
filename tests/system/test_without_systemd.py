"""The daemon behaves where nobody manages it, and beside other daemons and leftovers."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.exits import EXIT_CONFIG, EXIT_OK, EXIT_TRY_LATER
from daemon.simulator import Latency, SimulatedProvider, simulate
from ipc.client import Client
from ipc.sockets import LONGEST_PATH_BYTES
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
    prepared_daemon,
    process_environment,
)
from tests.support.door import short_folder
from tests.support.waiting import until
from tests.support.wire_client import WireClient, wire_client

pytestmark = pytest.mark.slow

# What systemd does before it starts a service: descriptor 3, and for whom it is.
HAND_OVER = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "api", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "daemon", *sys.argv[2:]])
"""

# The first terminal that the leader of a session opens becomes its own.
ON_TERMINAL = """\
import os, sys
os.open(sys.argv[1], os.O_RDWR)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with simulate(["openai"]) as providers:
        yield providers["openai"]


def refused(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and stderr of a daemon that does not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "daemon", "serve", "--simulate", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env=process_environment(folder) | dict(environ or {}),
        check=False,
    )
    return ended.returncode, ended.stderr


async def serves(daemon: DaemonProcess) -> bool:
    async with Client([daemon.socket]) as client:
        return bool((await client.route("Hi.")).content)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"NOTIFY_SOCKET": "/nonexistent/notify", "WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "x"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "api"},
        {"LISTEN_FDS": "many", "LISTEN_PID": "me"},
        {"JOURNAL_STREAM": "8:1", "INVOCATION_ID": "x"},
    ],
    ids=["nothing", "nobody", "nonsense", "another", "no number", "journal"],
)
async def test_what_was_meant_for_another_process_is_left_alone(
    tmp_path: Path, provider: SimulatedProvider, environ: dict[str, str]
) -> None:
    config = configuration({"openai": provider})
    with prepared_daemon(tmp_path, config) as daemon:
        daemon.environ |= environ
        await daemon.start()
        assert await serves(daemon)
        assert await daemon.stop() == EXIT_OK
        assert not daemon.socket.exists()
        assert_well(daemon)


async def test_what_a_killed_daemon_left_is_replaced(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    async with daemon_process(tmp_path, configuration({"openai": provider})) as daemon:
        await daemon.kill()
        assert daemon.socket.exists()

        await daemon.start()

        assert await serves(daemon)
        assert await daemon.stop() == EXIT_OK
        assert_well(daemon)


async def test_a_second_daemon_is_refused_by_socket_and_by_state_folder(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    async with daemon_process(tmp_path, configuration({"openai": provider})) as daemon:
        other = tmp_path / "other"
        code, said = refused(
            tmp_path, "--socket", str(daemon.socket), "--state-dir", str(other)
        )
        assert (code, f"(process {daemon.pid})" in said) == (EXIT_TRY_LATER, True)
        assert str(daemon.socket) in said

        code, said = refused(
            tmp_path, "--socket", str(other / "s"), "--state-dir", str(daemon.state)
        )
        assert (code, f"(process {daemon.pid})" in said) == (EXIT_TRY_LATER, True)
        assert f"the state folder {daemon.state}" in said
        assert "--state-dir" in said
        assert "Traceback" not in said

        assert await serves(daemon)
        assert await daemon.stop() == EXIT_OK


def test_a_socket_that_another_program_answers_on_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(path))
        theirs.listen()

        code, said = refused(
            tmp_path, "--socket", str(path), "--state-dir", str(tmp_path / "state")
        )

        assert (code, f"it answers on {path}" in said) == (EXIT_TRY_LATER, True), said
        assert path.exists()


def test_a_path_that_is_too_long_is_told_with_its_length_wherever_it_is_from(
    tmp_path: Path,
) -> None:
    deep = tmp_path / ("x" * 100)
    config = tmp_path / "gitbridge.toml"
    config.write_text(f'[server]\nsocket = "{deep}/s"\n')
    state = ("--state-dir", str(tmp_path / "state"))
    ways: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
        (("--socket", f"{deep}/s", *state), {}),
        (("--config", str(config), *state), {}),
        (state, {"GITBRIDGE_SOCKET": f"{deep}/s"}),
    )
    for arguments, environ in ways:
        code, said = refused(tmp_path, *arguments, environ=environ)

        length = len(f"{deep}/s")
        assert code == EXIT_CONFIG
        assert f"{length} bytes, at most {LONGEST_PATH_BYTES}" in said
        assert f"{deep}/s" in said
        assert len(said.splitlines()) == 1


# A socket that was made for us -------------------------------------------------------


@contextmanager
def handed_over(
    folder: Path, config: str, listening: socket.socket
) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon that was given this socket as systemd gives one."""
    path = folder / "gitbridge.toml"
    path.write_text(config)
    arguments = ("serve", "--config", str(path), "--state-dir", str(folder / "state"))
    os.set_inheritable(listening.fileno(), True)
    started = subprocess.Popen(
        [sys.executable, "-c", HAND_OVER, str(listening.fileno()), *arguments],
        stdout=subprocess.DEVNULL,
        env=process_environment(folder),
        close_fds=False,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait(10)


async def test_a_socket_that_was_handed_over_outlives_us_and_nobody_is_refused(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=1.0))
    config = configuration({"openai": provider})
    path = short_folder() / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(64)
        number = path.stat().st_ino
        with handed_over(tmp_path, config, listening) as first:
            async with wire_client(path) as inside:
                exchange = inside.start("route", {"prompt": "Wait."})
                await until(lambda: provider.stats.in_flight == 1, 20.0)
                first.send_signal(signal.SIGTERM)
                late = await drained_and_late(path, inside)
                assert await ended(first) == EXIT_OK
                await exchange.ended.wait()
                assert exchange.error is None
        assert path.stat().st_ino == number
        with handed_over(tmp_path, config, listening) as second:
            late.settimeout(30.0)  # whoever came meanwhile waits for the next one
            assert b'"result"' in late.recv(65536)
            late.close()
            second.send_signal(signal.SIGTERM)
            assert await ended(second) == EXIT_OK
        assert path.exists()
    path.unlink()
    path.parent.rmdir()


async def drained_and_late(path: Path, inside: WireClient) -> socket.socket:
    """Once it drains, somebody who connects and asks all the same."""
    # Not by a request: one that gets in just before the drain would be its last.
    while not (await inside.call("status")).result["draining"]:
        pass
    late = socket.socket(socket.AF_UNIX)
    late.connect(str(path))
    late.sendall(b'{"id":1,"method":"hello"}\n')
    return late


async def ended(process: "subprocess.Popen[bytes]") -> int:
    await until(lambda: process.poll() is not None, 20.0)
    return process.returncode


# A terminal --------------------------------------------------------------------------


async def test_a_daemon_on_a_terminal_reloads_and_ends_with_it(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    config = configuration({"openai": provider})
    ours, theirs = os.openpty()
    with prepared_daemon(tmp_path, config) as daemon:
        daemon.prefix = [sys.executable, "-c", ON_TERMINAL, os.ttyname(theirs)]
        await daemon.start()
        os.close(theirs)
        daemon.signal(signal.SIGHUP)
        await daemon.wait_for_log("reloaded")
        assert await serves(daemon)

        os.close(ours)  # the window is closed

        await until(lambda: not daemon.running)
        assert await daemon.stop() == EXIT_OK
        assert daemon.logs("draining")
        assert len(daemon.logs("reloaded")) == 1
        assert_well(daemon)
