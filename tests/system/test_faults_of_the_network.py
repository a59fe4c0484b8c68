"""A provider that cannot be reached: another answers, and it is said who and why."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from daemon.simulator import ProviderSpec, SimulatedProvider, simulate
from tests.support.conditions import ask, conditions, until_raised
from tests.support.daemon_process import assert_well, configuration, daemon_process
from tests.support.raw_server import Caller, raw_server
from tests.support.wire_client import WireClient, wire_client

OPENAI = ProviderSpec(name="openai", kind="openai")
CONFIG = """
[routing]
strategy = "cost"
[health]
probe = "none"
[retry]
base_delay_s = 0.01
"""
BAD = """
[providers.bad]
kind = "compatible"
base_url = "{url}"
model = "m"
price = {{ input = 0.0001, output = 0.0001 }}
timeouts = {{ connect_s = 0.5, first_token_s = 2.0, idle_s = 2.0, total_s = 4.0 }}
"""

pytestmark = [pytest.mark.slow]


def with_bad(providers: dict[str, SimulatedProvider], url: str) -> str:
    """The cheapest is where nobody is."""
    return configuration(providers, CONFIG) + BAD.format(url=url)


@contextmanager
def refusing() -> Iterator[str]:
    """A port where nobody listens: bound, so that nobody else takes it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@contextmanager
def hanging() -> Iterator[str]:
    """A port whose queue of connections is full: what comes is not even refused."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        address = sock.getsockname()
        waiting: list[socket.socket] = []
        try:
            for _ in range(8):
                waiting.append(socket.socket())
                waiting[-1].settimeout(0.1)
                with suppress(TimeoutError):
                    waiting[-1].connect(address)
            yield f"127.0.0.1:{address[1]}"
        finally:
            for each in waiting:
                each.close()


async def reset(caller: Caller) -> None:
    """Take the request, and reset the connection."""
    await caller.request()
    sock = cast("socket.socket", caller.writer.transport.get_extra_info("socket"))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.writer.transport.abort()


@asynccontextmanager
async def unreachable(fault: str) -> AsyncIterator[tuple[str, str]]:
    """The base URL of a provider with this fault, and how it is named."""
    if fault == "no name":
        yield "https://no-such-host.invalid/v1", "no-such-host.invalid:443"
    elif fault == "reset":
        async with raw_server(reset) as server:
            yield f"{server.url}/v1", server.url.removeprefix("http://")
    else:
        with refusing() if fault == "refused" else hanging() as place:
            yield f"http://{place}/v1", place


@pytest.mark.parametrize(
    ("fault", "failures", "words"),
    [
        # A resolver that does not answer either takes the time to connect.
        ("no name", {"connect", "timeout"}, ("does not resolve", "connect timeout")),
        ("refused", {"connect"}, ("Connection refused",)),
        ("reset", {"connect"}, ("reset", "hung up")),
        ("hangs", {"timeout"}, ("connect timeout: no connection within 0.5 s",)),
    ],
)
async def test_another_provider_answers_and_the_unreachable_one_is_named(
    tmp_path: Path, fault: str, failures: set[str], words: tuple[str, ...]
) -> None:
    async with (
        unreachable(fault) as (url, name),
        simulate([OPENAI]) as providers,
        daemon_process(tmp_path, with_bad(providers, url)) as daemon,
        wire_client(daemon.socket) as client,
    ):
        answer = await ask(client)
        tried = cast("list[dict[str, str]]", answer["attempts"])
        alone = await client.call("route", {"prompt": "hi", "provider": "bad"})
        error = cast("dict[str, object]", alone.error)
        data = cast("dict[str, object]", error["data"])
        text = await broken_off(client)
        afterwards = await ask(client)
        [failed, *_] = daemon.logs("attempt_failed")

        assert answer["provider"] == "openai"
        assert tried[0]["provider"] == "bad"
        assert tried[0]["outcome"] in failures
        assert (failed["provider"], failed["next_provider"]) == ("bad", "openai")
        assert name in str(failed["message"])
        assert any(word in str(failed["message"]) for word in words), failed
        assert (data["kind"], data["provider"]) == ("provider_error", "bad")
        assert name in str(error["message"])
        assert "bad/m" in text
        assert len(cast("list[object]", afterwards["attempts"])) == 1  # left out now
        assert "all_providers_down" not in await conditions(client)
        assert_well(daemon)


async def broken_off(client: WireClient) -> str:
    """Ask until the breaker of the bad one opens; what the condition says."""
    for _ in range(4):
        await ask(client)
    return await until_raised(client, "breaker_open")


async def test_with_nobody_to_ask_it_is_said_so_and_that_nobody_is_left(
    tmp_path: Path,
) -> None:
    with refusing() as place:
        config = CONFIG + BAD.format(url=f"http://{place}/v1")
        async with (
            daemon_process(tmp_path, config) as daemon,
            wire_client(daemon.socket) as client,
        ):
            asked = [client.start("route", {"prompt": "hi"}) for _ in range(8)]
            async with asyncio.timeout(20.0):
                for each in asked:
                    await each.ended.wait()
            text = await until_raised(client, "all_providers_down")
            kinds = {
                cast("dict[str, str]", cast("dict[str, object]", e.error)["data"])[
                    "kind"
                ]
                for e in asked
            }

            assert kinds <= {"provider_error", "no_provider"}
            assert text == "none of 1 providers can be used now: bad: breaker open"
            assert_well(daemon)
