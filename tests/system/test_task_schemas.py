"""Answers of a real daemon held against schemas, in a child that ends with the daemon."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from tests.support.daemon_process import DaemonProcess, assert_well, prepared_daemon
from tests.support.waiting import until
from tests.support.wire_client import WireClient, wire_client

pytestmark = pytest.mark.slow

SCHEMA = {
    "type": "object",
    "properties": {"id": {"$ref": "#/$defs/id"}},
    "required": ["id"],
    "$defs": {"id": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"}},
}


@asynccontextmanager
async def model(*answers: str) -> AsyncIterator[str]:
    """A compatible server that gives these answers in turn; its address."""
    left = list(answers)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response({"object": "list", "data": []})
        message = {"role": "assistant", "content": left.pop(0)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(
            {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice]}
        )

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


def config(url: str) -> str:
    return f"""
[health]
probe = "none"
[providers.own]
kind = "compatible"
base_url = "{url}"
model = "m"
"""


def children(daemon: DaemonProcess) -> list[int]:
    """Those that apply schemas."""
    found = Path(f"/proc/{daemon.pid}/task").glob("*/children")
    pids = [int(pid) for each in found for pid in each.read_text().split()]
    return [p for p in pids if b"anyio" in Path(f"/proc/{p}/cmdline").read_bytes()]


async def worked(client: WireClient, schema: object) -> dict[str, object]:
    params = {"prompt": "Which one?", "check": {"schema": schema}}
    kept = (await client.call("tasks.submit", params)).result
    which = {"task_id": kept["task_id"], "timeout_s": 30}
    waited = (await client.call("tasks.wait", which, timeout_s=40.0)).result
    (task,) = msgspec.convert(waited["tasks"], list[dict[str, object]])
    return task


@pytest.mark.parametrize("killed", [False, True])
async def test_an_answer_is_held_against_its_schema(
    tmp_path: Path, killed: bool
) -> None:
    async with model('{"id": "ab-1"}', '{"id": "AB-1"}') as url:
        with prepared_daemon(tmp_path, config(url)) as daemon:
            await daemon.start()
            async with wire_client(daemon.socket) as client:
                refused = await client.call(
                    "tasks.submit",
                    {"prompt": "x", "check": {"schema": {"pattern": "(?=a)"}}},
                )
                task = await worked(client, SCHEMA)
            (child,) = children(daemon)
            if killed:
                daemon.signal(signal.SIGKILL)
                await daemon.ended()
            else:
                assert await daemon.stop() == 0
                assert_well(daemon)
            await until(lambda: not Path(f"/proc/{child}").exists())

    assert "check.schema" in str(refused.error)
    assert "at $.pattern:" in str(refused.error)
    assert task["state"] == "done"
    (wrong,) = msgspec.convert(task["refused"], list[str])
    assert "at $.id:" in wrong
