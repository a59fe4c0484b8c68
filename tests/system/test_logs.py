"""The log of a real daemon: read by ``gitbridge logs``, by jq, and by nobody at all."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread
import msgspec
import pytest

from daemon.simulator import ProviderSpec, simulate
from tests.support.conditions import conditions, listens
from tests.support.daemon_process import (
    DaemonProcess,
    configuration,
    daemon_process,
    prepared_daemon,
)
from tests.support.documents import blocks
from tests.support.waiting import eventually
from tests.support.wire_client import WireClient, wire_client

PATIENCE_S = 20.0
QUICK_S = 1.0
LONG_WORD = "x" * 200  # as long as a name may be

TRACEBACK = 'Fatal Python error: Aborted\n\n  File "x.py", line 1 in <module>\n'
JQ = [
    line.partition("-o cat | ")[2]
    for code in blocks("README.md", "console")
    for line in code.splitlines()
    if "| jq" in line
]

pytestmark = [pytest.mark.slow]

LOCAL = ProviderSpec(name="openai", kind="openai")


# ---- nobody reads


class Stalled:
    """A pipe that nobody reads until ``start_reading``."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._data = bytearray()

    def start_reading(self) -> None:
        self._thread.start()

    def _read(self) -> None:
        while piece := os.read(self.reading, 1 << 16):
            self._data += piece

    def lines(self, event: str) -> list[dict[str, object]]:
        whole = bytes(self._data)
        lines = whole[: whole.rfind(b"\n") + 1].splitlines()
        decoded = (msgspec.json.decode(x, type=dict[str, object]) for x in lines)
        return [x for x in decoded if x["event"] == event]


@pytest.fixture
def pipe() -> Iterator[Stalled]:
    made = Stalled()
    yield made
    os.close(made.reading)


@asynccontextmanager
async def unread_daemon(
    folder: Path, pipe: Stalled
) -> AsyncIterator[tuple[DaemonProcess, WireClient]]:
    """A daemon whose log nobody reads, until its queue is full and lines are lost."""
    async with simulate([LOCAL]) as providers:
        with prepared_daemon(folder, configuration(providers)) as daemon:
            daemon.stdout = pipe.writing
            daemon.spawn()
            os.close(pipe.writing)
            await eventually(lambda: listens(daemon.socket), PATIENCE_S)
            async with wire_client(daemon.socket) as client:
                await fill(client)
                yield daemon, client


async def fill(client: WireClient) -> None:
    """Log long lines until more are lost than a test would miss."""
    with anyio.fail_after(PATIENCE_S):
        while await dropped(client) < 100:
            # Nobody serves that model: the line says so, and no provider is asked.
            names = {"task_type": LONG_WORD, "model": LONG_WORD}
            asked = [
                client.start("route", {"prompt": "hi", **names}) for _ in range(64)
            ]
            for each in asked:
                await each.ended.wait()
                assert not each.lost


async def dropped(client: WireClient) -> int:
    """How many lines were lost, as ``status`` says; 0 while it says nothing."""
    found = await conditions(client)
    text = found.get("log_lines_dropped", "0 lines")
    return int(text.split()[0])


async def test_a_reader_that_stalls_costs_lines_and_nobodys_time(
    tmp_path: Path, pipe: Stalled
) -> None:
    async with unread_daemon(tmp_path, pipe) as (daemon, client):
        slowest = 0.0
        for number in range(100):
            began = time.monotonic()
            method = "route" if number % 2 else "status"
            answer = await client.call(method, {"prompt": "hi"} if number % 2 else {})
            slowest = max(slowest, time.monotonic() - began)
            assert answer.error is None
        lost = await dropped(client)
        pipe.start_reading()
        with anyio.fail_after(PATIENCE_S):
            while not pipe.lines("log_lines_dropped"):  # noqa: ASYNC110 - it is a thread's
                await anyio.sleep(0.01)
        code = await daemon.stop()

    assert slowest < QUICK_S
    [said] = pipe.lines("log_lines_dropped")
    [stopped] = pipe.lines("stopped")
    assert said["level"] == "warning"
    assert said["count"] == stopped["log_lines_dropped"]
    assert cast("int", said["count"]) >= lost >= 100
    assert code == 0


async def test_a_reader_that_stalls_does_not_keep_the_daemon_from_ending(
    tmp_path: Path, pipe: Stalled
) -> None:
    async with unread_daemon(tmp_path, pipe) as (daemon, _):
        began = time.monotonic()

        assert await daemon.stop() == 0
        assert time.monotonic() - began < 10.0


# ---- somebody reads


async def test_the_one_liners_of_the_readme_read_a_real_log(tmp_path: Path) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    log, requests = await some_log(tmp_path)
    everything, finished, money = [jq(line, log + TRACEBACK) for line in JQ]

    raw = [x["raw"] for x in everything if isinstance(x, dict) and "raw" in x]
    assert raw == TRACEBACK.splitlines()
    assert len(everything) == len((log + TRACEBACK).splitlines())
    assert len(finished) == requests
    assert all(row[0] == "openai" and row[3] > 0 for row in finished)  # type: ignore[index]  # lists
    assert money == [pytest.approx(sum(row[3] for row in finished))]  # type: ignore[index]  # lists


async def test_gitbridge_logs_reads_a_real_log(tmp_path: Path) -> None:
    log, requests = await some_log(tmp_path)
    shown = readable(log + TRACEBACK)

    assert sum(" request_finished openai/" in line for line in shown) == requests
    assert shown[-3:] == TRACEBACK.splitlines()
    assert not any("{" in line for line in shown)


async def some_log(folder: Path, requests: int = 3) -> tuple[str, int]:
    """What a daemon says that answers so many requests and ends."""
    async with (
        simulate([LOCAL]) as providers,
        daemon_process(folder, configuration(providers)) as daemon,
    ):
        async with wire_client(daemon.socket) as client:
            for _ in range(requests):
                assert (await client.call("route", {"prompt": "hi"})).error is None
        await daemon.stop()
        return daemon.output(), requests


def readable(text: str) -> list[str]:
    """What ``gitbridge logs -`` makes of it."""
    done = subprocess.run(
        [sys.executable, "-m", "daemon", "logs", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == ""
    return done.stdout.splitlines()


def jq(line: str, text: str) -> list[object]:
    """What a jq command of the README makes of a log."""
    done = subprocess.run(
        ["sh", "-euc", line], input=text, capture_output=True, text=True, check=True
    )
    compact = subprocess.run(
        ["jq", "-c", "."], input=done.stdout, capture_output=True, text=True, check=True
    )
    return [msgspec.json.decode(each) for each in compact.stdout.splitlines()]
