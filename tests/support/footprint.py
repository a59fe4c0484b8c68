"""How soon a daemon is ready, and what memory it takes: measured, not judged."""

import socket
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import anyio
from msgspec import Struct

from tests.support.daemon_process import DaemonProcess, prepared_daemon
from tests.support.load import Load, open_doors
from tests.support.outages import Outages, outages

QUESTIONS = 1000
HELLO = b'{"id": 1, "method": "hello"}\n'
GIVE_UP_S = 20.0


class Memory(Struct, frozen=True):
    """Bytes resident, and proportionally (shared pages divided among their users)."""

    resident: int
    proportional: int


class Footprint(Struct, frozen=True, kw_only=True):
    """What was measured. ``first_s`` is the first start with an empty state folder,
    ``ready_s`` the middle one of the later starts; both from ``exec`` to an answered
    ``hello``."""

    first_s: float
    ready_s: float
    starts_s: tuple[float, ...]
    idle: Memory
    after: Memory
    priced: int


async def measure(folder: Path, *, starts: int, settle_s: float) -> Footprint:
    """Start ``starts`` times, then serve 1,000 priced requests and wait ``settle_s``.

    Three providers of the three kinds, every door, plain and streamed in turn.
    """
    async with outages() as world:
        with prepared_daemon(folder, world.config) as daemon:
            first = time_to_hello(daemon)
            taken = []
            for _ in range(starts):
                await daemon.stop()
                taken.append(time_to_hello(daemon))
            await daemon.wait_for_log("ready")
            idle = Memory(*daemon.memory())
            await _serve_questions(daemon, world)
            await anyio.sleep(settle_s)
            after = Memory(*daemon.memory())
            await daemon.stop()
            finished = daemon.logs("request_finished")
    return Footprint(
        first_s=first,
        ready_s=median(taken),
        starts_s=tuple(taken),
        idle=idle,
        after=after,
        priced=sum(line["cost_usd"] is not None for line in finished),
    )


async def _serve_questions(daemon: DaemonProcess, world: Outages) -> None:
    """Every one answered, by everybody; the clients are gone at the end."""
    async with open_doors(daemon.socket) as doors:
        told = await Load(doors, QUESTIONS).run()
    assert all(t.outcome == "ok" for t in told)
    assert all(p.stats.requests for p in world.providers.values())


def time_to_hello(daemon: DaemonProcess) -> float:
    """Start the daemon; seconds until its socket answers ``hello``. Blocks."""
    daemon.spawn()
    while True:
        try:
            return _say_hello(daemon)
        except (ConnectionError, FileNotFoundError):
            assert daemon.running, daemon.tail()
            assert monotonic() - daemon.spawned_at < GIVE_UP_S, daemon.tail()
            sleep(0.001)


def _say_hello(daemon: DaemonProcess) -> float:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(GIVE_UP_S)
        connection.connect(str(daemon.socket))
        connection.sendall(HELLO)
        assert connection.recv(4096).startswith(b'{"jsonrpc"')
        return monotonic() - daemon.spawned_at
