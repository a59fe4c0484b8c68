"""Each fault as a client sees it, in every dialect."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import anyio
import msgspec
import pytest

from daemon.simulator import Fault, Kind, SimulatedProvider, simulate
from daemon.simulator.behaviour import FaultKind

KINDS: list[Kind] = ["openai", "xai", "anthropic"]
HEADERS = {"authorization": "Bearer k", "anthropic-version": "2023-06-01"}
MODELS = {
    "openai": "gpt-4o-mini",
    "xai": "grok-3-mini",
    "anthropic": "claude-haiku-4-5",
}
FINISHED = (
    b'"finish_reason":"',
    b'"stop_reason":"end_turn"',
    b"[DONE]",
    b"message_stop",
)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections are not kept: what is refused is refused at once."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:
        yield session


@pytest.fixture(params=KINDS)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedProvider]:
    async with simulate([request.param]) as providers:
        yield providers[request.param]


def asking(
    http: aiohttp.ClientSession, provider: SimulatedProvider, *, stream: bool = False
) -> "aiohttp.client._RequestContextManager":
    path = "messages" if provider.kind == "anthropic" else "chat/completions"
    body: dict[str, object] = {
        "model": MODELS[provider.kind],
        "messages": [{"role": "user", "content": "hello"}],
        "stream": stream,
        "max_tokens": 100,
    }
    return http.post(f"{provider.base_url}/{path}", json=body)


@pytest.mark.parametrize("kind", ["reset", "hang_up"])
@pytest.mark.parametrize("stream", [False, True])
async def test_connection_ends_instead_of_an_answer(
    http: aiohttp.ClientSession,
    provider: SimulatedProvider,
    kind: FaultKind,
    stream: bool,
) -> None:
    await provider.fail(Fault(kind=kind))
    expected = (
        ConnectionResetError if kind == "reset" else aiohttp.ServerDisconnectedError
    )

    with pytest.raises((expected, aiohttp.ClientOSError)):
        await asking(http, provider, stream=stream)
    assert provider.stats.faults == {kind: 1}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(kind="status", status=401), "key"),
        (Fault(kind="status", status=402), "credit"),
        (Fault(kind="status", status=429), "limit"),
        (Fault(kind="status", status=429, retry_after_s=2), "limit"),
        (Fault(kind="status", status=429, quota=True), ""),
        (Fault(kind="status", status=500), "error"),
        (Fault(kind="status", status=503), "overloaded"),
        (Fault(kind="status", status=529), "Overloaded"),
    ],
)
async def test_status_comes_with_the_providers_own_error(
    http: aiohttp.ClientSession, provider: SimulatedProvider, fault: Fault, words: str
) -> None:
    await provider.fail(fault)
    async with asking(http, provider) as response:
        body = await response.json()

    assert response.status == fault.status
    wait = None if fault.retry_after_s is None else "2"
    assert response.headers.get("retry-after") == wait
    message, kind = _error(provider.kind, body)
    assert words in message
    if fault.quota:
        assert kind in (
            "insufficient_quota",
            "resource-exhausted",
            "enforced_spend_limit_reached",
        )
    assert provider.stats.endings == {"faulted": 1}
    assert provider.stats.statuses == {fault.status: 1}
    assert provider.stats.billed_usd == 0


def _error(kind: Kind, body: dict[str, Any]) -> tuple[str, str]:
    if kind == "xai":
        return body["error"], body["code"]
    error = body["error"]
    details = error.get("details") or {}
    code = details.get("error_code", error["type"])
    return error["message"], code


async def test_stream_is_cut_without_its_finish_reason(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    for after in (3, 10_000):
        await provider.fail(Fault(kind="cut", after_tokens=after))
        async with asking(http, provider, stream=True) as response:
            data = await response.read()

        assert not any(mark in data for mark in FINISHED)
        assert data.endswith(b"\n\n")
        assert data.count(b"data: ") >= 3


@pytest.mark.parametrize(
    ("kind", "stream"),
    [
        ("cut", False),
        ("cut_reset", False),
        ("cut_reset", True),
        ("wrong_length", False),
        ("wrong_length", True),
    ],
)
async def test_body_breaks_off(
    http: aiohttp.ClientSession,
    provider: SimulatedProvider,
    kind: FaultKind,
    stream: bool,
) -> None:
    await provider.fail(Fault(kind=kind))

    async with asking(http, provider, stream=stream) as response:
        assert response.status == 200
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
            await response.read()


async def test_error_event_ends_the_stream(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    await provider.fail(Fault(kind="error_event", status=529))
    async with asking(http, provider, stream=True) as response:
        data = await response.read()

    *events, last, end = data.split(b"\n\n")
    assert (response.status, end) == (200, b"")
    assert len(events) >= 3
    error = msgspec.json.decode(last.partition(b"data: ")[2])
    assert _error(provider.kind, error)[0] == "Overloaded"


async def test_error_event_of_a_plain_answer_is_a_status(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    await provider.fail(Fault(kind="error_event", status=529))
    async with asking(http, provider) as response:
        assert response.status == 529


@pytest.mark.parametrize("stream", [False, True])
async def test_malformed_json(
    http: aiohttp.ClientSession, provider: SimulatedProvider, stream: bool
) -> None:
    await provider.fail(Fault(kind="malformed"))
    async with asking(http, provider, stream=stream) as response:
        data = await response.read()

    last = data.removesuffix(b"\n\n").rpartition(b"data: ")[2] if stream else data
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(last)


@pytest.mark.parametrize("stream", [False, True])
async def test_oversized_answer(
    http: aiohttp.ClientSession, provider: SimulatedProvider, stream: bool
) -> None:
    await provider.fail(Fault(kind="oversized", size_bytes=1_000_000))
    async with asking(http, provider, stream=stream) as response:
        data = await response.read()

    assert len(data) > 1_000_000
    if not stream:
        assert msgspec.json.decode(data)


@pytest.mark.parametrize("stream", [False, True])
async def test_drip_is_whole_in_the_end(
    http: aiohttp.ClientSession, provider: SimulatedProvider, stream: bool
) -> None:
    await provider.change(tokens=1, faults=(Fault(kind="drip", gap_s=0.0),))
    async with asking(http, provider, stream=stream) as response:
        data = await response.read()

    assert any(mark in data for mark in FINISHED)


@pytest.mark.parametrize("kind", ["hang", "hang_mid"])
@pytest.mark.parametrize("stream", [False, True])
async def test_hang_lasts_until_the_client_leaves(
    http: aiohttp.ClientSession,
    provider: SimulatedProvider,
    kind: FaultKind,
    stream: bool,
) -> None:
    await provider.fail(Fault(kind=kind))
    received = 0
    with anyio.move_on_after(0.1) as waiting:
        async with asking(http, provider, stream=stream) as response:
            async for chunk in response.content.iter_any():
                received += len(chunk)

    assert waiting.cancelled_caught
    assert (received > 0) == (kind == "hang_mid")
    with anyio.fail_after(1):
        while provider.stats.in_flight:
            await anyio.lowlevel.checkpoint()
    assert provider.stats.endings == {"aborted": 1}


async def test_down_refuses_and_comes_back_on_the_same_port(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    url = provider.base_url
    for _ in range(2):
        async with asking(http, provider) as response:
            assert response.status == 200
        await provider.fail(Fault(kind="down"))
        with pytest.raises(aiohttp.ClientConnectorError):
            await asking(http, provider)
        await provider.fail()
        assert provider.base_url == url


async def test_going_down_ends_requests_in_flight(
    http: aiohttp.ClientSession, provider: SimulatedProvider
) -> None:
    await provider.fail(Fault(kind="hang"))
    task = asyncio.ensure_future(_status(http, provider))
    with anyio.fail_after(1):
        while not provider.stats.in_flight:
            await anyio.lowlevel.checkpoint()
    await provider.fail(Fault(kind="down"))

    with pytest.raises(aiohttp.ClientError):
        await task
    assert provider.stats.endings == {"faulted": 1}


async def _status(http: aiohttp.ClientSession, provider: SimulatedProvider) -> int:
    async with asking(http, provider) as response:
        return response.status


class TestHowOften:
    async def test_next_n_requests_fail(self, http: aiohttp.ClientSession) -> None:
        async with simulate(["openai"]) as providers:
            provider = providers["openai"]
            await provider.fail(
                Fault(kind="status", status=503, times=2),
                Fault(kind="status", status=500, times=1),
            )
            statuses = [await _status(http, provider) for _ in range(4)]

        assert statuses == [503, 503, 500, 200]

    async def test_probability_is_drawn_from_the_seed(
        self, http: aiohttp.ClientSession
    ) -> None:
        fault = Fault(kind="status", status=500, probability=0.5)
        runs = []
        for _ in range(2):
            async with simulate(["openai"]) as providers:
                await providers["openai"].fail(fault)
                runs.append(
                    [await _status(http, providers["openai"]) for _ in range(20)]
                )

        assert runs[0] == runs[1]
        assert set(runs[0]) == {200, 500}

    @pytest.mark.parametrize(
        ("scope", "models", "chat"),
        [("chat", 200, 500), ("models", 500, 200), ("all", 500, 500)],
    )
    async def test_scope_says_what_fails(
        self, http: aiohttp.ClientSession, scope: Any, models: int, chat: int
    ) -> None:
        async with simulate(["openai"]) as providers, AsyncExitStack() as stack:
            provider = providers["openai"]
            await provider.fail(Fault(kind="status", scope=scope))
            listed = await stack.enter_async_context(
                http.get(f"{provider.base_url}/models")
            )

            assert listed.status == models
            assert await _status(http, provider) == chat


@pytest.mark.slow
async def test_clients_that_leave_are_no_errors_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = msgspec.json.encode(
        {
            "model": "gpt-4o",
            "stream": True,
            "messages": [{"role": "user", "content": "hello"}],
        }
    )
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
    )

    async def ask_and_leave(port: int) -> None:
        connection = await anyio.connect_tcp("127.0.0.1", port)
        await connection.send(head % len(body) + body)
        await anyio.aclose_forcefully(connection)

    async with simulate(["openai"]) as providers:
        provider = providers["openai"]
        await provider.change(tokens=20_000)
        port = msgspec.convert(
            provider.base_url.removesuffix("/v1").rpartition(":")[2], int, strict=False
        )
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask_and_leave, port)
        with anyio.fail_after(5):
            while provider.stats.in_flight or not provider.stats.requests:
                await anyio.lowlevel.checkpoint()

    assert provider.stats.aborted > 0
    assert [r.message for r in caplog.records if r.name == "aiohttp.server"] == []
