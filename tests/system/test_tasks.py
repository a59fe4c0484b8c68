"""Durable tasks through a real daemon: HTTP, the command line's method, status, metrics."""

from pathlib import Path

import aiohttp
import anyio
import pytest

from tests.support.daemon_process import daemon_process
from tests.support.outages import outages
from tests.support.wire_client import wire_client

pytestmark = pytest.mark.slow


async def test_a_task_over_http_and_what_is_told_of_it(tmp_path: Path) -> None:
    async with outages() as world, daemon_process(tmp_path, world.config) as daemon:
        connector = aiohttp.UnixConnector(path=str(daemon.socket))
        async with aiohttp.ClientSession(
            "http://localhost", connector=connector
        ) as web:
            batch = {"tasks": [{"prompt": "a"}, {"prompt": "b", "delay_s": 1000}]}
            async with web.post("/api/tasks.submit", json=batch) as answer:
                assert answer.status == 200
                kept = await answer.json()
            which = {"task_id": kept["task_id"], "timeout_s": 20}
            async with web.post("/api/tasks.wait", json=which) as answer:
                waited = await answer.json()
            assert waited["done"]
            assert waited["tasks"][0]["result"]["finish_reason"] == "stop"
            listed = {"batch_id": kept["batch_id"], "state": "queued"}
            async with web.get("/api/tasks.list", params=listed) as answer:
                assert [t["state"] for t in (await answer.json())["tasks"]] == [
                    "queued"
                ]
            async with web.get("/api/tasks.submit") as answer:
                assert answer.status == 405
            async with wire_client(daemon.socket) as client:
                for _ in range(400):
                    status = (await client.call("status")).result
                    counts = status["tasks"]
                    assert isinstance(counts, dict)
                    if counts.get("scheduled") == 1:
                        break
                    await anyio.sleep(0.05)
            async with web.get("/metrics") as answer:
                page = await answer.text()
        assert await daemon.stop() == 0
    assert 'gitbridge_tasks_total{state="done"} 1' in page
    depth = 'task_queue_depth{priority="normal",kind="request",type="request",'
    assert f'gitbridge_{depth}state="scheduled"}} 1' in page
    assert 'gitbridge_task_attempts_total{kind="request",state="done"} 1' in page
