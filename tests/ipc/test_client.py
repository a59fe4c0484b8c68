"""The Python client over a real socket."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NoProvider,
    NotPermitted,
)
from actors.messages.routing import Weights, error_info
from ipc.calls import CallFailed, DaemonUnreachable
from ipc.client import Client, details
from ipc.control import DrainResult, ReloadResult
from ipc.listing import ModelsResult
from ipc.results import (
    HealthResult,
    HistoryResult,
    MetricsResult,
    ProvidersResult,
    StatusResult,
    StrategyResult,
    UsageResult,
)
from tests.support.door import Door, drained, open_door, short_folder

RELOADED = ReloadResult(path=None, changes=(), providers=())


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return ("asyncio", {"use_uvloop": request.param})


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door() as opened:
        yield opened


@pytest.fixture
async def client(door: Door) -> AsyncIterator[Client]:
    async with Client([door.path]) as connected:
        yield connected


async def test_a_prompt_is_answered(door: Door, client: Client) -> None:
    reply = await client.route("hello", strategy="cost")

    assert reply.content == "hello"
    assert str(reply.cost_usd) == "0.000125"
    [handle] = door.service.handles
    assert handle.request.strategy == "cost"
    assert handle.request.door == "msgpack"


async def test_messages_may_take_the_place_of_a_prompt(client: Client) -> None:
    reply = await client.route(messages=[{"role": "user", "content": "hi"}])

    assert reply.content == "hi"


async def test_an_answer_is_streamed(client: Client) -> None:
    async with client.stream("one two three") as answer:
        with pytest.raises(RuntimeError, match="still coming"):
            _ = answer.result
        pieces = [piece.content async for piece in answer]

    assert pieces == ["one ", "two ", "three "]
    assert answer.result.content == "one two three"


async def test_many_are_in_flight_on_one_connection(door: Door, client: Client) -> None:
    door.service.hold = True
    tasks = [asyncio.ensure_future(client.route(f"p{i}")) for i in range(64)]
    await door.service.arrived(64)

    for handle in reversed(door.service.handles):
        door.service.answer(handle)

    replies = await asyncio.gather(*tasks)
    assert [reply.content for reply in replies] == [f"p{i}" for i in range(64)]
    assert len(door.native.connections) == 1


async def test_errors_are_raised_as_what_they_are(door: Door, client: Client) -> None:
    door.service.refusal = NoProvider("nobody", retry_after_s=4.0)

    with pytest.raises(NoProvider, match="nobody") as caught:
        await client.route("x")

    assert caught.value.retry_after_s == 4.0
    found = details(caught.value)
    assert found is not None
    assert found.kind == "no_provider"
    assert isinstance(caught.value.__cause__, CallFailed)
    with pytest.raises(InvalidRequest) as wrong:
        await client.route("x", temperature="hot")
    assert wrong.value.field == "temperature"


async def test_an_error_ends_a_stream(door: Door, client: Client) -> None:
    door.service.hold = True
    async with client.stream("x") as answer:
        await door.service.arrived(1)
        [handle] = door.service.handles
        handle.send("some")
        handle.finish(error_info(NoProvider("gone")))

        assert (await anext(answer)).content == "some"
        with pytest.raises(NoProvider):
            await anext(answer)


async def test_cancelling_the_wait_cancels_the_request(
    door: Door, client: Client
) -> None:
    door.service.hold = True
    task = asyncio.ensure_future(client.route("x"))
    await door.service.arrived(1)

    task.cancel()

    await door.service.handles[0].stopped(0.2)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_leaving_a_stream_early_cancels_the_request(
    door: Door, client: Client
) -> None:
    door.service.hold = True
    async with client.stream("x"):
        await door.service.arrived(1)

    await door.service.handles[0].stopped(0.2)
    door.service.hold = False
    assert (await client.route("still there")).content == "still there"


async def test_a_deadline_cancels_the_request(door: Door, client: Client) -> None:
    door.service.hold = True

    with pytest.raises(DeadlineExceeded, match="no answer after"):
        await client.route("x", timeout_s=0.02)

    await door.service.handles[0].stopped(0.2)


async def test_a_connection_lost_while_idle_is_made_again(
    door: Door, client: Client
) -> None:
    await client.route("x")
    await drained(door.native, 0)
    assert client._link is not None
    await asyncio.wait_for(client._link.closed, 5)

    assert (await client.route("again")).content == "again"


async def test_requests_in_flight_on_a_lost_connection_fail(
    door: Door, client: Client
) -> None:
    door.service.hold = True
    task = asyncio.ensure_future(client.route("x"))
    await door.service.arrived(1)
    for connection in door.native.connections:
        connection._transport.abort()  # type: ignore[union-attr]  # as kill -9 would

    with pytest.raises(DaemonUnreachable, match="went away"):
        await task


async def test_closing_the_client_ends_what_waits(door: Door, client: Client) -> None:
    door.service.hold = True
    task = asyncio.ensure_future(client.route("x"))
    await door.service.arrived(1)

    await client.aclose()
    await client.aclose()

    with pytest.raises(DaemonUnreachable):
        await task


async def test_no_daemon_is_told_with_all_paths_tried() -> None:
    folder = short_folder()

    with pytest.raises(DaemonUnreachable, match=r"no daemon answers on .*a, .*b"):
        await Client([folder / "a", folder / "b"]).status()
    folder.rmdir()


async def test_a_stranger_is_told_so() -> None:
    async with (
        open_door(identify=lambda _: None) as door,
        Client([door.path]) as client,
    ):
        with pytest.raises(NotPermitted):
            await client.route("x")


async def test_another_program_on_the_socket_is_told() -> None:
    folder = short_folder()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(1)
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, folder / "s")
    try:
        async with Client([folder / "s"]) as client:
            with pytest.raises(DaemonUnreachable, match="no daemon of ours"):
                await client.route("x")
    finally:
        server.close()
        (folder / "s").unlink(missing_ok=True)
        folder.rmdir()


async def test_the_reading_methods_have_names(door: Door, client: Client) -> None:
    answers = door.service.answers
    answers["status"] = StatusResult(
        version="1",
        pid=1,
        started_at=0.0,
        uptime_s=1.0,
        ready=True,
        strategy="hybrid",
        weights=Weights(),
        in_flight=0,
        providers=(),
    )
    answers["providers"] = ProvidersResult(())
    answers["metrics"] = MetricsResult(
        requests=0,
        failures=0,
        prompt_tokens=0,
        completion_tokens=0,
        cost_usd=None,
        unpriced_calls=0,
        providers=(),
    )
    answers["models"] = ModelsResult(())
    answers["strategy.get"] = StrategyResult("cost", Weights())
    answers["strategy.set"] = StrategyResult("priority", Weights(), overridden=True)
    answers["reload"] = RELOADED
    answers["drain"] = DrainResult(in_flight=1, drain_s=2.0)
    answers["history"] = HistoryResult(())
    answers["usage"] = UsageResult("model", None, ())
    answers["health.check"] = HealthResult(healthy=True, providers=())

    assert await client.status() == answers["status"]
    assert await client.providers() == answers["providers"]
    assert await client.models() == answers["models"]
    assert await client.strategy() == answers["strategy.get"]
    assert (await client.set_strategy("priority")).overridden
    assert (await client.set_strategy(None)).overridden
    assert await client.reload() == RELOADED
    assert await client.drain() == answers["drain"]
    assert await client.metrics() == answers["metrics"]
    assert await client.history(limit=5) == answers["history"]
    assert await client.usage(by="model") == answers["usage"]
    assert await client.health() == answers["health.check"]
    with pytest.raises(DaemonUnreachable, match="not understood"):
        await client.explain("d1")
    called = [(name, params) for name, params, _ in door.service.calls]
    assert [name for name, _ in called][-1] == "explain"
