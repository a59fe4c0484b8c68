"""A webhook as GitHub sends it, to the comment that two models agreed on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import aiohttp
import anyio
import msgspec
import pytest
from aiohttp import web

from actors.policy.github import MARKER, signature
from ipc.threads import ThreadsGetResult
from tests.support.daemon_process import DaemonProcess, assert_well, prepared_daemon
from tests.support.fake_github import TOKEN, FakeGitHub, fake_github
from tests.support.github_payloads import payload
from tests.support.waiting import until
from tests.support.wire_client import wire_client

pytestmark = pytest.mark.slow

SECRET = "the webhook's secret"
TITLE = "Close the file on every path"
ANSWER = "The handle is closed on every path now."


class Models:
    """Two servers' worth of models that agree."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response({"object": "list", "data": []})
        body = msgspec.json.decode(await request.read())
        self.asked.append(body["model"])
        assert "Close the file on every path" in body["messages"][-1]["content"]
        message = {"role": "assistant", "content": ANSWER}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = {"id": "1", "object": "chat.completion", "model": body["model"]}
        return web.json_response({**reply, "choices": [choice]})


@asynccontextmanager
async def models() -> AsyncIterator[Models]:
    said = Models()
    runner = web.ServerRunner(web.Server(said.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    said.url = f"http://{host}:{port}/v1"
    try:
        yield said
    finally:
        await runner.cleanup()


def config(said: Models, github: FakeGitHub) -> str:
    providers = "".join(
        f"""
[providers.{name}]
kind = "compatible"
base_url = "{said.url}"
model = "{name}-1"
"""
        for name in ("left", "right")
    )
    return f"""
[queue]
lease_s = 1.0

[events.github]
repositories = ["octo-org/hello"]

[[events.github.rules]]
events = ["pull_request.opened"]
task_type = "code_review"
providers = ["left", "right"]
consensus = "majority"
prompt = "Review {{title}}"
actions = [{{ do = "post_comment", template = "**Review**: {{answer}}" }}]

[actions]
github_url = "{github.url}"
{providers}"""


async def deliver(daemon: DaemonProcess) -> tuple[int, dict[str, object], float]:
    body = payload("pull_request")
    headers = {
        "content-type": "application/json",
        "x-github-event": "pull_request",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "x-hub-signature-256": signature(SECRET, body),
    }
    url = "http://localhost/webhooks/github"
    connector = aiohttp.UnixConnector(str(daemon.socket))
    async with aiohttp.ClientSession(connector=connector) as client:
        began = monotonic()
        async with client.post(url, data=body, headers=headers) as response:
            return response.status, await response.json(), monotonic() - began


async def assert_one_thread(daemon: DaemonProcess, task_id: str) -> None:
    """From the event to the comment, who said what is one thread."""
    async with wire_client(daemon.socket) as client:

        async def read() -> ThreadsGetResult:
            found = await client.call("threads.get", {"thread": task_id})
            return msgspec.convert(found.result, ThreadsGetResult, strict=False)

        with anyio.fail_after(20.0):
            while (await read()).entries[-1].kind != "action":  # noqa: ASYNC110 - it is another process
                await anyio.sleep(0.02)
        found = await read()
        listed = await client.call("threads.list")
    assert len(msgspec.convert(listed.result["threads"], list[object])) == 1
    entries = [(each.kind, each.who) for each in found.entries]
    wanted = {
        ("event", "mona"),
        ("decision", "event_router"),
        ("question", "caller"),
        ("decision", "router"),
        ("ballot", "left/left-1"),
        ("ballot", "right/right-1"),
        ("verdict", "consensus"),
        ("action", "post_comment"),
    }
    assert wanted <= set(entries), entries
    assert (entries[0], entries[-1][0]) == (("event", "mona"), "action")
    assert (found.thread.state, found.thread.title) == ("done", TITLE)


@pytest.mark.parametrize("killed", [False, True])
async def test_a_pull_request_gets_its_comment(tmp_path: Path, killed: bool) -> None:
    async with models() as said, fake_github() as github:
        with prepared_daemon(tmp_path, config(said, github)) as daemon:
            daemon.environ["GITBRIDGE_WEBHOOK_SECRET"] = SECRET
            (tmp_path / ".env").write_text(f"GITHUB_TOKEN={TOKEN}\n")
            await daemon.start()
            status, told, _ = await deliver(daemon)
            assert (status, told["duplicate"], told["by"]) == (202, False, "rule 1")
            if killed:
                await daemon.kill()
                await daemon.start()
            await until(lambda: bool(github.comments), timeout_s=30.0)
            status, again, took_s = await deliver(daemon)
            assert (status, again["duplicate"]) == (202, True)
            assert again["task_id"] == told["task_id"]
            assert took_s < 1.0, "GitHub waits ten"
            await assert_one_thread(daemon, str(told["task_id"]))
            assert await daemon.stop() == 0
            assert_well(daemon)
            assert TOKEN not in daemon.everything_said()
            assert SECRET not in daemon.everything_said()

    assert github.mistakes == []
    assert {"left-1", "right-1"} <= set(said.asked)
    (comment,) = github.comments
    assert comment.startswith(f"**Review**: {ANSWER}\n\n{MARKER}")
