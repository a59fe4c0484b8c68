"""Embeddings through the whole daemon, with OpenAI's own SDK."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx2
import openai
import pytest

from daemon.simulator import Fault, ProviderSpec, SimulatedProvider, simulate
from daemon.simulator.embeddings import vector
from ipc.client import Client
from ipc.embedding import EmbedReply
from tests.support.daemon_process import DaemonProcess, assert_well, daemon_process
from tests.support.waiting import until

pytestmark = pytest.mark.slow

MODEL = "text-embedding-3-small"
PER_TOKEN = Decimal("0.02") / 1_000_000


@dataclass
class Running:
    daemon: DaemonProcess
    providers: dict[str, SimulatedProvider]
    sdk: openai.AsyncOpenAI


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    """Two providers that serve the same embeddings models, the first preferred."""
    specs = [ProviderSpec(name=name, kind="openai") for name in ("one", "two")]
    async with simulate(specs) as providers:
        config = [
            "[routing]",
            'strategy = "priority"',
            "[retry]",
            "base_delay_s = 0.01",
        ]
        for name, provider in providers.items():
            config += [
                f"[providers.{name}]",
                'kind = "openai"',
                'model = "gpt-4o"',
                f'base_url = "{provider.base_url}"',
                "price = { input = 0.02, output = 0 }",
                f'api_key_file = "{folder / "key"}"',
            ]
        (folder / "key").write_text("sk-test")
        (folder / "key").chmod(0o600)
        async with daemon_process(folder, "\n".join(config)) as daemon:
            transport = httpx2.AsyncHTTPTransport(uds=str(daemon.socket))
            async with openai.AsyncOpenAI(
                api_key="unused",
                base_url="http://localhost/v1",
                max_retries=0,
                http_client=httpx2.AsyncClient(transport=transport),
            ) as sdk:
                yield Running(daemon, providers, sdk)
            assert_well(daemon)


async def test_a_batch_comes_back_as_it_was_asked_for(tmp_path: Path) -> None:
    texts = ["hello world", "good night", "hello again, world"]
    async with running(tmp_path) as house:
        raw = await house.sdk.embeddings.with_raw_response.create(
            model=MODEL, input=texts
        )
        packed = raw.parse()
        floats = await house.sdk.embeddings.create(
            model=f"two/{MODEL}", input=texts, encoding_format="float", dimensions=64
        )
        tokens = await house.sdk.embeddings.create(model=MODEL, input=[[1, 2], [3]])
        async with Client([house.daemon.socket]) as client:
            native = await client.call("embed", {"input": texts, "model": MODEL})
            usage = await client.usage(by="model")
        billed = [each.stats.billed_usd for each in house.providers.values()]

    assert isinstance(native, EmbedReply)
    for place, text in enumerate(texts):
        assert packed.data[place].index == place
        assert packed.data[place].embedding == [*vector(text, 1536)]
        assert [*native.embeddings[place]] == [*vector(text, 1536)]
        assert floats.data[place].embedding == [*vector(text, 64)]
    assert len(tokens.data) == 2
    assert tokens.usage.prompt_tokens == 3
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == 11
    assert (packed.model, floats.model) == (MODEL, MODEL)
    assert raw.headers["x-gitbridge-provider"] == "one"
    assert Decimal(raw.headers["x-gitbridge-cost-usd"]) == 11 * PER_TOKEN
    assert native.cost_usd == 11 * PER_TOKEN
    assert native.cost_source == "config"
    assert sum(row.cost_usd or 0 for row in usage.rows) == sum(billed)
    assert sum(row.completion_tokens or 0 for row in usage.rows) == 0


async def test_who_serves_the_same_model_stands_in(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await house.providers["one"].fail(Fault(kind="status", status=500))
        raw = await house.sdk.embeddings.with_raw_response.create(
            model=MODEL, input="hello"
        )
        with pytest.raises(openai.InternalServerError) as forced:
            await house.sdk.embeddings.create(model=f"one/{MODEL}", input="hello")

    assert raw.headers["x-gitbridge-provider"] == "two"
    assert raw.headers["x-gitbridge-model"] == MODEL
    assert int(raw.headers["x-gitbridge-attempts"]) > 1
    assert raw.parse().data[0].embedding == [*vector("hello", 1536)]
    assert forced.value.code == "provider_error"


async def test_errors_are_the_sdks_own(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], type[openai.APIStatusError], str]] = [
        ({"model": "auto"}, openai.BadRequestError, "must be named"),
        ({"model": "gpt-4o"}, openai.BadRequestError, "gives no vectors"),
        ({"model": "consensus"}, openai.BadRequestError, "not voted on"),
        ({"model": "no-such"}, openai.NotFoundError, "no-such"),
        ({"model": MODEL, "input": ["a", ""]}, openai.BadRequestError, r"input\[1\]"),
        ({"model": MODEL, "dimensions": 9999}, openai.BadRequestError, "dimensions"),
        (
            {"model": MODEL, "input": "x" * 40_000},
            openai.BadRequestError,
            "maximum context",
        ),
    ]
    async with running(tmp_path) as house:
        for given, raised, words in cases:
            with pytest.raises(raised, match=words):
                await house.sdk.embeddings.create(**{"input": "x", **given})
        requests = [each.stats.requests for each in house.providers.values()]

    assert sum(requests) == 2  # for what only a provider knows; nobody else is asked


async def test_a_caller_that_leaves_ends_the_call(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await house.providers["one"].fail(Fault(kind="hang"))
        stats = house.providers["one"].stats
        async with anyio.create_task_group() as group:
            group.start_soon(
                lambda: house.sdk.embeddings.create(model=MODEL, input="hello")
            )
            await until(lambda: stats.in_flight == 1)
            group.cancel_scope.cancel()
        await until(lambda: not stats.in_flight)

        assert stats.aborted == 1
