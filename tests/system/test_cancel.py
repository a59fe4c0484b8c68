"""A client that leaves stops what it has begun, and what that cost is written down.

Each way of leaving is tried some times; the pretend provider tells when it noticed. The
contract's 200 ms are held by the middle one, so that a busy machine fails no test.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import monotonic

import anyio
import msgspec
import pytest

from actors.messages.routing import RequestRecord
from daemon.simulator import Latency, SimulatedProvider, simulate
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
)
from tests.support.ledger_file import LedgerFile
from tests.support.load import promised
from tests.support.waiting import until
from tests.support.wire_client import Spoken, wire_client

NOTICED_S = 0.2
PATIENCE_S = 5.0
TIMES = 5

pytestmark = pytest.mark.slow


@dataclass
class World:
    """A daemon and its only provider, which takes a minute for an answer."""

    daemon: DaemonProcess
    provider: SimulatedProvider

    async def busy(self, calls: int = 1) -> None:
        """Wait until the provider works on that many calls."""
        await until(lambda: self.provider.stats.in_flight == calls)

    async def left_alone(self, aborted: int) -> None:
        """Wait until the provider has noticed that many clients leaving."""
        await until(lambda: self.provider.stats.aborted == aborted)

    async def records(self, count: int) -> list[RequestRecord]:
        """Stop the daemon, and read what the ledger says of all requests."""
        assert await self.daemon.stop() == 0
        records = LedgerFile(self.daemon.state).records()
        assert len(records) == count
        return records


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with simulate(["openai"]) as providers:
        provider = providers["openai"]
        config = configuration(providers).replace(
            "first_token_s = 0.5, idle_s = 0.5, total_s = 1.5",
            "first_token_s = 60.0, idle_s = 60.0, total_s = 60.0",
        )
        async with daemon_process(tmp_path, config) as daemon:
            yield World(daemon, provider)
            if daemon.running:
                assert await daemon.stop() == 0
            assert_well(daemon)


class Message(msgspec.Struct):
    """Anything the daemon says in JSON lines, as far as it is looked at."""

    params: dict[str, object] = {}
    result: dict[str, object] = {}


# ---- ways of leaving: a context that has asked, and leaves when it ends


Ask = Callable[[World], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def native(world: World, spoken: Spoken, *, stream: bool) -> AsyncIterator[None]:
    """Hang up."""
    async with wire_client(world.daemon.socket, spoken) as client:
        exchange = client.start("route", {"prompt": "Wait.", "stream": stream})
        await until(lambda: not stream or exchange.pieces != "")
        yield


@asynccontextmanager
async def told_to_cancel(world: World, spoken: Spoken) -> AsyncIterator[None]:
    """Cancel the call, stay connected, and hear that it was cancelled."""
    async with wire_client(world.daemon.socket, spoken) as client:
        exchange = client.start("route", {"prompt": "Wait."})
        yield
        answer = await client.call("cancel", {"id": exchange.id})
        await exchange.ended.wait()

        assert answer.result == {"id": exchange.id, "cancelled": True}
        exchange.assert_told_once()
        error = exchange.error
        assert error is not None
        assert msgspec.convert(error["data"], dict[str, object])["kind"] == "cancelled"


@asynccontextmanager
async def half_closed(world: World) -> AsyncIterator[None]:
    """Say that nothing more comes, wait, and hang up."""
    async with wire_client(world.daemon.socket) as client:
        client.start("route", {"prompt": "Wait."})
        client.writer.write_eof()
        yield


@asynccontextmanager
async def over_http(world: World, *, stream: bool) -> AsyncIterator[None]:
    """Close the connection that a request came on."""
    messages = [{"role": "user", "content": "Wait."}]
    body = msgspec.json.encode({"messages": messages, "stream": stream})
    connection = await anyio.connect_unix(world.daemon.socket)
    async with connection:
        await connection.send(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        if stream:
            assert (await connection.receive()).startswith(b"HTTP/1.1 200")
        yield


async def leave_some_times(world: World, ask: Ask) -> list[float]:
    """Ask and leave, one after the other: how long the provider worked on, each."""
    taken: list[float] = []
    for number in range(1, TIMES + 1):
        async with ask(world):
            await world.busy()
            started = monotonic()
        await world.left_alone(number)
        taken.append(monotonic() - started)
    return taken


# ---- the tests


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda w: native(w, "json", stream=False), id="json hangs up"),
        pytest.param(lambda w: native(w, "msgpack", stream=False), id="msgpack"),
        pytest.param(lambda w: told_to_cancel(w, "json"), id="json cancels"),
        pytest.param(lambda w: told_to_cancel(w, "msgpack"), id="msgpack cancels"),
        pytest.param(half_closed, id="half-close, then hang up"),
        pytest.param(lambda w: over_http(w, stream=False), id="http"),
    ],
)
async def test_a_client_that_leaves_before_the_answer_stops_the_call(
    world: World, ask: Ask
) -> None:
    await world.provider.change(latency=Latency(60.0))

    taken = await leave_some_times(world, ask)

    assert median(taken) <= NOTICED_S
    records = await world.records(TIMES)
    assert world.provider.stats.requests == TIMES
    for record in records:
        assert record.outcome == "cancelled"
        assert [a.outcome for a in record.attempts] == ["cancelled"]
        # It may have worked on it, so what it bills is not known: not nothing.
        assert record.attempts[0].cost_usd is None
        assert record.cost_usd is None


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda w: native(w, "json", stream=True), id="json"),
        pytest.param(lambda w: native(w, "msgpack", stream=True), id="msgpack"),
        pytest.param(lambda w: over_http(w, stream=True), id="http"),
    ],
)
async def test_a_client_that_leaves_in_mid_stream_stops_it_and_its_cost_is_known(
    world: World, ask: Ask
) -> None:
    await world.provider.change(tokens=10_000, token_gap=Latency(0.005))
    prices = world.provider.behaviour.models[0].price

    taken = await leave_some_times(world, ask)

    assert median(taken) <= NOTICED_S
    for record in await world.records(TIMES):
        (attempt,) = record.attempts
        prompt, completion = (
            attempt.usage.prompt_tokens,
            attempt.usage.completion_tokens,
        )
        assert record.outcome == attempt.outcome == "cancelled"
        assert attempt.cost_source == "estimated"
        assert prompt is not None
        assert completion is not None
        assert 0 < completion < 10_000
        cost = (prices.input * prompt + prices.output * completion) / Decimal(10**6)
        assert attempt.cost_usd == cost
        assert record.cost_usd == cost


@pytest.mark.parametrize("stream", [False, True])
async def test_after_a_half_close_the_answer_still_comes(
    world: World, stream: bool
) -> None:
    """As ``socat`` does it: write the request, shut down, read to the end."""
    await world.provider.change(latency=Latency(0.2), token_gap=Latency(0.005))
    ask = {"id": 1, "method": "route", "params": {"prompt": "Go on.", "stream": stream}}

    connection = await anyio.connect_unix(world.daemon.socket)
    async with connection:
        await connection.send(msgspec.json.encode(ask))  # not even a newline
        await connection.send_eof()
        with anyio.fail_after(PATIENCE_S):
            data = b"".join([chunk async for chunk in connection])

    *deltas, last = map(msgspec.json.Decoder(Message).decode, data.splitlines())
    wanted = promised(world.provider, "Go on.")
    pieces = [str(delta.params["content"] or "") for delta in deltas]
    assert last.result["content"] == wanted
    assert "".join(pieces) == (wanted if stream else "")
    assert world.provider.stats.aborted == 0


async def test_one_of_many_on_a_connection_is_cancelled_alone(world: World) -> None:
    await world.provider.change(latency=Latency(0.5))
    async with wire_client(world.daemon.socket) as client:
        calls = [client.start("route", {"prompt": f"Wait {n}."}) for n in range(8)]
        await world.busy(8)
        await client.call("cancel", {"id": calls[3].id})
        for call in calls:
            await call.ended.wait()

    for number, call in enumerate(calls):
        call.assert_told_once()
        if number != 3:
            assert call.result["content"] == promised(world.provider, f"Wait {number}.")
    assert calls[3].error is not None
    assert world.provider.stats.aborted == 1
