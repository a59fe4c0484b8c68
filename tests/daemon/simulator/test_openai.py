"""The pretend OpenAI, as OpenAI's own SDK and a plain HTTP client see it."""

from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest
from msgspec import structs

from daemon.simulator import SimulatedProvider, simulate
from daemon.simulator.answer import prompt_hash

MODEL = "gpt-4o-mini"
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {}}},
    {"type": "function", "function": {"name": "clock"}},
]


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with simulate(["openai"]) as providers:
        yield providers["openai"]


@pytest.fixture
async def sdk(provider: SimulatedProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    client = openai.AsyncOpenAI(
        base_url=provider.base_url, api_key="sk-test", max_retries=0
    )
    async with client:
        yield client


@pytest.mark.slow  # importing and building the SDK's models
async def test_sdk_gets_a_plain_answer(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hello there"}]
    )

    text = answer.choices[0].message.content
    assert text is not None
    assert f"[openai] {prompt_hash('hello there')} hello there" in text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 3
    assert answer.usage.completion_tokens == 32
    assert answer.usage.total_tokens == 35


async def test_sdk_gets_the_same_answer_streamed(sdk: openai.AsyncOpenAI) -> None:
    plain = await sdk.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hello there"}]
    )
    stream = await sdk.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "hello there"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == plain.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage
    assert {c.id for c in chunks} == {chunks[0].id}


async def test_stream_has_usage_only_when_asked_for(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hi"}], stream=True
    )
    chunks = [chunk async for chunk in stream]

    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


@pytest.mark.parametrize(
    ("choice", "prompt", "called"),
    [
        ("auto", "please call weather and then call clock", ["weather", "clock"]),
        ("auto", "just talk", []),
        ("none", "please call weather", []),
        ("required", "just talk", ["weather"]),
        ({"type": "function", "function": {"name": "clock"}}, "talk", ["clock"]),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_called_when_the_request_says_so(
    provider: SimulatedProvider,
    choice: object,
    prompt: str,
    called: list[str],
    stream: bool,
) -> None:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": prompt}],
        "tools": TOOLS,
        "tool_choice": choice,
    }
    async with sdk_of(provider) as sdk:
        names = await (_streamed_calls(sdk, body) if stream else _calls(sdk, body))

    assert names == called


def sdk_of(provider: SimulatedProvider) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=provider.base_url, api_key="k", max_retries=0)


async def _calls(sdk: openai.AsyncOpenAI, body: dict[str, object]) -> list[str]:
    answer = await sdk.chat.completions.create(**body)  # type: ignore[call-overload] # as data
    assert (answer.choices[0].finish_reason == "tool_calls") == bool(
        answer.choices[0].message.tool_calls
    )
    return [c.function.name for c in answer.choices[0].message.tool_calls or ()]


async def _streamed_calls(
    sdk: openai.AsyncOpenAI, body: dict[str, object]
) -> list[str]:
    stream = await sdk.chat.completions.create(**body, stream=True)  # type: ignore[call-overload] # as data
    return [
        call.function.name
        async for chunk in stream
        for call in chunk.choices[0].delta.tool_calls or ()
        if call.function.name
    ]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "gpt-0"}, 404, "model_not_found", None),
        ({"max_tokens": "many"}, 400, "invalid_type", "max_tokens"),
        ({"temperature": 7}, 400, "invalid_value", "temperature"),
        ({"frobnicate": 1}, 400, "unknown_parameter", "frobnicate"),
        ({"messages": []}, 400, "invalid_value", "messages"),
        ({"stream_options": {}}, 400, None, "stream_options"),
        ({"parallel_tool_calls": True}, 400, None, "parallel_tool_calls"),
        (
            {"model": "gpt-5-mini", "temperature": 0},
            400,
            "unsupported_parameter",
            "temperature",
        ),
        (
            {"messages": [{"role": "user", "content": "x" * 600_000}]},
            400,
            "context_length_exceeded",
            None,
        ),
    ],
)
async def test_bad_requests_are_refused_as_openai_does(
    provider: SimulatedProvider,
    body: dict[str, object],
    status: int,
    code: str | None,
    param: str | None,
) -> None:
    whole = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]} | body
    async with (
        aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as http,
        http.post(f"{provider.base_url}/chat/completions", json=whole) as response,
    ):
        error = (await response.json())["error"]

    assert response.status == status
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == "invalid_request_error"
    assert response.headers["x-simulated"] == "1"
    assert provider.stats.endings == {"refused": 1}


@pytest.mark.parametrize("prefill", ["ignored", "repeated"])
async def test_a_beginning_is_a_turn_like_others_or_repeated(
    provider: SimulatedProvider, sdk: openai.AsyncOpenAI, prefill: str
) -> None:
    model = structs.replace(provider.behaviour.models[0], prefill=prefill)
    await provider.change(models=(model,))
    plain = await sdk.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hello there"}]
    )
    whole = plain.choices[0].message.content or ""
    begun = await sdk.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "user", "content": "hello there"},
            {"role": "assistant", "content": whole[:10]},
        ],
    )
    text = begun.choices[0].message.content or ""

    assert text.startswith("[openai] ")
    assert (text == whole) is (prefill == "repeated")
