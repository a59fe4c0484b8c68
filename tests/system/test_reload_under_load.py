"""Reloads while 64 requests are in flight, and two hundred of them in a row.

Nobody is refused, nobody gets half an answer, whoever is not concerned keeps breaker and
metrics; and what a daemon holds after two hundred reloads is what it held after twenty.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import aiohttp
import anyio
import pytest

from actors.errors import InvalidRequest
from daemon.simulator import Latency, SimulatedProvider, simulate
from ipc.client import Client
from ipc.control import ReloadResult
from ipc.results import RouteReply
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
)
from tests.support.load import Load, Told, open_doors, promised
from tests.support.waiting import eventually

RELOADS = 200
SETTLED = 20
FDS = 8
MEGABYTES = 12

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
async def providers() -> AsyncIterator[dict[str, SimulatedProvider]]:
    async with simulate(["openai", "xai", "anthropic"]) as started:
        for provider in started.values():
            await provider.change(
                latency=Latency(median_s=0.03), token_gap=Latency(median_s=0.005)
            )
        yield started


def config(providers: dict[str, SimulatedProvider], *names: str, more: str = "") -> str:
    patient = configuration({name: providers[name] for name in names}, more)
    return patient.replace(
        "= 0.5, idle_s = 0.5, total_s = 1.5", "= 9, idle_s = 9, total_s = 9"
    )


async def reloaded(client: Client) -> ReloadResult:
    return cast("ReloadResult", await client.call("reload"))


async def test_64_in_flight_are_answered_while_providers_come_change_and_go(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    stages = [
        config(providers, "openai", "xai", "anthropic"),
        config(providers, "xai", "anthropic", more='[routing]\nstrategy = "cost"\n'),
        config(providers, "openai", "anthropic").replace("total_s = 9", "total_s = 8"),
        config(providers, "openai", "xai", more="[breaker]\nmin_calls = 20\n"),
        config(providers, "openai", "xai").replace('"openai"', '"nonsense"', 1),
        config(providers, "openai", "xai", more="[health]\ninterval_s = 30\n"),
    ]
    async with (
        daemon_process(tmp_path, config(providers, "openai", "xai")) as daemon,
        open_doors(daemon.socket) as doors,
        Client([daemon.socket]) as client,
        anyio.create_task_group() as group,
    ):
        load = Load(doors, questions=100_000)
        group.start_soon(load.run)
        await load.answered(64)
        for lap in range(3):
            for stage in stages:
                daemon.config.write_text(stage)
                try:
                    await reloaded(client)
                except InvalidRequest:
                    assert "nonsense" in stage
                else:
                    assert "nonsense" not in stage
                await load.answered(load.answers + 40)
            assert lap == len(daemon.logs("reload_refused")) - 1
        load.stop()
        group.cancel_scope.deadline = anyio.current_time() + 30
        await eventually(lambda: all_answered(load))
        assert await daemon.stop() == 0
        assert_well(daemon)

    assert len(load.told) > 700
    for told in load.told:
        assert_answered(told, providers)


async def all_answered(load: Load) -> bool:
    return load.answers == len(load.told)


def assert_answered(told: Told, providers: dict[str, SimulatedProvider]) -> None:
    assert (told.outcome, told.replies) == ("ok", 1), told
    texts = {promised(each, told.prompt) for each in providers.values()}
    assert (told.content or told.pieces) in texts, told


async def test_the_last_call_of_a_provider_that_goes_is_billed_by_its_own_price(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    await providers["openai"].change(latency=Latency(median_s=0.6))
    dear = config(providers, "openai", "anthropic").replace("input = ", "input = 10", 1)
    async with (
        daemon_process(tmp_path, dear) as daemon,
        Client([daemon.socket]) as client,
        anyio.create_task_group() as group,
    ):
        replies: list[RouteReply] = []

        async def ask() -> None:
            replies.append(await client.route("Hi.", provider="openai"))

        group.start_soon(ask)
        await eventually(lambda: arrived(providers["openai"]))
        daemon.config.write_text(config(providers, "anthropic"))
        told = await reloaded(client)
        assert [each.provider for each in told.providers] == ["openai"]
        with anyio.fail_after(5):
            await eventually(lambda: answered(replies))
        usage = await client.usage(by="provider")
        assert_well(daemon)

    (reply,) = replies
    assert reply.cost_source == "config"
    assert reply.cost_usd is not None
    assert reply.cost_usd > providers["openai"].stats.billed_usd
    assert [row.cost_usd for row in usage.rows] == [reply.cost_usd]


async def arrived(provider: SimulatedProvider) -> bool:
    return provider.stats.in_flight == 1


async def answered(replies: list[RouteReply]) -> bool:
    return bool(replies)


async def test_whoever_is_not_concerned_keeps_breaker_and_metrics(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    names = ("openai", "xai")
    async with (
        daemon_process(tmp_path, config(providers, *names)) as daemon,
        Client([daemon.socket]) as client,
    ):
        for _ in range(5):
            await client.route("Hi.", provider="openai")
        await providers["xai"].change(latency=Latency(median_s=0.5))
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(ask, client, "xai")
            await eventually(lambda: all_in_flight(client, "xai", 8))
            for number in range(4):
                more = (
                    f"[breaker]\nmin_calls = {number + 11}\n"
                    f"[health]\ninterval_s = {number + 70}\n"
                    f"[routing]\nmetrics_window = {number + 90}\n"
                )
                limits = f"\nlimits = {{ concurrency = {number + 9} }}\n"
                text = config(providers, *names, "anthropic", more=more) + limits
                daemon.config.write_text(text)
                result = await reloaded(client)
                assert {c.provider for c in result.providers} == {"anthropic"}
                (row,) = [
                    s
                    for s in (await client.providers()).providers
                    if s.provider == "openai"
                ]
                assert row.totals.requests == 5
                assert sum(m.calls for m in row.models) == 5
                assert await all_in_flight(client, "xai", 8)
        (row,) = [
            s for s in (await client.providers()).providers if s.provider == "xai"
        ]
        assert sum(m.calls for m in row.models) == 8
        assert await daemon.stop() == 0
        assert_well(daemon)


async def ask(client: Client, provider: str) -> None:
    await client.route("Hi.", provider=provider)


async def all_in_flight(client: Client, provider: str, count: int) -> bool:
    rows = (await client.status()).providers
    return [r.in_flight for r in rows if r.provider == provider] == [count]


async def test_two_hundred_reloads_leave_nothing_behind(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    good = (
        config(providers, "openai", "xai"),
        config(providers, "openai", "anthropic", more="[breaker]\nmin_calls = 20\n"),
    )
    bad = "[routing]\nstrategy = 7\n"
    async with (
        daemon_process(tmp_path, good[0]) as daemon,
        Client([daemon.socket]) as client,
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(daemon.socket))
        ) as session,
    ):
        held: list[tuple[int, int, int]] = []
        for number in range(RELOADS):
            wrong = number % 4 == 3
            daemon.config.write_text(bad if wrong else good[number % 2])
            try:
                await reloaded(client)
                assert not wrong
            except InvalidRequest:
                assert wrong
            answer = await client.route("Hi.")
            assert answer.content
            if number + 1 in {SETTLED, RELOADS}:
                await eventually(lambda: few_actors(session))
                held.append(await holding(daemon, session))
        assert await daemon.stop() == 0
        assert_well(daemon)

    (actors, files, memory), (actors_after, files_after, memory_after) = held
    assert actors_after == actors
    assert files_after <= files + FDS
    assert memory_after <= memory + MEGABYTES * 1_000_000


async def actor_names(session: aiohttp.ClientSession) -> list[str]:
    async with session.get("http://localhost/metrics") as answer:
        text = await answer.text()
    return re.findall(r'gitbridge_mailbox_depth\{actor="([^"]+)"\}', text)


async def few_actors(session: aiohttp.ClientSession) -> bool:
    """Those of providers that were replaced or removed have gone."""
    providers = [x for x in await actor_names(session) if x.startswith("provider:")]
    return len(providers) == 2


async def holding(
    daemon: DaemonProcess, session: aiohttp.ClientSession
) -> tuple[int, int, int]:
    """Actors, file descriptors, and bytes of memory."""
    actors = len(await actor_names(session))
    return actors, daemon.open_files(), daemon.memory()[0]
