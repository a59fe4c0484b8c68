"""A real daemon that is asked to end: who is let finish, who is told what, and when."""

import asyncio
import hashlib
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import anyio
import msgspec
import pytest

from actors.errors import Overloaded
from daemon.exits import EXIT_OK
from daemon.simulator import Latency, SimulatedProvider, simulate
from ipc.client import Client
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
    prepared_daemon,
    process_environment,
)
from tests.support.systemd_socket import listening
from tests.support.waiting import until
from tests.support.wire_client import wire_client

pytestmark = pytest.mark.slow

CHAT = "http://localhost/v1/chat/completions"
BODY = {"model": "auto", "messages": [{"role": "user", "content": "Wait."}]}


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with simulate(["openai"]) as providers:
        yield providers["openai"]


def patient(provider: SimulatedProvider, drain_s: float = 30.0) -> str:
    """A configuration whose only provider may take a minute."""
    more = f"[server]\ndrain_s = {drain_s}\n"
    return configuration({"openai": provider}, more).replace(
        "first_token_s = 0.5, idle_s = 0.5, total_s = 1.5",
        "first_token_s = 60.0, idle_s = 60.0, total_s = 60.0",
    )


@asynccontextmanager
async def http(daemon: DaemonProcess) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.UnixConnector(str(daemon.socket), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def healthy(session: aiohttp.ClientSession) -> None:
    async with session.get("http://localhost/health") as answer:
        assert answer.status == 200
        await answer.read()  # and the connection is kept


async def ended(daemon: DaemonProcess) -> int:
    """Wait for the end without asking for it."""
    await until(lambda: not daemon.running, 20.0)
    return await daemon.stop()


async def by_signal(daemon: DaemonProcess) -> None:
    daemon.signal(signal.SIGTERM)


async def by_interrupt(daemon: DaemonProcess) -> None:
    daemon.signal(signal.SIGINT)


async def by_method(daemon: DaemonProcess) -> None:
    async with Client([daemon.socket]) as client:
        await client.call("drain")


async def by_command(daemon: DaemonProcess) -> None:
    command = (sys.executable, "-m", "daemon", "drain", "--socket", str(daemon.socket))
    done = await anyio.run_process(command, env=process_environment(daemon.folder))
    assert b"the daemon ends: 2 requests in flight, 30 s to finish" in done.stdout


@pytest.mark.parametrize("ask", [by_signal, by_interrupt, by_method, by_command])
async def test_what_is_in_flight_finishes_and_the_rest_is_refused_on_every_door(
    tmp_path: Path,
    provider: SimulatedProvider,
    ask: Callable[[DaemonProcess], Awaitable[None]],
) -> None:
    await provider.change(latency=Latency(median_s=4.0))
    async with (
        daemon_process(tmp_path, patient(provider)) as daemon,
        wire_client(daemon.socket) as native,
        wire_client(daemon.socket, "msgpack") as frames,
        http(daemon) as session,
        http(daemon) as rpc,
        http(daemon) as looking,
    ):
        await native.call("hello")
        await frames.call("hello")
        for each in (session, rpc, looking):
            await healthy(each)
        plain = native.start("route", {"prompt": "Wait."})
        streamed = native.start("route", {"prompt": "Wait.", "stream": True})
        await until(lambda: provider.stats.in_flight == 2)

        await ask(daemon)
        await daemon.wait_for_log("draining")
        await until(lambda: not daemon.socket.exists())

        async with asyncio.timeout(1.0):
            for client in (native, frames):
                refused = await refusal(client)
                assert refused["data"]["kind"] == "overloaded"
                assert refused["data"]["retry_after_s"] == 1.0
                assert "draining" in refused["message"]
            status: Any = (await native.call("status")).result
            assert (status["draining"], status["ready"]) == (True, False)
            async with session.post(CHAT, json=BODY) as answer:
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert answer.headers["x-gitbridge-error-kind"] == "overloaded"
            asked = {"id": 1, "method": "route", "params": {"prompt": "x"}}
            async with rpc.post("http://localhost/rpc", json=asked) as answer:
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            async with looking.get("http://localhost/ready") as answer:
                assert answer.status == 503
        with pytest.raises(OSError, match="No such file"):
            async with wire_client(daemon.socket):
                pass

        assert await ended(daemon) == EXIT_OK
        await plain.ended.wait()
        await streamed.ended.wait()
        assert plain.error is None
        assert streamed.error is None
        assert daemon.logs("drain_incomplete") == []
        assert_well(daemon)


async def refusal(client: Any) -> Any:
    async with asyncio.timeout(5):
        # Not by a request: one that is among the last to be let in takes its time.
        while not (await client.call("status")).result["draining"]:
            pass
        return (await client.call("route", {"prompt": "x"})).error


async def test_health_stays_while_it_drains(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=0.7))
    async with (
        daemon_process(tmp_path, patient(provider)) as daemon,
        wire_client(daemon.socket) as native,
        http(daemon) as session,
    ):
        await healthy(session)
        native.start("route", {"prompt": "Wait."})
        await until(lambda: provider.stats.in_flight == 1)
        daemon.signal(signal.SIGTERM)
        await daemon.wait_for_log("draining")
        await healthy(session)
        assert await ended(daemon) == EXIT_OK


