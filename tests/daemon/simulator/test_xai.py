"""The pretend xAI, where it differs from OpenAI."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec import structs

from daemon.simulator import SimulatedProvider, simulate
from daemon.simulator.behaviour import SimModel, SimPrice

TOOLS = [{"type": "function", "function": {"name": "weather"}}]


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with simulate(["xai"]) as providers:
        yield providers["xai"]


async def post(
    provider: SimulatedProvider, *, key: str | None = "k", **fields: object
) -> tuple[int, dict[str, Any]]:
    body = {"model": "grok-4.3", "messages": [{"role": "user", "content": "hi"}]}
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{provider.base_url}/chat/completions",
            json=body | fields,
            headers=headers,
        ) as response,
    ):
        if response.content_type == "application/json":
            return response.status, await response.json()
        return response.status, {"events": (await response.text()).split("\n\n")[:-1]}


async def test_completion_tokens_leave_reasoning_out(
    provider: SimulatedProvider,
) -> None:
    _, answer = await post(provider)

    usage = answer["usage"]
    assert usage["prompt_tokens"] == 1
    assert usage["completion_tokens"] == 32
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 8
    assert usage["total_tokens"] == 41
    assert "reasoning_content" not in answer["choices"][0]["message"]


async def test_reported_cost_is_what_the_prices_say(
    provider: SimulatedProvider,
) -> None:
    """The worked example of the reference: grok-4-fast, 163 + 305 cached, 402 out."""
    price = SimPrice(Decimal("0.2"), Decimal("0.5"), Decimal("0.05"))
    model = SimModel(id="grok-4-fast", price=price)
    await provider.change(
        models=(model,), cached_tokens=305, tokens=82, reasoning_tokens=320
    )
    prompt = [{"role": "user", "content": "x" * 468 * 4}]
    _, answer = await post(provider, model="grok-4-fast", messages=prompt)

    assert answer["usage"]["total_tokens"] == 870
    assert answer["usage"]["cost_in_usd_ticks"] == 2_488_500
    assert provider.stats.billed_usd == Decimal("0.00024885")


async def test_stream_shows_reasoning_of_the_models_that_do(
    provider: SimulatedProvider,
) -> None:
    _, answer = await post(
        provider,
        model="grok-3-mini",
        stream=True,
        stream_options={"include_usage": True},
    )

    *data, done = answer["events"]
    chunks = [msgspec.json.decode(line.removeprefix("data: ")) for line in data]
    assert done == "data: [DONE]"
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    assert ["reasoning_content" in delta for delta in deltas[:9]] == [True] * 8 + [
        False
    ]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["cost_in_usd_ticks"] > 0
    assert all("system_fingerprint" in chunk for chunk in chunks)


async def test_tool_calls_come_whole(provider: SimulatedProvider) -> None:
    prompt = [{"role": "user", "content": "call weather"}]
    _, plain = await post(provider, messages=prompt, tools=TOOLS)
    _, stream = await post(provider, messages=prompt, tools=TOOLS, stream=True)

    message = plain["choices"][0]["message"]
    assert message["content"] == ""
    first = msgspec.json.decode(stream["events"][0].removeprefix("data: "))
    (call,) = first["choices"][0]["delta"]["tool_calls"]
    assert call["function"] == message["tool_calls"][0]["function"]
    assert call["index"] == 0
    last = msgspec.json.decode(stream["events"][-2].removeprefix("data: "))
    assert last["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("key", "fields", "status", "code", "words"),
    [
        ("wrong", {}, 400, "invalid-argument", "Incorrect API key"),
        (None, {}, 401, "unauthenticated", "No API key"),
        ("right", {"model": "grok-0"}, 404, "not-found", "grok-0"),
        ("right", {"max_tokens": "x"}, 422, "invalid-argument", "max_tokens"),
        ("right", {"stop": ["x"]}, 400, "invalid-argument", "stop"),
    ],
)
async def test_errors_are_flat(
    provider: SimulatedProvider,
    *,
    key: str | None,
    fields: dict[str, object],
    status: int,
    code: str,
    words: str,
) -> None:
    await provider.apply(structs.replace(provider.behaviour, api_key="right"))
    got, body = await post(provider, key=key, **fields)

    assert got == status
    assert body.keys() == {"code", "error"}
    assert body["code"] == code
    assert words in body["error"]
