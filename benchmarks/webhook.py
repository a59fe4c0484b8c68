"""How soon a webhook of GitHub's is answered, alone and while 64 requests are in flight.

    .venv/bin/python -m benchmarks.webhook [--deliveries N] [--json]

A real daemon: each answer comes once the event is on the disk, and each event is then
worked on (classified, asked about). A process of its own delivers them one after the
other and measures; the goal is 100 ms. Exits with 1 when the 99th percentile misses it.
"""

import argparse
import http.client
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio
import msgspec
from typing_extensions import override

from actors.policy.github import signature
from daemon.simulator import Latency
from tests.support.daemon_process import DaemonProcess, prepared_daemon
from tests.support.github_payloads import payload
from tests.support.load import Load, open_doors
from tests.support.outages import outages

GOAL_S: Final = 0.1
IN_FLIGHT: Final = 64
SECRET: Final = "the-webhook-secret"
ANSWER_S: Final = 0.5
"""How long a model takes: so many of the requests are in flight at any time."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds until the answer."""

    in_flight: int
    deliveries: int
    p50_s: float
    p99_s: float
    max_s: float


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def deliver(path: str, first: int, count: int) -> list[float]:
    """Deliver so many, one after the other; the seconds of each. Blocks."""
    body = payload("pull_request")
    signed = signature(SECRET, body)
    connection = _Unix(path)
    taken = []
    for number in range(first, first + count):
        headers = {
            "content-type": "application/json",
            "x-github-event": "pull_request",
            "x-github-delivery": f"delivery-{number}",
            "x-hub-signature-256": signed,
        }
        begun = time.perf_counter()
        connection.request("POST", "/webhooks/github", body, headers)
        response = connection.getresponse()
        told = response.read()
        taken.append(time.perf_counter() - begun)
        assert response.status == 202, told
    return taken


async def measure(folder: Path, deliveries: int) -> tuple[Figures, Figures]:
    """Alone, then under load."""
    async with outages() as world:
        for provider in world.providers.values():
            await provider.change(latency=Latency(ANSWER_S, 0.0))
        with prepared_daemon(folder, world.config) as daemon:
            daemon.environ["GITBRIDGE_WEBHOOK_SECRET"] = SECRET
            await daemon.start()
            alone = await _apart(daemon, 0, deliveries)
            async with open_doors(daemon.socket) as doors:
                load = Load(doors, 1_000_000, in_flight=IN_FLIGHT)
                async with anyio.create_task_group() as group:
                    group.start_soon(load.run)
                    while load.answers < IN_FLIGHT:  # noqa: ASYNC110 - it is short
                        await anyio.sleep(0.05)
                    busy = await _apart(daemon, deliveries, deliveries)
                    group.cancel_scope.cancel()
            await daemon.stop()
    return _figures(0, alone), _figures(IN_FLIGHT, busy)


async def _apart(daemon: DaemonProcess, first: int, count: int) -> list[float]:
    """In a process of its own: what it waits for is the daemon alone."""
    command = [sys.executable, "-m", "benchmarks.webhook"]
    command += ["--deliver", str(daemon.socket), str(first), str(count)]
    done = await anyio.run_process(command, stderr=subprocess.STDOUT)
    return msgspec.json.decode(done.stdout, type=list[float])


def _figures(in_flight: int, taken: list[float]) -> Figures:
    ordered = sorted(taken)
    return Figures(
        in_flight=in_flight,
        deliveries=len(ordered),
        p50_s=ordered[len(ordered) // 2],
        p99_s=ordered[max(0, len(ordered) * 99 // 100 - 1)],
        max_s=ordered[-1],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--deliver", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.deliver is not None:
        path, first, count = given.deliver
        taken = deliver(path, int(first), int(count))
        print(msgspec.json.encode(taken).decode())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = anyio.run(measure, Path(folder), given.deliveries)
    if given.json:
        print(msgspec.json.encode(found).decode())
    else:
        print(f"{'webhook answered, ms':24}{'p50':>9}{'p99':>9}{'max':>9}")
        for each in found:
            label = f"{each.in_flight} requests in flight"
            figures = (each.p50_s, each.p99_s, each.max_s)
            print(f"{label:24}" + "".join(f"{s * 1e3:>9.1f}" for s in figures))
    return 0 if all(each.p99_s <= GOAL_S for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
