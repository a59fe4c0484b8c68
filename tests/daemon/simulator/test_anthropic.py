"""The pretend Anthropic, as its documentation has the real one."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec import structs

from daemon.simulator import SimulatedProvider, simulate
from daemon.simulator.answer import prompt_hash

OLD = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
NEW = {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}
MODEL = "claude-haiku-4-5"
TOOLS = [{"name": "weather", "input_schema": {"type": "object"}}]
CALLED = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}
ANSWERED = {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with simulate(["anthropic"]) as providers:
        yield providers["anthropic"]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def asking(prompt: str, **fields: object) -> dict[str, object]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": MODEL, "max_tokens": 100, "messages": messages} | fields


async def post(
    http: aiohttp.ClientSession,
    provider: SimulatedProvider,
    body: dict[str, object],
    headers: dict[str, str] = OLD,
) -> tuple[int, dict[str, Any]]:
    url = f"{provider.base_url}/messages"
    async with http.post(url, json=body, headers=headers) as response:
        assert response.headers["x-simulated"] == "1"
        assert response.headers["request-id"].startswith("req_")
        return response.status, await response.json()


async def events(
    http: aiohttp.ClientSession, provider: SimulatedProvider, body: dict[str, object]
) -> list[dict[str, Any]]:
    url = f"{provider.base_url}/messages"
    async with http.post(url, json=body | {"stream": True}, headers=OLD) as response:
        text = await response.text()
    found = []
    for event in text.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        decoded = msgspec.json.decode(data.removeprefix("data: "))
        assert name == f"event: {decoded['type']}"
        found.append(decoded)
    return found


async def test_plain_answer_has_the_real_shape(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    status, message = await post(http, provider, asking("hello there"))

    assert status == 200
    assert message["id"].startswith("msg_")
    assert (message["type"], message["role"]) == ("message", "assistant")
    assert message["model"] == "claude-haiku-4-5-20251001"
    assert message["stop_reason"] == "end_turn"
    assert [block["type"] for block in message["content"]] == ["text"]
    text = message["content"][0]["text"]
    assert text.startswith(f"[anthropic] {prompt_hash('hello there')} hello there")
    assert message["usage"]["input_tokens"] == 3
    assert message["usage"]["output_tokens"] == 32


async def test_cached_tokens_are_no_input_tokens(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    await provider.change(cached_tokens=2)
    _, message = await post(http, provider, asking("hello there"))

    assert message["usage"]["input_tokens"] == 1
    assert message["usage"]["cache_read_input_tokens"] == 2


async def test_stream_says_the_same_in_events(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    _, plain = await post(http, provider, asking("hello there"))
    found = await events(http, provider, asking("hello there"))

    kinds = [event["type"] for event in found]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[3:-3]) == {"content_block_delta"}
    text = "".join(event["delta"]["text"] for event in found[3:-3])
    assert text == plain["content"][0]["text"]
    assert found[0]["message"]["content"] == []
    assert found[0]["message"]["stop_reason"] is None
    assert found[-2]["delta"]["stop_reason"] == "end_turn"
    assert found[-2]["usage"]["output_tokens"] == plain["usage"]["output_tokens"]


async def test_thinking_comes_first_when_asked_for(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    body = asking("x", thinking={"type": "enabled", "budget_tokens": 1024})
    _, message = await post(http, provider, body)
    found = await events(http, provider, body)

    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["content"][0]["signature"]
    usage = message["usage"]
    assert usage["output_tokens"] == 40
    assert usage["output_tokens_details"] == {"thinking_tokens": 8}
    deltas = [e["delta"]["type"] for e in found if e["type"] == "content_block_delta"]
    assert deltas[:9] == ["thinking_delta"] * 8 + ["signature_delta"]
    assert {e.get("index") for e in found} == {None, 0, 1}


async def test_tools_are_called_in_pieces(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    body = asking("call weather", tools=TOOLS)
    _, message = await post(http, provider, body)
    found = await events(http, provider, body)

    (use,) = message["content"]
    assert (use["type"], use["name"]) == ("tool_use", "weather")
    assert use["input"] == {
        "provider": "anthropic",
        "prompt": prompt_hash("call weather"),
    }
    assert message["stop_reason"] == "tool_use"
    pieces = [
        event["delta"]["partial_json"]
        for event in found
        if event["type"] == "content_block_delta"
    ]
    assert pieces[0] == ""
    assert msgspec.json.decode("".join(pieces)) == use["input"]


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "any"}, True),
        ({"type": "tool", "name": "weather"}, True),
        ({"type": "none"}, False),
        ({"type": "auto"}, False),
    ],
)
async def test_tool_choice_is_obeyed(
    http: aiohttp.ClientSession,
    provider: SimulatedProvider,
    choice: dict[str, object],
    called: bool,
) -> None:
    body = asking("talk", tools=TOOLS, tool_choice=choice)
    _, message = await post(http, provider, body)

    assert (message["stop_reason"] == "tool_use") == called


async def test_answered_tools_are_not_called_again(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    messages = [
        {"role": "user", "content": "call weather"},
        {"role": "assistant", "content": [CALLED]},
        {"role": "user", "content": [ANSWERED]},
    ]
    _, message = await post(http, provider, asking("", messages=messages, tools=TOOLS))

    assert message["stop_reason"] == "end_turn"


async def test_schema_gets_an_answer_that_fits(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
            "either": {"anyOf": [{"type": ["null", "string"]}]},
        },
    }
    config = {"format": {"type": "json_schema", "schema": schema}}
    _, message = await post(http, provider, asking("x", output_config=config))

    text = msgspec.json.decode(message["content"][0]["text"])
    assert text == {
        "name": f"anthropic {prompt_hash('x')}",
        "age": 1,
        "tags": ["a"],
        "either": None,
    }


@pytest.mark.parametrize(
    ("changes", "headers", "status", "kind", "words"),
    [
        ({"model": "claude-0"}, OLD, 404, "not_found_error", "model: claude-0"),
        ({"max_tokens": None}, OLD, 400, "invalid_request_error", "max_tokens: Exp"),
        ({"seed": 1}, OLD, 400, "invalid_request_error", "seed: Extra inputs"),
        ({}, {"x-api-key": "k"}, 400, "invalid_request_error", "anthropic-version"),
        ({"temperature": 1.0}, NEW, 400, "invalid_request_error", "Extra inputs"),
        (
            {"model": "claude-opus-5-5", "temperature": 0.5},
            OLD,
            400,
            "invalid_request_error",
            "`temperature`",
        ),
        (
            {
                "model": "claude-sonnet-5-5",
                "tools": TOOLS,
                "tool_choice": {"type": "any"},
            },
            OLD,
            400,
            "invalid_request_error",
            "tool_choice",
        ),
        (
            {"tool_choice": {"type": "auto"}},
            OLD,
            400,
            "invalid_request_error",
            "tool_choice",
        ),
        (
            {"messages": [{"role": "user", "content": ""}]},
            OLD,
            400,
            "invalid_request_error",
            "non-empty",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [CALLED]},
                    {"role": "user", "content": "x"},
                ]
            },
            OLD,
            400,
            "invalid_request_error",
            "tool_result",
        ),
        (
            {"messages": [{"role": "user", "content": "x" * 800_004}]},
            OLD,
            400,
            "invalid_request_error",
            "prompt is too long: 200001 tokens > 200000 maximum",
        ),
    ],
)
async def test_bad_requests_are_refused_as_anthropic_does(
    http: aiohttp.ClientSession,
    provider: SimulatedProvider,
    *,
    changes: dict[str, object],
    headers: dict[str, str],
    status: int,
    kind: str,
    words: str,
) -> None:
    got, error = await post(http, provider, asking("x") | changes, headers)

    assert (got, error["error"]["type"]) == (status, kind)
    assert words in error["error"]["message"]
    assert error["type"] == "error"
    assert error["request_id"].startswith("req_")


async def test_missing_max_tokens_is_told_by_name(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    body = asking("x")
    del body["max_tokens"]
    status, error = await post(http, provider, body)

    assert status == 400
    assert error["error"]["message"] == "max_tokens: Field required"


async def test_answers_stop_at_max_tokens(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    _, message = await post(http, provider, asking("x", max_tokens=5))

    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] == 5


async def test_keys_are_checked_where_one_is_set(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    await provider.apply(structs.replace(provider.behaviour, api_key="right"))
    version = {"anthropic-version": "2023-06-01"}

    for headers, status in [
        (version, 401),
        (version | {"x-api-key": "wrong"}, 401),
        (version | {"x-api-key": "right"}, 200),
        (version | {"authorization": "Bearer right"}, 200),
    ]:
        got, body = await post(http, provider, asking("x"), headers)
        assert got == status
        if status == 401:
            assert body["error"]["type"] == "authentication_error"


async def test_models_list_has_windows(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    async with http.get(f"{provider.base_url}/models", headers=OLD) as response:
        listed = await response.json()

    assert listed["has_more"] is False
    first = listed["data"][0]
    assert first["id"] == listed["first_id"] == "claude-haiku-4-5-20251001"
    assert first["max_input_tokens"] == 200_000
    assert provider.stats.models_requests == 1
    assert provider.stats.requests == 0


@pytest.mark.parametrize(
    ("model", "status"), [(MODEL, 200), ("claude-sonnet-5-5", 400)]
)
async def test_a_prefill_is_continued_by_older_models_and_refused_by_newer(
    http: aiohttp.ClientSession, provider: SimulatedProvider, model: str, status: int
) -> None:
    whole = (await post(http, provider, asking("hi")))[1]["content"][0]["text"]
    begun = {"role": "assistant", "content": whole[:10]}
    messages = [{"role": "user", "content": "hi"}, begun]
    got, body = await post(
        http, provider, {"model": model, "max_tokens": 100, "messages": messages}
    )

    assert got == status
    if status == 200:
        assert whole[:10] + body["content"][0]["text"] == whole
    else:
        assert "prefill" in body["error"]["message"]