async def test_the_command_can_wait_for_the_end(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=2.0))
    async with (
        daemon_process(tmp_path, patient(provider)) as daemon,
        wire_client(daemon.socket) as native,
    ):
        inside = native.start("route", {"prompt": "Wait."})
        await until(lambda: provider.stats.in_flight == 1)
        command = (sys.executable, "-m", "daemon", "drain", "--wait")
        environ = process_environment(tmp_path)
        where = ("--socket", str(daemon.socket))
        await anyio.run_process((*command, *where), env=environ)

        assert inside.ended.is_set()
        assert inside.error is None
        assert await ended(daemon) == EXIT_OK


async def test_past_the_deadline_everybody_is_told_in_their_protocol_and_billed(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    await provider.change(token_gap=Latency(median_s=0.2), tokens=500)
    async with (
        daemon_process(tmp_path, patient(provider, drain_s=0.5)) as daemon,
        wire_client(daemon.socket) as native,
        http(daemon) as session,
    ):
        streamed = native.start("route", {"prompt": "Go on.", "stream": True})
        async with session.post(CHAT, json={**BODY, "stream": True}) as answer:
            assert answer.status == 200
            await until(lambda: bool(streamed.pieces))
            await provider.change(latency=Latency(median_s=60.0))
            plain = native.start("route", {"prompt": "Wait."})
            await until(lambda: provider.stats.in_flight == 3)
            asked = monotonic()
            daemon.signal(signal.SIGTERM)
            events = (await answer.content.read()).decode()
        assert await ended(daemon) == EXIT_OK
        assert monotonic() - asked < 3.0
        for exchange in (plain, streamed):
            await exchange.ended.wait()
            exchange.assert_told_once()
            error: Any = exchange.error
            assert error["data"]["kind"] == "interrupted"
            assert error["data"]["retryable"]
            assert error["data"]["decision_id"]
            assert len(error["data"]["attempts"]) == 1
        last: Any = msgspec.json.decode(events.strip().split("data: ")[-1])
        assert last["error"]["code"] == "interrupted"
        assert "[DONE]" not in events
        (line,) = daemon.logs("drain_incomplete")
        assert line["interrupted"] == 3
        assert_well(daemon)

        await daemon.start()
        async with Client([daemon.socket]) as client:
            entries = (await client.history()).entries
            assert [e.outcome for e in entries] == ["interrupted"] * 3
            costs = {(e.stream, e.cost_usd is None, e.cost_source) for e in entries}
            # What a plain answer had cost by then, nobody has said.
            assert costs == {(True, False, "estimated"), (False, True, "unknown")}
        assert await daemon.stop() == EXIT_OK


@pytest.mark.parametrize(("drain_s", "in_time"), [(30.0, True), (0.6, False)])
async def test_who_waits_for_a_place_is_let_finish_too_or_told(
    tmp_path: Path, provider: SimulatedProvider, drain_s: float, in_time: bool
) -> None:
    await provider.change(latency=Latency(median_s=0.4))
    config = patient(provider, drain_s) + "limits = { concurrency = 1 }\n"
    async with (
        daemon_process(tmp_path, config) as daemon,
        wire_client(daemon.socket) as native,
    ):
        inside = [native.start("route", {"prompt": "Wait."}) for _ in range(6)]
        await native.call("status")  # which comes after them
        daemon.signal(signal.SIGTERM)
        assert await ended(daemon) == EXIT_OK
        for exchange in inside:
            await exchange.ended.wait()
            exchange.assert_told_once()
        errors: list[Any] = [exchange.error for exchange in inside]
        kinds = {error["data"]["kind"] if error else "ok" for error in errors}
        assert kinds == ({"ok"} if in_time else {"ok", "interrupted"})
        assert_well(daemon)
        assert len(daemon.logs("request_finished")) == 6


async def test_an_idle_daemon_ends_at_once_whoever_is_connected(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    async with (
        daemon_process(tmp_path, patient(provider)) as daemon,
        wire_client(daemon.socket) as native,
        http(daemon) as session,
    ):
        await native.call("hello")
        await healthy(session)
        silent = socket.socket(socket.AF_UNIX)
        silent.connect(str(daemon.socket))
        await native.call("status")  # which comes after that connection
        asked = monotonic()

        assert await daemon.stop() == EXIT_OK

        assert monotonic() - asked < 3.0
        assert silent.recv(1) == b""
        silent.close()
        assert_well(daemon)


@pytest.mark.skipif(not shutil.which("socat"), reason="there is no socat here")
async def test_half_closed_clients_get_their_answers(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=1.0))
    async with daemon_process(tmp_path, patient(provider)) as daemon:
        command = ["socat", "-t", "30", "-", f"UNIX-CONNECT:{daemon.socket}"]
        line = b'{"id":1,"method":"route","params":{"prompt":"Wait."}}\n'
        answers: list[Any] = []

        async def ask() -> None:
            done = await anyio.run_process(command, input=line)
            answers.append(msgspec.json.decode(done.stdout))

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(ask)
            await until(lambda: provider.stats.in_flight == 4)
            assert await daemon.stop() == EXIT_OK

        assert all(answer["result"]["content"] for answer in answers)
        assert len(answers) == 4
        assert_well(daemon)


async def test_systemd_is_told_and_asked_for_time(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=1.0))
    with (
        listening(tmp_path / "n") as systemd,
        prepared_daemon(tmp_path, patient(provider)) as daemon,
    ):
        daemon.environ["NOTIFY_SOCKET"] = str(systemd.path)
        await daemon.start()
        async with wire_client(daemon.socket) as native:
            native.start("route", {"prompt": "Wait."})
            await until(lambda: provider.stats.in_flight == 1)
            daemon.signal(signal.SIGTERM)
            stopping = await systemd.wait_for("STOPPING=1")
            await until(lambda: any(x.startswith("EXTEND_T") for x in systemd.said))
            daemon.signal(signal.SIGHUP)
            await daemon.wait_for_log("reload_refused")
            assert await ended(daemon) == EXIT_OK
        said = systemd.said

    assert "draining 1 requests" in stopping
    after = said[said.index(stopping) :]
    assert not [x for x in after if x.startswith(("READY", "RELOADING"))]


