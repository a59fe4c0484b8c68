"""The machine fails us: it answers or says why, and recovers by itself.

Descriptors, the clock; disks and databases have files of their own.
"""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import cast

import anyio
import pytest

from daemon.simulator import ProviderSpec, simulate
from tests.support.conditions import (
    ask,
    conditions,
    until_cleared,
    until_raised,
)
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    prepared_daemon,
    ulimited,
)
from tests.support.wall_clock import WallClock
from tests.support.wire_client import wire_client

SPECS = (
    ProviderSpec(name="openai", kind="openai"),
    ProviderSpec(name="grok", kind="xai"),
)

pytestmark = [pytest.mark.slow]


# ---- no descriptors left

DESCRIPTORS = 160


@contextmanager
def idle_clients(path: Path, count: int) -> Iterator[list[socket.socket]]:
    """Connections that say something now and then are the rule; these say nothing."""
    clients: list[socket.socket] = []
    try:
        for _ in range(count):
            client = socket.socket(socket.AF_UNIX)
            clients.append(client)
            client.settimeout(5.0)
            client.connect(str(path))
            with suppress(OSError):  # closed already
                client.sendall(b"{")  # an idle connection, no silent one
        yield clients
    finally:
        for client in clients:
            client.close()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def narrow_daemon(folder: Path) -> AsyncIterator[DaemonProcess]:
    """A daemon that may have few descriptors."""
    async with simulate(SPECS) as providers:
        with prepared_daemon(folder, configuration(providers)) as daemon:
            daemon.wrapper = ulimited("-n", DESCRIPTORS)
            await daemon.start()
            yield daemon
            await daemon.stop()


async def test_clients_that_take_all_descriptors_disturb_nobody_inside(
    tmp_path: Path,
) -> None:
    async with narrow_daemon(tmp_path) as daemon, wire_client(daemon.socket) as client:
        with idle_clients(daemon.socket, 2 * DESCRIPTORS):
            text = await until_raised(client, "descriptors_nearly_exhausted")
            began, used = monotonic(), cpu_s(daemon.pid)
            many = [client.start("route", {"prompt": "hi"}) for _ in range(8)]
            for each in many:
                await each.ended.wait()
            await anyio.sleep(1.0)
            share = (cpu_s(daemon.pid) - used) / (monotonic() - began)

            assert text.endswith(f"of {DESCRIPTORS} file descriptors are in use")
            assert [each.error for each in many] == [None] * 8
            assert share < 0.5  # nobody spins on a queue that cannot be taken from
        await until_cleared(client, "descriptors_nearly_exhausted")
        async with wire_client(daemon.socket) as newcomer:
            await ask(newcomer)
        breakers = await conditions(client)

    assert "breaker_open" not in breakers
    assert_well(daemon)


async def test_whoever_comes_when_there_is_no_room_is_told_so(tmp_path: Path) -> None:
    async with narrow_daemon(tmp_path) as daemon:
        with idle_clients(daemon.socket, 2 * DESCRIPTORS) as clients:
            told = [answer_of(each) for each in clients]
        inside = [each for each in told if each is None]
        refused = [each for each in told if each and b"too many connections" in each]

        assert len(inside) > 50
        assert refused
        assert all(b'"overloaded"' in each for each in refused)
        assert len(inside) + len(refused) + told.count(b"") == len(told)
    assert_well(daemon)


def answer_of(client: socket.socket) -> bytes | None:
    """What it was told before it was closed; ``None`` where it was not."""
    client.settimeout(0.01)
    try:
        return client.recv(65536)
    except TimeoutError:
        return None
    except OSError:
        return b""


# ---- a clock that jumps


@pytest.mark.parametrize(
    ("jump_s", "said"), [(86_400.0, "ahead by 8640"), (-172_800.0, "back by 17280")]
)
async def test_a_clock_that_jumps_disturbs_nobody_and_is_said(
    tmp_path: Path, jump_s: float, said: str
) -> None:
    async with simulate(SPECS) as providers:
        with prepared_daemon(tmp_path, configuration(providers)) as daemon:
            clock = WallClock(daemon)
            await daemon.start()
            async with wire_client(daemon.socket) as client:
                before = [await ask(client) for _ in range(3)]
                await anyio.sleep(1.5)  # two measurements
                under_way = [client.start("route", {"prompt": "hi"}) for _ in range(8)]
                clock.set(jump_s)
                text = await until_raised(client, "clock_jumped")
                after = [await ask(client, deadline_s=5.0) for _ in range(3)]
                for each in under_way:
                    await each.ended.wait()
                status = (await client.call("status")).result
                held = await conditions(client)
                page = (await client.call("history", {"limit": 50})).result
            assert await daemon.stop() == 0
        assert_well(daemon)

    assert said in text
    assert [each.error for each in under_way] == [None] * 8
    assert cast("float", status["uptime_s"]) < 60.0
    assert "breaker_open" not in held
    known = {e["decision_id"] for e in cast("list[dict[str, str]]", page["entries"])}
    assert {str(each["decision_id"]) for each in [*before, *after]} <= known
