"""Running pretend providers: control, counters, time, rate limits, the command."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anyio
import msgspec
import pytest

from daemon.simulator import (
    Fault,
    Latency,
    ProviderSpec,
    RateLimit,
    SimulatedProvider,
    default_behaviour,
    simulate,
)
from daemon.simulator.answer import prompt_hash


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with simulate(["openai"]) as providers:
        yield providers["openai"]


def asking(
    http: aiohttp.ClientSession,
    provider: SimulatedProvider,
    prompt: str = "hi",
    **fields: object,
) -> "aiohttp.client._RequestContextManager":
    messages = [{"role": "user", "content": prompt}]
    body = {"model": "gpt-4o-mini", "messages": messages} | fields
    return http.post(f"{provider.base_url}/chat/completions", json=body)


async def control(
    http: aiohttp.ClientSession, url: str, body: dict[str, object] | None = None
) -> tuple[int, dict[str, Any]]:
    method = "GET" if body is None else "POST"
    async with http.request(method, url, json=body) as response:
        assert response.headers["x-simulated"] == "1"
        return response.status, await response.json()


class TestControl:
    async def test_behaviour_changes_over_http(
        self, http: aiohttp.ClientSession, provider: SimulatedProvider
    ) -> None:
        root = provider.base_url.removesuffix("/v1")
        for url in (f"{root}/_sim/behaviour", f"{provider.control_url}/behaviour"):
            status, shown = await control(http, url, {"tokens": 5, "faults": []})
            assert (status, shown["tokens"]) == (200, 5)
            assert (await control(http, url))[1] == shown
        assert provider.behaviour.tokens == 5

    async def test_provider_that_is_down_is_controlled_by_the_other_port(
        self, http: aiohttp.ClientSession, provider: SimulatedProvider
    ) -> None:
        url = f"{provider.control_url}/behaviour"
        await control(http, url, {"faults": [{"kind": "down"}]})
        with pytest.raises(aiohttp.ClientConnectorError):
            await asking(http, provider)

        await control(http, url, {"faults": []})
        async with asking(http, provider) as response:
            assert response.status == 200

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"toknes": 5}, "toknes"),
            ({"tokens": 0}, "$.tokens"),
            ({"faults": [{"kind": "flood"}]}, "$.faults[0].kind"),
        ],
    )
    async def test_mistakes_change_nothing(
        self,
        http: aiohttp.ClientSession,
        provider: SimulatedProvider,
        body: dict[str, object],
        words: str,
    ) -> None:
        before = provider.behaviour
        status, answer = await control(http, f"{provider.control_url}/behaviour", body)

        assert status == 400
        assert words in answer["error"]
        assert provider.behaviour is before

    async def test_stats_say_what_was_asked_and_billed(
        self, http: aiohttp.ClientSession, provider: SimulatedProvider
    ) -> None:
        await asking(http, provider, "one")
        await asking(http, provider, "two", model="gpt-0")
        _, stats = await control(http, f"{provider.control_url}/stats")

        assert stats["requests"] == 2
        assert stats["endings"] == {"answered": 1, "refused": 1}
        assert stats["statuses"] == {"200": 1, "404": 1}
        good, bad = stats["log"]
        assert good["prompt_hash"] == prompt_hash("one")
        assert (good["model"], good["prompt_tokens"]) == ("gpt-4o-mini", 1)
        assert good["completion_tokens"] == 32
        assert float(good["cost_usd"]) == float(stats["billed_usd"]) == 1.935e-05
        assert float(bad["cost_usd"]) == 0

        await control(http, f"{provider.control_url}/reset", {})
        _, stats = await control(http, f"{provider.control_url}/stats")
        assert (stats["requests"], stats["log"]) == (0, [])

    async def test_client_that_leaves_is_counted_and_billed(
        self, http: aiohttp.ClientSession, provider: SimulatedProvider
    ) -> None:
        await provider.change(token_gap=Latency(30.0))
        async with asking(http, provider, stream=True) as response:
            await response.content.readany()
            assert provider.stats.in_flight == 1
        with anyio.fail_after(1):
            while provider.stats.in_flight:
                await anyio.lowlevel.checkpoint()

        assert provider.stats.aborted == 1
        assert provider.stats.billed_usd > 0

    async def test_unknown_paths_are_told(
        self, http: aiohttp.ClientSession, provider: SimulatedProvider
    ) -> None:
        async with http.get(f"{provider.base_url}/embeddings") as response:
            body = await response.json()

        assert response.status == 404
        assert "GET /v1/embeddings" in body["error"]["message"]

    async def test_too_large_requests_are_told(
        self, http: aiohttp.ClientSession, provider: SimulatedProvider
    ) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(33):
                yield b" " * (1 << 20)

        url = f"{provider.base_url}/chat/completions"
        async with http.post(url, data=pieces()) as response:
            assert response.status == 413


class TestTime:
    async def test_latency_passes_before_the_answer(
        self, http: aiohttp.ClientSession, provider: SimulatedProvider
    ) -> None:
        await provider.change(latency=Latency(0.03), models_latency=Latency(0.02))
        clock = asyncio.get_running_loop().time
        started = clock()
        async with asking(http, provider):
            answered = clock()
        async with http.get(f"{provider.base_url}/models"):
            listed = clock()

        assert answered - started > 0.028  # the loop's clock ticks in milliseconds
        assert listed - answered > 0.018

    async def test_tokens_come_one_by_one(
        self, http: aiohttp.ClientSession, provider: SimulatedProvider
    ) -> None:
        await provider.change(token_gap=Latency(0.005), tokens=10)
        clock = asyncio.get_running_loop().time
        async with asking(http, provider, stream=True) as response:
            chunks = [clock() async for _ in response.content.iter_any()]

        assert len(chunks) >= 10
        assert chunks[-1] - chunks[0] > 0.02

    async def test_rate_limit_answers_429_with_the_time_to_wait(
        self, http: aiohttp.ClientSession, provider: SimulatedProvider
    ) -> None:
        await provider.change(rate_limit=RateLimit(1, 30.0))
        async with asking(http, provider) as response:
            assert response.status == 200
            assert response.headers["x-ratelimit-remaining-requests"] == "0"
        async with asking(http, provider) as response:
            assert response.status == 429
            assert 25 < float(response.headers["retry-after"]) <= 30


async def test_answers_are_the_same_in_every_run(http: aiohttp.ClientSession) -> None:
    bodies = []
    for _ in range(2):
        async with (
            simulate(["openai"]) as providers,
            asking(http, providers["openai"]) as response,
        ):
            bodies.append(await response.read())

    assert bodies[0] == bodies[1]


async def test_providers_are_told_apart_by_their_names(
    http: aiohttp.ClientSession,
) -> None:
    behaviour = default_behaviour("openai", ["my-model", "gpt-4o"])
    specs = [
        ProviderSpec(name=name, kind="openai", behaviour=behaviour)
        for name in ("one", "two")
    ]
    async with simulate(specs) as providers:
        texts = []
        for name in ("one", "two"):
            async with asking(http, providers[name], model="my-model") as response:
                answer = await response.json()
                texts.append(answer["choices"][0]["message"]["content"])

    assert [text.split()[0] for text in texts] == ["[one]", "[two]"]
    assert [m.id for m in behaviour.models].count("gpt-4o") == 1


async def test_provider_may_start_down() -> None:
    behaviour = msgspec.structs.replace(
        default_behaviour("xai"), faults=(Fault(kind="down"),)
    )
    spec = ProviderSpec(name="x", kind="xai", behaviour=behaviour)
    async with simulate([spec]) as providers:
        with pytest.raises(OSError, match=r"."):
            await asyncio.open_connection(*_address(providers["x"].base_url))
        await providers["x"].fail()
        _, writer = await asyncio.open_connection(*_address(providers["x"].base_url))
        writer.close()


def _address(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    return host, int(port)


@pytest.mark.slow
async def test_command_prints_its_urls_and_ends_when_told(
    http: aiohttp.ClientSession, tmp_path: anyio.Path
) -> None:
    changes = anyio.Path(tmp_path) / "behaviour.json"
    await changes.write_text('{"tokens": 5}')
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "daemon.simulator", "openai", "xai", "--behaviour", str(changes)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    urls = msgspec.json.decode(await process.stdout.readline())
    _, shown = await control(http, urls["openai"]["control_url"] + "/behaviour")
    async with http.get(urls["xai"]["base_url"] + "/models") as response:
        assert response.status == 200
    process.send_signal(signal.SIGTERM)

    assert await process.wait() == 0
    assert urls.keys() == {"openai", "xai"}
    assert shown["tokens"] == 5