async def test_a_reload_while_it_drains_is_refused_with_the_reason(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    await provider.change(latency=Latency(median_s=1.0))
    async with (
        daemon_process(tmp_path, patient(provider)) as daemon,
        Client([daemon.socket]) as client,
        wire_client(daemon.socket) as native,
    ):
        await client.status()
        native.start("route", {"prompt": "Wait."})
        await until(lambda: provider.stats.in_flight == 1)
        daemon.signal(signal.SIGTERM)
        await daemon.wait_for_log("draining")

        with pytest.raises(Overloaded, match="draining: the configuration is not read"):
            await client.call("reload")

        assert await ended(daemon) == EXIT_OK


async def test_only_an_administrator_may_end_or_reload_it(
    tmp_path: Path, provider: SimulatedProvider
) -> None:
    digest = hashlib.sha256(b"the-user").hexdigest()
    more = (
        '[server]\nlisten = "127.0.0.1:0"\n'
        f'[access]\ntokens = [{{ name = "ann", sha256 = "{digest}" }}]\n'
    )
    config = configuration({"openai": provider}, more)
    headers = {"authorization": "Bearer the-user"}
    async with daemon_process(tmp_path, config) as daemon:
        url = f"http://{daemon.logs('ready')[0]['listen']}/rpc"
        async with aiohttp.ClientSession(headers=headers) as session:
            for method in ("drain", "reload"):
                asked = {"id": 1, "method": method}
                async with session.post(url, json=asked) as answer:
                    assert answer.status == 403
                    assert "administrators" in await answer.text()
        assert daemon.logs("reloaded") == daemon.logs("draining") == []
        assert await daemon.stop() == EXIT_OK
