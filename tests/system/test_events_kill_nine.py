"""``kill -9`` at every step from a webhook to what follows it.

Nothing that was acknowledged is lost; each action is done at least once, under the same
id; GitHub, which shows what it has, gets one comment; and a command that the daemon left
running does not run beside its second attempt. ``GITBRIDGE_KILLS`` sets how often it is killed
at any moment, ``GITBRIDGE_LONG=1`` makes it a hundred times.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import aiohttp
import anyio
import msgspec
import pytest
from aiohttp import web

from actors.policy.github import signature
from tests.support.daemon_process import DaemonProcess, assert_well, prepared_daemon
from tests.support.fake_github import TOKEN, FakeGitHub, fake_github
from tests.support.github_payloads import payload
from tests.support.waiting import until
from tests.support.wire_client import wire_client

KILLS = int(
    os.environ.get("GITBRIDGE_KILLS", "100" if "GITBRIDGE_LONG" in os.environ else "8")
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240 + 8 * KILLS)]

SECRET = "the webhook's secret"
POINTS = ("accepted", "asked", "answered", "listed", "posted", "called", "running")
"""Where the daemon is killed: right after the 202, while the model is asked, when its
answer is out, while GitHub is asked for comments, when it has ours and we do not know,
while a URL is called, while a command runs."""

COMMAND = """
import fcntl, pathlib, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
lock = open(folder / "lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    (folder / "beside").touch()
with open(folder / "runs", "a") as runs:
    print("run", file=runs)
while (folder / "hold").exists():
    time.sleep(0.01)
print(sys.stdin.read())
"""


class World:
    """The model, the called URL and the command's folder; one step waits to be killed."""

    def __init__(self, folder: Path, at: str) -> None:
        self.folder = folder
        self.at = at
        self.reached = anyio.Event()
        self.go_on = anyio.Event()
        self.asked = 0
        self.calls: list[str] = []
        self.url = ""
        if at == "running":
            (folder / "hold").touch()

    async def pause(self, point: str) -> None:
        """Wait here to be killed, the first time, where this is the point."""
        if point == self.at:
            self.reached.set()
            await self.go_on.wait()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response({"object": "list", "data": []})
        body = msgspec.json.decode(await request.read())
        if request.path == "/hook":
            self.calls.append(request.headers["idempotency-key"])
            await self.pause("called")
            return web.json_response({})
        self.asked += 1
        await self.pause("asked")
        message = {"role": "assistant", "content": "Fine."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = {"id": "1", "object": "chat.completion", "model": body["model"]}
        if self.at == "answered":
            self.reached.set()
        return web.json_response({**reply, "choices": [choice]})

    def runs(self) -> int:
        file = self.folder / "runs"
        return file.read_text().count("run") if file.exists() else 0

    def release(self) -> None:
        """Who comes now is not kept waiting."""
        self.at = ""
        self.go_on.set()
        (self.folder / "hold").unlink(missing_ok=True)


@asynccontextmanager
async def world(folder: Path, at: str) -> AsyncIterator[World]:
    it = World(folder, at)
    runner = web.ServerRunner(web.Server(it.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    it.url = f"http://{host}:{port}"
    try:
        yield it
    finally:
        it.release()
        await runner.cleanup()


def config(it: World, github: FakeGitHub) -> str:
    argv = msgspec.json.encode(
        [sys.executable, "-I", "-S", "-c", COMMAND, str(it.folder)]
    ).decode()
    return f"""
[queue]
lease_s = 1.0
max_attempts = 100

[events]
classify = true

[[events.github.rules]]
events = ["pull_request.opened"]
actions = [
  {{ do = "post_comment" }},
  {{ do = "call_url", url = "{it.url}/hook" }},
  {{ do = "run_command", command = "note" }},
]

[actions]
github_url = "{github.url}"

[actions.commands.note]
argv = {argv}

[health]
probe = "none"

[providers.own]
kind = "compatible"
base_url = "{it.url}/v1"
model = "own-1"
"""


async def deliver(daemon: DaemonProcess, number: int = 0) -> bool:
    """Whether it was acknowledged."""
    body = payload("pull_request")
    headers = {
        "content-type": "application/json",
        "x-github-event": "pull_request",
        "x-github-delivery": f"72d3162e-cc78-11e3-81ab-{number:012}",
        "x-hub-signature-256": signature(SECRET, body),
    }
    connector = aiohttp.UnixConnector(str(daemon.socket))
    async with aiohttp.ClientSession(connector=connector) as client:
        url = "http://localhost/webhooks/github"
        try:
            async with client.post(url, data=body, headers=headers) as response:
                return response.status == 202
        except aiohttp.ClientError:
            return False


async def states(daemon: DaemonProcess) -> list[tuple[str, str]]:
    """Type and state of every task."""
    async with wire_client(daemon.socket) as client:
        rows: list[dict[str, object]] = []
        cursor: object = None
        while cursor is not None or not rows:
            params = {"limit": 1000, "cursor": cursor}
            result = (await client.call("tasks.list", params)).result
            rows += msgspec.convert(result["tasks"], list[dict[str, object]])
            cursor = result["cursor"]
    return [(str(row["type"]), str(row["state"])) for row in rows]


async def all_done(daemon: DaemonProcess, count: int) -> list[str]:
    """Wait until so many tasks are done and none is left; their types."""
    found: list[tuple[str, str]] = []
    with anyio.fail_after(60 + 2 * KILLS):
        while len(found) < count or any(state != "done" for _, state in found):
            await anyio.sleep(0.1)
            found = await states(daemon)
    return sorted(name for name, _ in found)


@pytest.mark.parametrize("at", POINTS)
async def test_killed_at_any_step_it_all_happens(tmp_path: Path, at: str) -> None:
    folder = tmp_path / "command"
    folder.mkdir()
    async with world(folder, at) as it, fake_github() as github:
        github.pause = it.pause
        with prepared_daemon(tmp_path, config(it, github)) as daemon:
            daemon.environ |= {
                "GITBRIDGE_WEBHOOK_SECRET": SECRET,
                "GITHUB_TOKEN": TOKEN,
            }
            await daemon.start()
            assert await deliver(daemon)
            if at == "running":
                await until(lambda: it.runs() == 1, timeout_s=30.0)
            elif at != "accepted":
                with anyio.fail_after(30):
                    await it.reached.wait()
            await daemon.kill()
            if at != "running":
                it.release()
            await daemon.start()
            if at == "running":  # its second attempt, while nobody let the first end
                await until(lambda: it.runs() == 2, timeout_s=30.0)
                it.release()
            done = await all_done(daemon, 5)
            assert await daemon.stop() == 0
            assert_well(daemon)

    assert done == [
        "call_url",
        "general",
        "post_comment",
        "pull_request.opened",
        "run_command",
    ]
    assert github.mistakes == []
    assert len(github.comments) == 1
    assert len(set(it.calls)) == 1
    assert len(it.calls) <= 2
    assert it.runs() in {1, 2}
    assert not (folder / "beside").exists()


async def test_killed_at_any_moment_no_acknowledged_event_is_lost(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "command"
    folder.mkdir()
    random, accepted = Random(1), 0
    async with world(folder, "") as it, fake_github() as github:
        with prepared_daemon(tmp_path, config(it, github)) as daemon:
            daemon.environ |= {
                "GITBRIDGE_WEBHOOK_SECRET": SECRET,
                "GITHUB_TOKEN": TOKEN,
            }
            for kill in range(KILLS):
                await daemon.start()
                for number in range(5):
                    accepted += await deliver(daemon, 5 * kill + number)
                await anyio.sleep(random.uniform(0.0, 0.4))
                await daemon.kill()
                assert_well(daemon)
            await daemon.start()
            done = await all_done(daemon, 5 * accepted)
            assert await daemon.stop() == 0
            assert_well(daemon)

    assert accepted == 5 * KILLS
    assert done.count("post_comment") == accepted
    assert len(github.comments) == len(set(github.comments)) == accepted
    assert len(set(it.calls)) == accepted
    assert github.mistakes == []
