"""Servers of one's own are found when they start, followed, and missed when they go."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from actors.errors import NoProvider, ProviderError, UnknownModel
from ipc.client import Client
from ipc.listing import ModelRow
from tests.support.daemon_process import assert_well, daemon_process
from tests.support.local_servers import Flavour, LocalServer, local_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

CONFIG = """
[health]
interval_s = 0.05
[retry]
max_retries = 0
[breaker]
open_s = 0.1
open_max_s = 0.1
[providers.mine]
preset = "{flavour}"
base_url = "{url}"
discover = true
price = {{ input = 0, output = 0 }}
"""


def configured(server: LocalServer) -> str:
    return CONFIG.format(flavour=server.flavour, url=server.base_url)


async def rows(client: Client) -> dict[str, ModelRow]:
    found = await client.models()
    return {str(r.model): r for r in found.models if r.provider == "mine"}


async def healthy(client: Client) -> bool | None:
    return (await client.status()).providers[0].healthy


def models_are(client: Client, *names: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return list(await rows(client)) == sorted(names)

    return check


def health_is(client: Client, *, wanted: bool) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await healthy(client) is wanted

    return check


@pytest.mark.parametrize("flavour", get_args(Flavour))
async def test_a_server_that_starts_after_the_daemon_is_found_and_followed(
    tmp_path: Path, flavour: Flavour
) -> None:
    async with (
        local_server(flavour, "llama3.3:8b", "qwen3") as server,
        daemon_process(tmp_path, configured(server)) as daemon,
        Client([daemon.socket]) as client,
    ):
        with pytest.raises(NoProvider, match="no model known yet of mine"):
            await client.route("Who are you?")
        [entry] = (await client.history()).entries
        decision = (await client.explain(entry.decision_id)).decision
        assert decision.excluded[0].detail == "no model known yet"

        await server.start()
        await eventually(models_are(client, "llama3.3:8b", "qwen3"))
        await eventually(health_is(client, wanted=True))
        answer = await client.route("Who are you?")
        assert answer.content == "I am llama3.3:8b."
        assert answer.cost_usd == 0
        async with client.stream("Who are you?", model="qwen3") as stream:
            pieces = [piece.content async for piece in stream]
        asked = [body["model"] for body in server.asked]
        assert asked == ["llama3.3:8b", "qwen3"]
        assert "".join(map(str, pieces)).startswith("I am ")
        assert stream.result.usage.total_tokens == 10

        server.models = ["gemma3", "llama3.3:8b"]
        await eventually(models_are(client, "gemma3", "llama3.3:8b"))
        assert (await rows(client))["llama3.3:8b"].default
        with pytest.raises(UnknownModel, match="qwen3"):
            await client.route("Who are you?", model="qwen3")

        await server.stop()
        await eventually(health_is(client, wanted=False))
        with pytest.raises(ProviderError):
            await client.route("Who are you?", model="gemma3")
        await server.start()
        await eventually(health_is(client, wanted=True))
        answer = await client.route("Who are you?", model="mine/gemma3")
        assert answer.provider == "mine"
        assert_well(daemon)


async def test_what_the_list_says_of_its_models_is_shown(tmp_path: Path) -> None:
    async with (
        local_server("vllm", "m") as server,
        daemon_process(tmp_path, configured(server)) as daemon,
        Client([daemon.socket]) as client,
    ):
        await server.start()
        await eventually(models_are(client, "m"))
        row = (await rows(client))["m"]

        assert (row.name, row.served, row.default) == ("mine/m", True, True)
        assert (row.context_window, row.max_output_tokens) == (32_768, None)
        assert (row.input_price, row.price_source) == (Decimal(0), "config")
        assert (row.tools, row.retires_at) == (None, None)


async def test_a_server_that_still_loads_is_waited_for(tmp_path: Path) -> None:
    async with (
        local_server("llamacpp", "model.gguf") as server,
        daemon_process(tmp_path, configured(server)) as daemon,
        Client([daemon.socket]) as client,
    ):
        server.loading = True
        await server.start()
        await eventually(health_is(client, wanted=False))
        assert await rows(client) == {}
        server.loading = False
        await eventually(models_are(client, "model.gguf"))

        assert (await client.route("Hello?")).content == "I am model.gguf."


async def test_an_ollama_without_models_is_there_and_has_none(tmp_path: Path) -> None:
    async with (
        local_server("ollama") as server,
        daemon_process(tmp_path, configured(server)) as daemon,
        Client([daemon.socket]) as client,
    ):
        await server.start()
        await eventually(health_is(client, wanted=True))
        with pytest.raises(NoProvider, match="no model known yet"):
            await client.route("Who are you?")
        server.models = ["llama3.3"]
        await eventually(models_are(client, "llama3.3"))

        assert (await client.route("Who are you?")).model == "llama3.3"
