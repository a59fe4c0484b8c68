"""Daemons of their own processes on one real Redis."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import cast

import anyio
import pytest

from actors.errors import BudgetExceeded, GitBridgeError
from daemon.simulator import SimulatedProvider, simulate
from daemon.simulator.behaviour import Fault
from ipc.client import Client
from ipc.results import StatusResult
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
    process_environment,
)
from tests.support.documents import blocks
from tests.support.redis_server import (
    RedisServer,
    free_port,
    redis_server,
    wanted_program,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def providers() -> AsyncIterator[dict[str, SimulatedProvider]]:
    async with simulate(["openai", "anthropic"]) as started:
        yield started


def member(url: str, name: str, more: str = "") -> str:
    return f'[server]\nname = "{name}"\n[queue]\nurl = "{url}"\n{more}'


def folder(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    path.mkdir()
    return path


def command(daemon: DaemonProcess, *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "daemon", *words, "--socket", str(daemon.socket)],
        capture_output=True,
        text=True,
        timeout=20,
        env=process_environment(daemon.folder),
        check=True,
    ).stdout


def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    wanted_program()
    port = str(free_port())
    (commands,) = blocks("docs/several-daemons.md", "sh")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace("6399", port)],
        cwd=tmp_path,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "PYTHONWARNINGS": "error",
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("two ")


def test_the_configuration_of_the_page_is_one(tmp_path: Path) -> None:
    config = tmp_path / "gitbridge.toml"
    config.write_text("".join(blocks("docs/several-daemons.md", "toml")))
    checked = subprocess.run(
        [sys.executable, "-m", "daemon", "config", "check", "--config", str(config)],
        check=False,
        env=process_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=50,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


async def status(daemon: DaemonProcess) -> StatusResult:
    async with Client([daemon.socket]) as client:
        return cast("StatusResult", await client.call("status"))


async def test_two_daemons_see_each_other_and_take_hints(
    tmp_path: Path, server: RedisServer, providers: dict[str, SimulatedProvider]
) -> None:
    more = '[health]\ninterval_s = 3600\nprobe = "models"\n'
    one_config = configuration(providers, member(server.url, "one", more))
    two_config = configuration(providers, member(server.url, "two", more))
    async with (
        daemon_process(folder(tmp_path, "one"), one_config) as one,
        daemon_process(folder(tmp_path, "two"), two_config) as two,
    ):

        async def seen() -> bool:
            return [p.name for p in (await status(one)).peers] == ["two"]

        await eventually(seen)
        shown = command(one, "status")
        assert "other daemon" in shown
        assert "two" in shown

        await providers["openai"].fail(Fault(kind="status"))
        async with Client([one.socket]) as client:
            for _ in range(4):
                await client.route("Hi.", strategy="priority")
        assert one.logs("breaker_changed")
        hint = await two.wait_for_log("peer_hint")
        assert hint["provider"] == "openai"
        assert not two.logs("breaker_changed")  # a hint opens nothing
        two_sees = {p.provider: p for p in (await status(two)).providers}
        assert two_sees["openai"].breaker == "closed"

        await two.stop()

        async def gone() -> bool:
            return not any(peer.alive for peer in (await status(one)).peers)

        await eventually(gone)
        assert_well(one)
        assert_well(two)


async def test_without_redis_the_socket_answers_as_before(
    tmp_path: Path, server: RedisServer, providers: dict[str, SimulatedProvider]
) -> None:
    config = configuration(providers, member(server.url, "one"))
    async with (
        daemon_process(folder(tmp_path, "one"), config) as one,
        Client([one.socket]) as client,
    ):
        await client.route("Hi.")
        for away, back in (
            (server.kill, server.start),
            (server.freeze, server.thaw),
        ):
            away()
            raised = len(one.logs("redis_away")) + 1
            await one.wait_for_log("redis_away", count=raised)
            took: list[float] = []
            for _ in range(20):
                started = time.perf_counter()
                await client.route("Hi.")
                took.append(time.perf_counter() - started)
            assert max(took) < 0.9  # nobody waits for the second that Redis has

            async def told() -> bool:
                now = cast("StatusResult", await client.call("status"))
                return "redis_away" in {each.code for each in now.conditions}

            await eventually(told)
            now = cast("StatusResult", await client.call("status"))
            assert now.ready
            back()
            await one.wait_for_log("redis_back", count=raised)

            async def well() -> bool:
                now = cast("StatusResult", await client.call("status"))
                return "redis_away" not in {each.code for each in now.conditions}

            await eventually(well)
        assert_well(one)


async def test_two_daemons_keep_a_providers_rate_together(
    tmp_path: Path, server: RedisServer, providers: dict[str, SimulatedProvider]
) -> None:
    """And while Redis is away each keeps to its part."""
    only = {"openai": providers["openai"]}
    limits = "limits = { requests_per_minute = 20 }\n"
    configs = [
        configuration(only, member(server.url, name)) + limits
        for name in ("one", "two")
    ]
    async with (
        daemon_process(folder(tmp_path, "one"), configs[0]) as one,
        daemon_process(folder(tmp_path, "two"), configs[1]) as two,
    ):

        async def seen() -> bool:
            both = [(await status(each)).peers for each in (one, two)]
            return all(both)

        await eventually(seen)
        began = time.monotonic()
        answered: list[int] = []

        async def burst(daemon: DaemonProcess) -> None:
            async with Client([daemon.socket]) as client:

                async def ask() -> None:
                    try:
                        await client.route("Hi.", deadline_s=1.0)
                    except GitBridgeError:
                        return
                    answered.append(daemon.pid)

                async with anyio.create_task_group() as group:
                    for _ in range(25):
                        group.start_soon(ask)

        async with anyio.create_task_group() as group:
            group.start_soon(burst, one)
            group.start_soon(burst, two)

        stats = providers["openai"].stats
        elapsed_s = time.monotonic() - began
        assert 15 <= stats.requests <= 20 + elapsed_s / 3.0
        assert {one.pid, two.pid} == set(answered)

        await anyio.sleep(6.5)  # two have flowed back: one for each
        server.kill()
        before = stats.requests
        async with anyio.create_task_group() as group:
            group.start_soon(burst, one)
            group.start_soon(burst, two)
        elapsed_s = time.monotonic() - began
        assert stats.requests > before
        assert stats.requests <= 20 + elapsed_s / 3.0
        assert_well(one)
        assert_well(two)


async def spend(daemons: list[DaemonProcess], requests: int) -> int:
    """So many requests to each, up to 50 at once; how many were refused."""
    refused: list[BudgetExceeded] = []

    async def ask(client: Client) -> None:
        try:
            await client.route("Hi.", max_tokens=20)
        except BudgetExceeded as error:
            refused.append(error)

    async def burst(daemon: DaemonProcess) -> None:
        async with Client([daemon.socket]) as client:
            for start in range(0, requests, 50):
                async with anyio.create_task_group() as group:
                    for _ in range(start, min(start + 50, requests)):
                        group.start_soon(ask, client)

    async with anyio.create_task_group() as group:
        for daemon in daemons:
            group.start_soon(burst, daemon)
    return len(refused)


async def test_two_daemons_keep_a_budget_together(
    tmp_path: Path, server: RedisServer, providers: dict[str, SimulatedProvider]
) -> None:
    """Not a nano-dollar more than one daemon may spend, by what providers billed."""
    limit = Decimal("0.002")
    more = f"[budgets]\nusd_per_day = {limit}\n"
    one_config = configuration(providers, member(server.url, "one", more))
    two_config = configuration(providers, member(server.url, "two", more))
    async with (
        daemon_process(folder(tmp_path, "one"), one_config) as one,
        daemon_process(folder(tmp_path, "two"), two_config) as two,
    ):

        def billed() -> Decimal:
            return sum((p.stats.billed_usd for p in providers.values()), Decimal(0))

        async def agreed() -> bool:
            rows = [(await status(each)).budgets[0] for each in (one, two)]
            return all(
                row.reserved_usd == 0 and row.spent_usd == billed() for row in rows
            )

        assert await spend([one, two], 150) > 0
        assert limit * Decimal("0.7") < billed() <= limit
        await eventually(agreed)
        await one.kill()
        await one.start()
        await eventually(agreed)

        server.kill()
        assert await spend([one, two], 20) > 0
        assert billed() <= limit
        server.start()
        await eventually(agreed)
        assert_well(one)
        assert_well(two)


async def test_two_daemons_give_each_others_answers_again(
    tmp_path: Path, server: RedisServer, providers: dict[str, SimulatedProvider]
) -> None:
    config = member(server.url, "any", "[cache]\nenabled = true\n")
    async with (
        daemon_process(
            folder(tmp_path, "one"), configuration(providers, config)
        ) as one,
        daemon_process(
            folder(tmp_path, "two"), configuration(providers, config)
        ) as two,
        Client([one.socket]) as here,
        Client([two.socket]) as there,
    ):
        first = await here.route("Hi.")
        again = await there.route("Hi.")

        assert not first.cached
        assert again.cached
        assert again.content == first.content
        assert again.cost_usd == 0
        assert sum(each.stats.requests for each in providers.values()) == 1
        server.kill()
        assert (await here.route("Hi.")).cached  # its own
        assert not (await there.route("Hi.")).cached
        assert_well(one)
        assert_well(two)
