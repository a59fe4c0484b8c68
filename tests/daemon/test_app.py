"""The process: when it refuses to start, how it stops, and with which exit code."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import anyio
import pytest

from daemon.exits import EXIT_CONFIG, EXIT_OK, EXIT_TRY_LATER
from daemon.simulator import Latency, SimulatedProvider, simulate
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
    prepared_daemon,
)
from tests.support.waiting import until
from tests.support.wire_client import wire_client

pytestmark = pytest.mark.slow


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with simulate(["openai"]) as providers:
        yield providers["openai"]


def patient(provider: SimulatedProvider, more: str = "") -> str:
    """A configuration whose only provider may take a minute."""
    config = configuration({"openai": provider}, more)
    return config.replace(
        "first_token_s = 0.5, idle_s = 0.5, total_s = 1.5",
        "first_token_s = 60.0, idle_s = 60.0, total_s = 60.0",
    )


def refused(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and stderr of a daemon that does not start."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "daemon", "serve", "--simulate"),
            *("--state-dir", str(folder / "state"), *arguments),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        check=False,
    )
    return ended.returncode, ended.stderr


async def code_of(daemon: DaemonProcess) -> int:
    """Wait for the end without asking for it."""
    await until(lambda: not daemon.running)
    return await daemon.stop()


async def test_a_second_signal_stops_at_once_and_tells_everybody(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=60.0))
    config = patient(provider, "[server]\ndrain_s = 60\n")
    async with (
        daemon_process(tmp_path, config) as daemon,
        wire_client(daemon.socket) as client,
    ):
        plain = client.start("route", {"prompt": "Wait."})
        streamed = client.start("route", {"prompt": "Wait.", "stream": True})
        await until(lambda: provider.stats.in_flight == 2)
        os.kill(daemon.pid, signal.SIGTERM)
        await daemon.wait_for_log("draining")
        asked = monotonic()
        os.kill(daemon.pid, signal.SIGTERM)

        assert await code_of(daemon) == EXIT_OK
        assert monotonic() - asked < 3.0
        await plain.ended.wait()
        await streamed.ended.wait()
        for exchange in (plain, streamed):
            assert exchange.error is not None
            assert exchange.error["message"] == "the daemon stopped before the answer"
        assert daemon.logs("drain_cut_short")
        assert_well(daemon)


async def test_while_it_drains_nobody_else_can_connect(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=1.0))
    async with (
        daemon_process(tmp_path, patient(provider)) as daemon,
        wire_client(daemon.socket) as client,
    ):
        inside = client.start("route", {"prompt": "Wait."})
        await until(lambda: provider.stats.in_flight == 1)
        os.kill(daemon.pid, signal.SIGTERM)
        await until(lambda: not daemon.socket.exists())

        with pytest.raises(OSError, match="No such file"):
            async with wire_client(daemon.socket):
                pass

        assert await code_of(daemon) == EXIT_OK
        await inside.ended.wait()
        assert inside.error is None


async def test_whoever_got_in_a_moment_before_the_end_is_answered(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    async with (
        daemon_process(tmp_path, patient(provider)) as daemon,
        AsyncExitStack() as stack,
    ):
        clients = [
            await stack.enter_async_context(wire_client(daemon.socket))
            for _ in range(5)
        ]
        os.kill(daemon.pid, signal.SIGTERM)
        asked = [each.start("route", {"prompt": "Just in time?"}) for each in clients]

        assert await code_of(daemon) == EXIT_OK
        for each in asked:
            await each.ended.wait()
            assert each.result["provider"] == "openai"
        assert_well(daemon)


async def test_a_signal_before_it_is_ready_ends_it_in_order(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    with prepared_daemon(tmp_path, patient(provider)) as daemon:
        daemon.spawn()
        await until(daemon.socket.exists)
        os.kill(daemon.pid, signal.SIGTERM)

        assert await code_of(daemon) == EXIT_OK
        assert not daemon.socket.exists()
        assert_well(daemon)


async def test_a_socket_removed_while_it_runs_comes_back(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    async with daemon_process(tmp_path, patient(provider)) as daemon:
        daemon.socket.unlink()
        await daemon.wait_for_log("socket_restored")

        async with wire_client(daemon.socket) as client:
            assert (await client.call("route", {"prompt": "Hi."})).result

        assert await daemon.stop() == EXIT_OK


def test_a_place_where_no_socket_can_be_is_a_mistake_in_the_configuration(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    for path, words in (
        (tmp_path / ("x" * 120), "too long"),
        (tmp_path / "none" / "s", "is no folder"),
        (file, "is no socket: not removed"),
    ):
        code, said = refused(tmp_path, "--socket", str(path))

        assert (code, words in said) == (EXIT_CONFIG, True), said
    assert file.read_text() == "precious"


def test_a_tcp_address_in_use_is_worth_another_try(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        config = tmp_path / "gitbridge.toml"
        config.write_text("[access]\nopen_loopback = true\n")
        port = theirs.getsockname()[1]
        code, said = refused(
            tmp_path,
            *("--config", str(config), "--listen", f"127.0.0.1:{port}"),
            *("--socket", str(tmp_path / "s")),
        )

    assert (code, f"cannot listen on 127.0.0.1:{port}" in said) == (
        EXIT_TRY_LATER,
        True,
    )


async def test_a_second_daemon_is_told_whose_place_it_is(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    async with daemon_process(tmp_path, patient(provider)) as daemon:
        socket_of_first = str(daemon.socket)
        code, said = await anyio.to_thread.run_sync(
            refused, tmp_path / "other", "--socket", socket_of_first
        )

        assert (code, f"process {daemon.pid}" in said) == (EXIT_TRY_LATER, True), said
        assert await daemon.stop() == EXIT_OK
