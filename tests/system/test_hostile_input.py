"""Ten thousand hostile inputs: the daemon lives, serves others, and grows no fatter.

A third each is mutated from valid HTTP, JSON lines and frames; see ``support.hostile``.
``GITBRIDGE_SEED`` chooses others, ``GITBRIDGE_LONG=1`` sends ten times as many.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from time import monotonic

import anyio
import msgspec
import pytest

from daemon.allocator import CHECK_S
from daemon.simulator import SimulatedProvider, simulate
from ipc.frames import Framing, JsonLines, MsgpackFrames
from tests.support.daemon_process import (
    DaemonProcess,
    assert_well,
    configuration,
    daemon_process,
)
from tests.support.hostile import SPOKEN, Attack, attacks, oversized
from tests.support.load import Told, open_doors, promised
from tests.support.waiting import until

COUNT = 100_000 if "GITBRIDGE_LONG" in os.environ else 10_000
SEED = int(os.environ.get("GITBRIDGE_SEED", "1"))
AT_ONCE = 64
PATIENCE_S = 0.05
"""How long an attacker who waits stays after the daemon has gone silent."""

SERVED_WITHIN_S = 5.0
QUIET_S = 15.0
"""How long the daemon may keep a connection whose other end has gone."""

GROWTH_BYTES = 4 << 20

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + COUNT // 50)]


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with simulate(["openai"]) as providers:
        yield providers["openai"]


@pytest.fixture
async def daemon(
    tmp_path: Path, provider: SimulatedProvider
) -> AsyncIterator[DaemonProcess]:
    """A daemon that must be well at the end."""
    config = configuration({provider.name: provider})
    async with daemon_process(tmp_path, config) as daemon:
        yield daemon
        assert daemon.running
        assert await daemon.stop() == 0
        assert_well(daemon)


async def test_hostile_input_disturbs_nobody(
    daemon: DaemonProcess, provider: SimulatedProvider
) -> None:
    stream = attacks(SEED, COUNT)
    files = daemon.open_files()

    await attack(daemon, provider, islice(stream, COUNT // 2))
    before = await memory_when_quiet(daemon, files)
    await attack(daemon, provider, stream)
    after = await memory_when_quiet(daemon, files)

    assert after <= before + GROWTH_BYTES


async def memory_when_quiet(daemon: DaemonProcess, files: int) -> int:
    """Resident bytes when all have gone and what was freed has been given back."""
    # Some stay: to the provider, to the database and its log.
    await until(lambda: daemon.open_files() <= files + 16, QUIET_S)
    await anyio.sleep(CHECK_S + 1.0)
    return daemon.memory()[0]


async def test_oversized_input_is_not_kept(
    daemon: DaemonProcess, provider: SimulatedProvider
) -> None:
    """Some time after the last of those that sent it has gone."""
    limit = daemon.memory()[0] + 2 * GROWTH_BYTES

    for _ in range(3):
        await attack(daemon, provider, (oversized(s) for s in SPOKEN * 10))
        await until(lambda: daemon.memory()[0] <= limit, QUIET_S)


async def attack(
    daemon: DaemonProcess, provider: SimulatedProvider, stream: Iterator[Attack]
) -> None:
    """Send all of these, many at a time, while good clients work on every door."""
    async with anyio.create_task_group() as group:
        group.start_soon(good_clients, daemon, provider)
        async with anyio.create_task_group() as attackers:
            for _ in range(AT_ONCE):
                attackers.start_soon(attacker, daemon.socket, stream)
        group.cancel_scope.cancel()


async def good_clients(daemon: DaemonProcess, provider: SimulatedProvider) -> None:
    """Ask over each door, on connections that stay open, and be answered in time."""
    number = 0
    async with open_doors(daemon.socket) as doors:
        while True:
            for door in doors:
                number += 1
                prompt = f"Well-behaved question {number}?"
                told = Told(number, door.name, prompt, stream=number % 2 == 0)
                started = monotonic()
                await door.ask(told)
                assert told.outcome == "ok", (told, daemon.bugs())
                wanted = promised(provider, prompt)
                assert (told.pieces if told.stream else told.content) == wanted
                assert monotonic() - started < SERVED_WITHIN_S
                await anyio.sleep(0.02)


async def attacker(socket: Path, stream: Iterator[Attack]) -> None:
    for each in stream:
        reader, writer = await connect(socket)
        try:
            await carry_out(each, reader, writer)
        except ConnectionError:
            pass  # it hung up on us, as it may
        finally:
            if each.ending == "abort":
                writer.transport.abort()
            writer.close()


async def connect(socket: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with anyio.fail_after(SERVED_WITHIN_S):
        while True:
            try:
                return await asyncio.open_unix_connection(str(socket))
            except BlockingIOError:  # the backlog is full: the others wait too
                await anyio.sleep(PATIENCE_S)


async def carry_out(
    attack: Attack, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    for piece in attack.pieces:
        if writer.is_closing():
            return
        writer.write(piece)
        with anyio.move_on_after(PATIENCE_S):  # it need not read all of it
            await writer.drain()
        await anyio.sleep(attack.pause_s)
    if attack.ending == "half_close" and not writer.is_closing():
        writer.write_eof()
    if attack.ending in {"half_close", "wait"}:
        assert_readable(await read_until_silent(reader))


async def read_until_silent(reader: asyncio.StreamReader) -> bytes:
    answer = b""
    while True:
        with anyio.move_on_after(PATIENCE_S) as silence:
            data = await reader.read(65536)
            if not data:
                return answer
            answer += data
        if silence.cancelled_caught:
            return answer


def assert_readable(answer: bytes) -> None:
    """Whatever was asked, the answer is in order: HTTP, JSON lines or frames.

    The last line or frame may be cut: an attacker's patience is short.
    """
    if not answer or answer.startswith(b"HTTP/"):
        return
    framing: Framing = JsonLines() if answer[:1] == b"{" else MsgpackFrames()
    for message in framing.feed(answer):
        assert isinstance(message, bytes), message
        document = msgspec.convert(framing.decode(message), dict[str, object])
        assert document["jsonrpc"] == "2.0"
        assert document.keys() & {"result", "error", "params"}
