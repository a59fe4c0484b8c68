"""Daily budgets of a real daemon: over every door, under a burst, and over ``kill -9``."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import aiohttp
import anyio
import pytest

from actors.errors import BudgetExceeded
from daemon.simulator import Latency, SimulatedProvider, simulate
from ipc.calls import details
from ipc.client import Client
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
    prepared_daemon,
    process_environment,
)
from tests.support.waiting import until

pytestmark = pytest.mark.slow

BODY = {
    "model": "auto",
    "messages": [{"role": "user", "content": "Hi."}],
    "max_tokens": 20,
}


@pytest.fixture
async def providers() -> AsyncIterator[dict[str, SimulatedProvider]]:
    async with simulate(["openai", "xai", "anthropic"]) as started:
        yield started


def told(usd: str) -> str:
    return f"[budgets]\nusd_per_day = {usd}\n"


async def spent(client: Client) -> Decimal:
    (row,) = (await client.status()).budgets
    assert row.reserved_usd == 0
    return row.spent_usd


async def billed(client: Client) -> Decimal:
    """What the ledger says that everything cost together."""
    rows = (await client.usage()).rows
    return sum((row.cost_usd or Decimal(0) for row in rows), Decimal(0))


async def until_refused(client: Client, most: int = 1000) -> BudgetExceeded:
    for _ in range(most):
        try:
            await client.route("Hi.", max_tokens=20)
        except BudgetExceeded as error:
            return error
    raise AssertionError(f"{most} requests fit into the budget")


async def test_it_is_kept_over_kill_nine_to_the_last_digit(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    config = configuration(providers, told("0.0005"))
    with prepared_daemon(tmp_path, config) as daemon:
        await daemon.start()
        async with Client([daemon.socket]) as client:
            before = [await client.route("Hi.", max_tokens=20) for _ in range(5)]
            known = sum((each.cost_usd or Decimal(0) for each in before), Decimal(0))
            assert known == await spent(client) > 0
        await daemon.kill()
        await daemon.start()
        async with Client([daemon.socket]) as client:
            assert await spent(client) == known

            error = await until_refused(client)

            assert await spent(client) == await billed(client) <= Decimal("0.0005")
            refused = details(error)
            assert refused is not None
            assert refused.retryable
            assert refused.retry_after_s is not None
            assert 0 < refused.retry_after_s <= 86_400
            codes = [each.code for each in (await client.status()).conditions]
            assert "budget_spent" in codes
        await daemon.kill()
        await daemon.start()
        async with Client([daemon.socket]) as client:
            with pytest.raises(BudgetExceeded, match="daily budget of the daemon"):
                await client.route("Hi.", max_tokens=20)
        await daemon.stop()
        assert_well(daemon)
    assert [each["users"] for each in daemon.logs("budgets_recalled")] == [1]


async def test_a_burst_of_two_hundred_does_not_run_past_it(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    config = configuration(providers, told("0.001"))
    answered: list[Decimal] = []
    refused: list[BudgetExceeded] = []
    async with (
        daemon_process(tmp_path, config) as daemon,
        Client([daemon.socket]) as client,
    ):

        async def one() -> None:
            try:
                reply = await client.route("Hi.", max_tokens=20)
            except BudgetExceeded as error:
                refused.append(error)
            else:
                answered.append(reply.cost_usd or Decimal(0))

        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(one)

        assert answered
        assert refused
        assert await spent(client) == sum(answered, Decimal(0)) <= Decimal("0.001")


async def test_members_of_a_consensus_count_for_whose_round_it_is(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    config = configuration(providers, "[budgets]\nper_user_usd_per_day = 1\n")
    async with (
        daemon_process(tmp_path, config) as daemon,
        Client([daemon.socket]) as client,
    ):
        await client.consensus("Is 7 a prime? Say yes or no.", max_tokens=20)

        (row,) = (await client.status()).budgets
        assert row.scope == "user"
        assert row.name is not None
        assert row.spent_usd == await billed(client) > 0


async def test_a_token_has_its_own_over_http(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    tokens = ", ".join(
        f'{{ name = "{name}", sha256 = "{sha256(name.encode()).hexdigest()}"'
        f", budget_usd_per_day = {usd} }}"
        for name, usd in (("poor", "0.0000001"), ("rich", "5"))
    )
    more = f'[server]\nlisten = "127.0.0.1:0"\n[access]\ntokens = [{tokens}]\n'
    async with daemon_process(tmp_path, configuration(providers, more)) as daemon:
        (ready,) = daemon.logs("ready")
        url = f"http://{ready['listen']}"
        async with aiohttp.ClientSession() as session:

            async def ask(who: str) -> tuple[int, aiohttp.ClientResponse, str]:
                head = {"authorization": f"Bearer {who}"}
                where = f"{url}/v1/chat/completions"
                async with session.post(where, json=BODY, headers=head) as answer:
                    return answer.status, answer, await answer.text()

            assert (await ask("rich"))[0] == 200
            status, answer, text = await ask("poor")
            assert (status, answer.headers["x-gitbridge-error-kind"]) == (
                402,
                "budget_exceeded",
            )
            assert answer.headers["x-should-retry"] == "false"  # no day has room for it
            assert "the daily budget of token poor is $0.0000001" in text
            head = {"authorization": "Bearer rich"}
            async with session.get(f"{url}/metrics", headers=head) as scraped:
                metrics = await scraped.text()
        assert re.search(
            r'gitbridge_budget_usd\{scope="token",name="rich",kind="limit"\} 5', metrics
        )
        assert (
            'name="poor"' not in metrics
        )  # what another may spend is not rich's to see
        connector = aiohttp.UnixConnector(str(daemon.socket))
        async with (
            aiohttp.ClientSession(connector=connector) as administrator,
            administrator.get("http://localhost/metrics") as scraped,
        ):
            assert 'name="poor"' in await scraped.text()
        shown = command(daemon, "status")
        assert re.search(r"token rich +\$5", shown), shown
        assert "daily budget" in command(daemon, "usage")


async def test_a_larger_one_holds_with_a_reload(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    config = configuration(providers)
    async with (
        daemon_process(tmp_path, config) as daemon,
        Client([daemon.socket]) as client,
    ):
        first = await client.route("Hi.", max_tokens=20)
        daemon.config.write_text(configuration(providers, told("0.0000001")))
        await client.call("reload")
        with pytest.raises(BudgetExceeded):
            await client.route("Hi.", max_tokens=20)
        daemon.config.write_text(configuration(providers, told("1")))
        await client.call("reload")
        await client.route("Hi.", max_tokens=20)
        await daemon.wait_for_log("budgets_recalled")

        assert await spent(client) == await billed(client)
        assert first.cost_usd is not None
        assert await spent(client) > first.cost_usd


async def test_calls_under_way_when_it_is_switched_on_count(
    tmp_path: Path, providers: dict[str, SimulatedProvider]
) -> None:
    for each in providers.values():
        await each.change(latency=Latency(median_s=0.4))
    async with (
        daemon_process(tmp_path, configuration(providers)) as daemon,
        Client([daemon.socket]) as client,
    ):

        async def ask() -> None:
            await client.route("Hi.", max_tokens=20)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
            await until(lambda: sum(p.stats.in_flight for p in providers.values()) == 5)
            daemon.config.write_text(configuration(providers, told("1")))
            await client.call("reload")
            group.start_soon(ask)

        bills = sum((p.stats.billed_usd for p in providers.values()), Decimal(0))
        assert await spent(client) == await billed(client) == bills > 0


def command(daemon: DaemonProcess, *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "daemon", *words, "--socket", str(daemon.socket)],
        capture_output=True,
        text=True,
        timeout=20,
        env=process_environment(daemon.folder),
        check=True,
    ).stdout
